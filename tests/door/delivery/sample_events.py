"""Events as a watched door makes them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from maskgate.door.decision.voting import Value
from maskgate.door.events import (
    CameraBack,
    CameraLost,
    Changed,
    DoorChanged,
    DoorState,
    Event,
    FirstVerdict,
    Left,
    Measures,
    Override,
    PersonSeen,
    Started,
    Stopped,
)

_TIME: Final = datetime(2026, 11, 27, 8, 30, 0, 250_000, tzinfo=UTC)
_PERSON: Final[dict[str, Any]] = {
    "time": _TIME,
    "policy": "worn",
    "state": "wear",
    "probability": 0.98,
    "unsure": False,
    "since": _TIME,
    "held": 1.5,
}
_MEASURES: Final = Measures(
    faces=10,
    brightness=120,
    sharpness=300,
    face_width=90,
    face_score=0.99,
    confidence_mask=0.97,
)


def started(*cameras: str) -> Event:
    return Started(time=_TIME, cameras=cameras, policy="worn", model="ab" * 32, maskgate="0.1.0")


def stopped(*cameras: str) -> Event:
    return Stopped(time=_TIME, cameras=cameras, policy="worn", model="ab" * 32, maskgate="0.1.0")


def person_seen(track: int, camera: str = "front") -> Event:
    return PersonSeen(camera=camera, track=track, verdict="moment", **_PERSON)


def first_verdict(track: int, camera: str = "front", waited: float = 0.8) -> Event:
    return FirstVerdict(camera=camera, track=track, verdict="go", waited=waited, **_PERSON)


def changed(track: int, camera: str = "front", verdict: Value = "put_on") -> Event:
    return Changed(camera=camera, track=track, verdict=verdict, previous="go", **_PERSON)


def left(track: int, camera: str = "front", unsure_share: float = 0.25) -> Event:
    return Left(
        camera=camera,
        track=track,
        verdict="go",
        present=4.5,
        measures=_MEASURES,
        unsure_share=unsure_share,
        **_PERSON,
    )


def door(says: DoorState, camera: str = "front", previous: DoorState = "empty") -> Event:
    return DoorChanged(
        time=_TIME, camera=camera, policy="worn", door=says, previous=previous, since=_TIME
    )


def override(*cameras: str) -> Event:
    return Override(time=_TIME, cameras=cameras, policy="worn")


def lost(camera: str = "front") -> Event:
    return CameraLost(time=_TIME, camera=camera, policy="worn", reason="frozen")


def back(camera: str = "front") -> Event:
    return CameraBack(time=_TIME, camera=camera, policy="worn", reason="frozen", gap=7.5)


def people(count: int) -> Iterator[Event]:
    """So many different people who are seen; their tracks are 1, 2 and so on."""
    return (person_seen(track) for track in range(1, count + 1))
