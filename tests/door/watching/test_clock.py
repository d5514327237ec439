"""A jump of the clock on the wall changes no duration and no decision."""

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from PIL import Image

from maskgate.core.signals import Flag
from maskgate.door import readings
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.specs import CameraSpec
from maskgate.door.engine import Engine
from maskgate.door.watching import station
from maskgate.door.watching.station import Rules
from maskgate.door.watching.watch import Watch
from tests.door import films
from tests.door.films import Scene
from tests.door.watching.conftest import Kept


class Film:
    """A live camera that shows a film once."""

    def __init__(self, scenes: list[Scene], portraits: dict[str, Image.Image]) -> None:
        self.spec, self.dropped = CameraSpec("front", "network", ""), 0
        self._frames = iter(films.frames(scenes, portraits))
        self.has_ended = False

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def take(self) -> Frame | None:
        picture = next(self._frames, None)
        self.has_ended = picture is None
        return None if picture is None else Frame(picture, time.monotonic())


class Clock(datetime):
    """The clock on the wall, which goes back by a day after a second."""

    start = 0.0

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        elapsed = time.monotonic() - cls.start
        back = timedelta(days=1) if elapsed > 1 else timedelta(0)
        return datetime(2026, 11, 27, tzinfo=UTC) + timedelta(seconds=elapsed) - back


@pytest.mark.slow
def test_the_wall_clock_may_jump(
    engine: Engine, portraits: dict[str, Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station, "datetime", Clock)
    Clock.start = time.monotonic()
    rules = Rules("worn", partial(readings.reading, policy="worn"), 0.1)
    camera = Film([Scene(0.3), Scene(2, [("wear", 200)]), Scene(1.5)], portraits)
    sink = Kept()
    Watch(engine, [camera], [sink], rules=rules, rate=10).run(Flag())
    kinds = [event.event for event in sink.events]
    assert kinds == [
        "started", "door", "seen", "door", "verdict", "door", "left", "door", "stopped",
    ]  # fmt: skip
    verdict, gone = sink.events[4], sink.events[6]
    assert 0.4 < verdict.waited < 1.5
    assert 1.5 < gone.present < 4
    assert verdict.time.day != gone.time.day
    assert max(b - a for a, b in zip(sink.ticks, sink.ticks[1:], strict=False)) < 0.5
