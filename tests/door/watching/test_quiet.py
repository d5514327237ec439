"""Frames of an empty scene are left out, and whoever comes is not reported later for it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from maskgate.core.signals import Flag
from maskgate.door import readings
from maskgate.door.cameras import specs
from maskgate.door.cameras.stored import StoredCamera
from maskgate.door.engine import Engine
from maskgate.door.verdict import Measured
from maskgate.door.watching.motion import QUIET, Motion
from maskgate.door.watching.station import Rules
from maskgate.door.watching.watch import Watch
from maskgate.imaging.pixels import Pixels
from tests.door import films
from tests.door.films import Scene
from tests.door.watching.conftest import Kept


class CountingEngine:
    """The engine, with a count of the frames that it is given."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.frames = engine, 0

    def measure(self, frames: Sequence[Pixels]) -> list[list[Measured]]:
        self.frames += len(frames)
        return self._engine.measure(frames)

    digest = "d1" * 32

    def warm_up(self, cameras: int) -> None:
        self._engine.warm_up(cameras)


@pytest.mark.slow
@pytest.mark.parametrize("slowness", ["at once", "slowly"])
def test_nobody_waits(
    engine: Engine,
    portraits: dict[str, Image.Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slowness: str,
) -> None:
    """Two thirds of the frames of an empty scene are left out; who steps up at once, or comes in
    slowly from the side, is reported as if none were."""

    def place(time: float) -> float:
        return 200 if slowness == "at once" else min(200, -220 + 150 * time)

    scenes = [Scene(6.25), Scene(5, [("wear", place)]), Scene(4)]
    film = films.write(tmp_path / "film.mp4", films.frames(scenes, portraits))
    rules = Rules("worn", partial(readings.reading, policy="worn"), 0.1)

    def watch() -> tuple[dict[str, float], int]:
        camera, sink = StoredCamera(specs.parse([str(film)])[0], 10), Kept()
        counting = CountingEngine(engine)
        Watch(counting, [camera], [sink], rules=rules, rate=10).run(Flag())  # type: ignore[arg-type]
        start = sink.events[1].time  # the door is empty
        times: dict[str, float] = {
            each.event: (each.time - start).total_seconds() for each in sink.events[2:]
        }
        return times, counting.frames

    sparing, few = watch()
    monkeypatch.setattr(Motion, "must_judge", lambda *_: True)
    thorough, every = watch()
    assert sparing.keys() == thorough.keys() and "verdict" in sparing
    for name in ("seen", "verdict"):
        assert sparing[name] - thorough[name] <= QUIET + 1e-6
    assert few < 0.7 * every
