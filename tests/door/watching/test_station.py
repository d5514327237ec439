"""A live camera whose frames are judged late: nothing is decided by what was."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from functools import partial
from uuid import uuid4

import numpy as np
import pytest

from maskgate.door import readings
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.specs import CameraSpec
from maskgate.door.events import CameraBack, CameraLost, DoorChanged, Event
from maskgate.door.verdict import Measured
from maskgate.door.watching import station
from maskgate.door.watching.station import Rules, Station
from tests.door.watching.test_observer import face, kinds

RULES = Rules("worn", partial(readings.reading, policy="worn"), 0.1)
RNG = np.random.default_rng(0)


class Clock:
    """Both clocks, which a test sets forward."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self, zone: tzinfo) -> datetime:
        return datetime(2026, 11, 27, tzinfo=zone) + timedelta(seconds=self.seconds)


class Camera:
    """A live camera that has a new frame whenever it is asked, as old as `age`."""

    spec, dropped, has_ended = CameraSpec("front", "network", ""), 0, False

    def __init__(self, clock: Clock) -> None:
        self._clock, self.age = clock, 0.0

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def take(self) -> Frame | None:
        image = RNG.integers(0, 255, (360, 640, 3), np.uint8)
        return Frame(image, self._clock.seconds - self.age)


class Watched:
    """A station whose engine takes `seconds` for each frame."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.camera = clock, Camera(clock)
        self.station = Station(self.camera, RULES, itertools.count(1), uuid4())

    def see(self, faces: Sequence[Measured], seconds: float, count: int = 1) -> list[Event]:
        """The events of so many frames."""
        events: list[Event] = []
        for _ in range(count):
            frame, of_look = self.station.look()
            events += of_look
            self._clock.seconds += seconds
            if frame is not None:
                events += self.station.judge(frame, faces)
        return events


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    clock = Clock()
    monkeypatch.setattr(station, "time", clock)
    monkeypatch.setattr(station, "datetime", clock)
    return Watched(clock)


def doors(events: Sequence[Event]) -> list[str]:
    return [event.door for event in events if isinstance(event, DoorChanged)]


def test_a_frame_that_is_judged_late_opens_no_door(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    masked = [face("wear")]
    assert doors(watched.see(masked, 0.1, 10)) == ["moment", "go"]
    events = watched.see(masked, 4.0)
    assert kinds(events) == ["camera_lost", "left", "door"]
    assert doors(events) == ["none"]
    assert watched.see(masked, 4.0, 3) == [], "one fault for as long as the machine is too slow"
    assert watched.station.rate.behind == pytest.approx(4.0)
    assert capsys.readouterr().err.count("camera front: a frame was judged 4.0 s after") == 1
    events = watched.see(masked, 0.1, 10)
    assert kinds(events) == ["camera_back", "seen", "door", "verdict", "door"]
    assert isinstance(events[0], CameraBack) and events[0].gap > 12
    assert [event.time for event in events] == sorted(event.time for event in events)


def test_a_frame_that_is_looked_at_late_is_not_judged(watched: Watched) -> None:
    """Another camera may have taken all the time."""
    assert doors(watched.see([face("wear")], 0.1, 10)) == ["moment", "go"]
    watched.camera.age = 2.5
    events = watched.see([face("wear")], 0.1)
    assert [(each.event, each.reason) for each in events if isinstance(each, CameraLost)] == [
        ("camera_lost", "lost")
    ]
    assert doors(events) == ["none"]


def test_a_judgement_of_a_second_is_in_time(watched: Watched) -> None:
    assert doors(watched.see([face("wear")], 0.6, 10)) == ["moment", "go"]
