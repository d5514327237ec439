"""A frame that cannot be judged is a fault of its camera alone."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from maskgate.core.signals import Flag
from maskgate.door import readings
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.specs import CameraSpec
from maskgate.door.events import Event
from maskgate.door.verdict import Measured
from maskgate.door.watching.station import Rules
from maskgate.door.watching.watch import Watch
from maskgate.imaging.pixels import Pixels
from tests.door.watching.conftest import Kept
from tests.door.watching.test_observer import face

RULES = Rules("worn", partial(readings.reading, policy="worn"), 0.1)
COUNT = 30
BAD = range(10, 15)  # frames


class Stored:
    """A stored camera of noise. `width` tells its frames from others, of which one that is BAD is
    one column wider; `fails` says that it cannot even be taken."""

    dropped = 0

    def __init__(self, name: str, width: int, *, is_bad: bool = False, fails: bool = False) -> None:
        self.spec, self.has_ended = CameraSpec(name, "video", ""), False
        self._width, self._is_bad, self._fails = width, is_bad, fails
        self._number, self._rng = 0, np.random.default_rng(1)

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def take(self) -> Frame | None:
        number, self._number = self._number, self._number + 1
        self.has_ended = number == COUNT
        if self.has_ended:
            return None
        if self._fails and number in BAD:
            raise MemoryError
        wider = self._is_bad and number in BAD
        image = self._rng.integers(0, 255, (360, self._width + wider, 3), np.uint8)
        return Frame(image, number / 10)


class Judging:
    """Judges everybody as masked, and fails where a frame is of an odd width."""

    digest = "d1" * 32

    def warm_up(self, cameras: int) -> None: ...

    def measure(self, frames: Sequence[Pixels]) -> list[list[Measured]]:
        if any(frame.shape[1] % 2 for frame in frames):
            raise RuntimeError("secret")
        return [[face("wear")] for _ in frames]


def of(camera: str, events: Sequence[Event]) -> list[str]:
    return [each.event for each in events if getattr(each, "camera", "") == camera]


@pytest.mark.parametrize("how", ["is_bad", "fails"])
def test_one_camera_fails_and_the_other_goes_on(
    capsys: pytest.CaptureFixture[str], how: str
) -> None:
    cameras, sink = [Stored("front", 640, **{how: True}), Stored("back", 642)], Kept()
    Watch(Judging(), cameras, [sink], rules=RULES, rate=10).run(Flag())  # type: ignore[arg-type]
    assert len({each.process for each in sink.events}) == 1 and sink.events[0].process
    came = ["seen", "door", "verdict", "door"]
    assert of("back", sink.events) == [*came, "left", "door"]
    assert of("front", sink.events) == [
        *came, "camera_lost", "left", "door", "camera_back", *came, "left", "door",
    ]  # fmt: skip
    errors = capsys.readouterr().err
    assert errors.count("camera front: a frame could not be judged") == errors.count("\n") == 1
    assert "secret" not in errors
    assert len(sink.ticks) > COUNT, "sinks are told between cameras too"
