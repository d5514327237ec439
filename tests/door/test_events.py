"""Events: one JSON object on a line, the same after reading, and no other key in it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args
from uuid import UUID

import pytest

from maskgate.door import events
from maskgate.door.events import (
    CameraBack,
    CameraLost,
    Changed,
    DoorChanged,
    Event,
    FirstVerdict,
    Left,
    Measures,
    Override,
    PersonSeen,
    Started,
    Stopped,
)

TIME = datetime(2026, 11, 27, 8, 30, 0, 250_900, UTC)
START = UUID("b81d3c52-4a8e-4c1f-9d0e-3f7a5b6c8d90")
CAMERA: dict[str, Any] = {"time": TIME, "process": START, "camera": "front", "policy": "worn"}
PERSON: dict[str, Any] = CAMERA | {
    "track": 7,
    "verdict": "go",
    "state": "wear",
    "probability": 0.987654,
    "unsure": False,
    "since": TIME,
    "held": 1.23456,
}
PROCESS: dict[str, Any] = {
    "time": TIME, "process": START, "cameras": ("front", "back"), "policy": "bare",
    "model": "d1" * 32, "maskgate": "1.0",
}  # fmt: skip
MEASURES = Measures(
    faces=12, brightness=120.5, sharpness=300, face_width=88, face_score=0.9, confidence_mask=0.95
)
EVENTS: list[Event] = [
    PersonSeen(**PERSON | {"verdict": "moment"}),
    FirstVerdict(**PERSON, waited=0.7),
    Changed(**PERSON, previous="put_on"),
    Left(**PERSON, present=6.5, measures=MEASURES, unsure_share=0.25),
    DoorChanged(**CAMERA, door="none", previous="go", since=TIME),
    CameraLost(**CAMERA, reason="dark"),
    CameraBack(**CAMERA, reason="frozen", gap=12.5),
    Override(time=TIME, process=START, cameras=("front", "back"), policy="worn"),
    Started(**PROCESS),
    Stopped(**PROCESS),
]


def test_every_event_is_one_line_and_the_same_after_reading() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    for event in EVENTS:
        line = events.to_json(event)
        assert "\n" not in line
        assert events.parse(line) == event == events.parse(line.encode())
        assert json.loads(line)["event"] == event.event


def test_keys_and_values_are_those_that_readers_rely_on() -> None:
    event = EVENTS[1]
    assert json.loads(events.to_json(event)) == {
        "id": str(event.id), "time": "2026-11-27T08:30:00.250Z", "process": str(START),
        "event": "verdict",
        "camera": "front", "policy": "worn", "track": 7, "verdict": "go", "state": "wear",
        "probability": 0.9877, "unsure": False, "since": "2026-11-27T08:30:00.250Z",
        "held": 1.235, "waited": 0.7,
    }  # fmt: skip


def test_events_of_old_versions_name_no_process() -> None:
    for event in EVENTS:
        line = json.loads(events.to_json(event))
        del line["process"]
        assert events.parse(json.dumps(line)) == event.model_copy(update={"process": None})


def test_times_are_in_utc_wherever_they_come_from() -> None:
    seoul = timezone(timedelta(hours=9))
    event = CameraLost(**CAMERA | {"time": TIME.astimezone(seoul)}, reason="lost")
    assert json.loads(events.to_json(event))["time"] == "2026-11-27T08:30:00.250Z"
    with pytest.raises(ValueError, match="timezone"):
        CameraLost(**CAMERA | {"time": TIME.replace(tzinfo=None)}, reason="lost")


def test_ids_differ() -> None:
    assert len({PersonSeen(**PERSON).id for _ in range(100)}) == 100
    assert PersonSeen(**PERSON).id.version == 4


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", "not an event: no JSON"),
        ("{", "not an event: no JSON"),
        ("[]", "not an event: it is not as expected"),
        ('{"event": "seen"}', "not an event: seen.time is missing"),
        ('{"event": "other"}', "not an event: it is not as expected"),
        ("x" * 100_001, "longer than 100,000 characters"),
    ],
)
def test_a_line_that_is_no_event_is_refused(line: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        events.parse(line)


def test_other_keys_and_values_are_refused() -> None:
    good = json.loads(events.to_json(EVENTS[5]))
    for wrong in ({"picture": "…"}, {"reason": "tired"}, {"camera": ""}, {"time": "today"}):
        with pytest.raises(ValueError, match="camera_lost"):
            events.parse(json.dumps(good | wrong))
    with pytest.raises(ValueError, match="finite"):
        PersonSeen(**PERSON | {"held": float("nan")})


def test_the_schema_names_every_key() -> None:
    text = events.schema()
    assert all(f'"{key}"' in text for event in EVENTS for key in event.model_dump())
