import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from itertools import pairwise
from uuid import uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from maskgate.bundle.manifest import Manifest
from maskgate.door.events import DoorChanged
from maskgate.door.reporting import findings, people
from maskgate.door.reporting.findings import Findings
from maskgate.door.reporting.log import Log
from maskgate.errors import MaskgateError
from tests.door.reporting.sample_events import START, Door, day

SEOUL = ZoneInfo("Asia/Seoul")


@pytest.fixture
def door(manifest: Manifest) -> Door:
    return day(manifest.reference, seed=5)


def find(door: Door, manifest: Manifest | None = None, **times: object) -> Findings:
    log = Log(sorted(door.events, key=lambda event: event.time))
    return findings.find(log, manifest, SEOUL, **times)  # type: ignore[arg-type]


def test_people_have_their_last_verdict_and_waits(door: Door) -> None:
    summary = find(door)
    left = [event for event in door.events if event.event == "left"]
    verdicts = Counter(event.verdict for event in left)
    assert len(summary.people) == 200
    assert summary.without_verdict.count == verdicts["moment"]
    assert Counter(person.verdict for person in summary.people)["go"] == verdicts["go"]
    waited = [event.waited for event in door.events if event.event == "verdict"]
    assert findings.waits(summary.people) == pytest.approx(np.percentile(waited, [50, 95]))
    assert summary.unsure.count == sum(event.unsure_share > 0.5 for event in left)
    (camera,) = summary.cameras
    assert camera.watched == 10 * 3600 and camera.share == 0


def test_a_number_is_another_person_after_a_new_start(manifest: Manifest) -> None:
    door = Door(manifest.reference, np.random.default_rng(0))
    for hour in range(3):
        door.start(START + timedelta(hours=hour))
        door.person(START + timedelta(hours=hour, minutes=1))
    assert [event.track for event in door.events if event.event == "seen"] == [1, 1, 1]
    assert len(people.of_events(door.events)) == 3


def test_a_process_tells_people_apart_when_the_clock_was_set_back(manifest: Manifest) -> None:
    """By time, the second start and its person come before those of the first."""
    door, events = Door(manifest.reference, np.random.default_rng(0)), []
    for hour in (1, 0):
        door.events = []
        door.start(START + timedelta(hours=hour))
        door.person(START + timedelta(hours=hour, minutes=50), waited=3600 * (1 - hour) + 1)
        update = {"process": uuid4()}
        events += [event.model_copy(update=update) for event in door.events]
    events.sort(key=lambda event: event.time)
    assert [event.event for event in events[:3]] == ["started", "seen", "started"]
    persons = people.of_events(events)
    assert [person.waited for person in persons] == [3601, 1]
    assert {person.model for person in persons} == {"0" * 64}


def test_from_and_to_cut_people_and_gaps(door: Door) -> None:
    start, end = START + timedelta(hours=2), START + timedelta(hours=4)
    summary = find(door, start=start, end=end)
    assert 0 < len(summary.people) < 200
    assert all(start <= person.time <= end for person in summary.people)
    with pytest.raises(MaskgateError, match="no event from 2027"):
        find(door, start=START.replace(year=2027))


def test_people_of_another_model_are_not_compared(door: Door, manifest: Manifest) -> None:
    summary = find(door, manifest)
    assert summary.drifts is None and "judged by another model" in summary.notes[0]
    matching_manifest = manifest.model_copy(update={"sha256": "0" * 64})
    assert find(door, matching_manifest).drifts
    bare = matching_manifest.model_copy(update={"reference": {}})
    assert find(door, bare).notes == [
        "drift: the bundle has no statistics of its validation photos"
    ]


def test_what_the_door_said_and_for_how_long(door: Door) -> None:
    for minutes, message, previous in ((60, "go", "empty"), (61, "empty", "go")):
        time = START + timedelta(minutes=minutes)
        door.events.append(
            DoorChanged.model_validate(
                {
                    "time": time, "camera": "front", "policy": "worn", "door": message,
                    "previous": previous, "since": time,
                }
            )
        )  # fmt: skip
    messages = {each.name: (each.count, each.seconds) for each in find(door).messages}
    assert messages == {"go": (1, 60.0), "empty": (1, 539 * 60.0)}


def test_hours_are_those_of_the_zone_also_where_the_clock_changes() -> None:
    start = START.replace(month=10, day=31, hour=22)
    edges = findings.steps(start, start + timedelta(days=1), ZoneInfo("Europe/Berlin"), False)
    gaps = {b.timestamp() - a.timestamp() for a, b in pairwise(edges)}
    assert gaps == {3600.0}
    quarter = findings.steps(START, START, ZoneInfo("Asia/Kathmandu"), False)[0]
    assert (quarter.minute, quarter.astimezone(UTC).minute) == (0, 15)


@contextmanager
def machine_in(name: str) -> Iterator[None]:
    """The machine's own zone is this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has another way to set a zone")
@pytest.mark.parametrize(("month", "day", "length"), [(3, 29, 23), (10, 25, 25)])
def test_days_begin_at_midnight_of_the_machine_also_where_the_clock_changes(
    month: int, day: int, length: int
) -> None:
    """From two days before the change, and from the day of the change itself."""
    change, zone = (
        START.replace(year=2026, month=month, day=day, hour=10),
        ZoneInfo("Europe/Berlin"),
    )
    with machine_in(zone.key):
        for start in (change - timedelta(days=2), change):
            edges = findings.steps(start, change + timedelta(days=2), None, True)
            assert {(edge.hour, edge.minute) for edge in edges} == {(0, 0)}
            assert [edge.astimezone().isoformat() for edge in edges] == [
                edge.isoformat() for edge in edges
            ]
            hours = [(b - a) / timedelta(hours=1) for a, b in pairwise(edges)]
            assert sorted({*hours} - {24.0}) == [length]
            assert edges == findings.steps(start, change + timedelta(days=2), zone, True)
