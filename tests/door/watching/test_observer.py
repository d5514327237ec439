"""Events of one camera, from verdicts at given times."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import numpy as np
import pytest

from maskgate import labels
from maskgate.door import readings
from maskgate.door.events import Event, FirstVerdict, Left, PersonSeen
from maskgate.door.verdict import Measured, verdicts
from maskgate.door.watching.observer import Observer
from maskgate.door.watching.visit import MEASURES
from tests.door.sample_verdicts import of_mask

SIZE = (640, 360)
START = datetime(2026, 11, 27, tzinfo=UTC)


def observer() -> Observer:
    return Observer(
        "front",
        "worn",
        rule=partial(readings.reading, policy="worn"),
        near=0.1,
        numbers=itertools.count(1),
        process=uuid4(),
        wall=lambda time: START + timedelta(seconds=time),
    )


def face(state: str, left: float = 100, width: float = 100) -> Measured:
    box = (left, 100, left + width, 100 + width)
    return Measured(of_mask(state, box=box), dict.fromkeys(MEASURES, 0.5))


def see(watched: Observer, faces: Sequence[Measured], start: float, end: float) -> list[Event]:
    """The events of ten frames a second with these faces."""
    events: list[Event] = []
    for number in range(round((end - start) * 10)):
        events += watched.see(faces, SIZE, start + number / 10)
    return events


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.event for event in events]


def test_a_fault_ends_every_visit_and_numbers_go_on() -> None:
    watched = observer()
    both = [face("wear"), face("not_wear", left=400)]
    events = see(watched, both, 0, 1)
    assert kinds(events) == ["seen", "seen", "door", "verdict", "verdict", "door"]
    events = watched.report("lost", 3.0)
    assert kinds(events) == ["camera_lost", "left", "left", "door"]
    assert [event.held for event in events[1:3]] == [0.4, 0.4]  # until the newest face
    assert (events[-1].door, events[-1].previous) == ("none", "put_on")
    assert watched.report("lost", 4.0) == [] == watched.see(both, SIZE, 4.1)
    events = watched.report("dark", 5.0)
    assert kinds(events) == ["camera_back", "camera_lost"]
    events = [*watched.report(None, 8.0), *see(watched, both, 8.0, 8.2)]
    assert kinds(events) == ["camera_back", "seen", "seen", "door"]
    assert (events[0].reason, events[0].gap) == ("dark", 3.0)
    assert [event.track for event in events[1:3]] == [3, 4]


def test_whoever_goes_back_and_comes_again_is_one_person() -> None:
    watched = observer()
    events = see(watched, [face("wear")], 0, 1)
    for width in (80, 64, 55, 50):  # walks back, then stays
        events += watched.see([face("wear", width=width)], SIZE, 1 + (100 - width) / 100)
    events += see(watched, [face("wear", width=50)], 1.6, 4)
    events += see(watched, [face("wear", width=80)], 4, 5.5)
    people = [event for event in events if event.event != "door"]
    assert {event.track for event in people} == {1}
    assert [(event.event, event.verdict) for event in people] == [
        ("seen", "moment"), ("verdict", "go"), ("changed", "moment"), ("changed", "closer"),
        ("changed", "moment"), ("changed", "go"),
    ]  # fmt: skip
    assert people[1].waited == 0.5


def test_whoever_steps_back_before_the_verdict_waits_anew() -> None:
    """Two frames near, seconds further away, and near again."""
    watched = observer()
    events = see(watched, [face("wear")], 0, 0.2)
    for number, width in enumerate((80, 64, 50)):
        events += watched.see([face("wear", width=width)], SIZE, 0.2 + number / 10)
    events += see(watched, [face("wear", width=50)], 0.5, 5)
    events += see(watched, [face("wear", width=80)], 5, 6.5)
    (verdict,) = (event for event in events if isinstance(event, FirstVerdict))
    assert verdict.waited == pytest.approx(0.5, abs=0.05)
    (gone, *_) = watched.end(6.5)
    assert isinstance(gone, Left) and gone.present == pytest.approx(6.4)


def test_times_on_the_wall_are_those_of_the_camera() -> None:
    events = see(observer(), [face("not_wear")], 10, 11)
    decided = events[-2]
    assert (decided.event, decided.waited) == ("verdict", 0.5)
    assert decided.time == decided.since == START + timedelta(seconds=10.5)


@pytest.mark.parametrize(("wear", "bare", "unsure"), [(0.5, 0.0, True), (0.02, 0.49, False)])
def test_unsure_is_what_the_door_does_not_decide_by(wear: float, bare: float, unsure: bool) -> None:
    """Not knowing which of two states it is does not matter if neither may pass."""
    masks = {"wear": wear, "not_wear": bare, "incorrect": 1 - wear - bare}
    classes = np.repeat([masks[name] / 6 for name in labels.MASKS], 6)[None].astype(np.float32)
    (verdict,) = verdicts(np.array([[100, 100, 220, 220, 0.9]], np.float32), classes, ("mask",))
    event, *_ = observer().see([Measured(verdict, dict.fromkeys(MEASURES, 0.5))], SIZE, 0.0)
    assert isinstance(event, PersonSeen)
    assert event.unsure == unsure and event.probability < 0.6
