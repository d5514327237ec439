"""What each camera shows now, for readers that ask for no history."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from maskgate.door.events import (
    CameraBack,
    CameraLost,
    DoorChanged,
    DoorState,
    Event,
    Left,
    Override,
    PersonSeen,
    Reason,
    Started,
    Stopped,
    text_of_time,
)

_RECENT: Final = 100  # people who left, over whom the unsure share is taken


@dataclass
class CameraState:
    """One camera: what its door says, `since` when, its fault, who is in front of it, how many
    people have come since the start, and the mean unsure share of the latest who left."""

    door: DoorState = "none"
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    fault: Reason | None = None
    tracks: set[int] = field(default_factory=set)
    visitors: int = 0
    unsure_shares: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def update(self, event: Event) -> None:
        """Take an event of this camera."""
        match event:
            case DoorChanged():
                self.door, self.since = event.door, event.since
            case CameraLost():
                self.fault = event.reason
            case CameraBack():
                self.fault = None
            case PersonSeen():
                self.tracks.add(event.track)
                self.visitors += 1
            case Left():
                self.tracks.discard(event.track)
                self.unsure_shares.append(event.unsure_share)

    def answer(self) -> dict[str, Any]:
        """The state as JSON has it."""
        shares = self.unsure_shares
        return {
            "door": self.door,
            "since": text_of_time(self.since),
            "fault": self.fault,
            "people": len(self.tracks),
            "visitors": self.visitors,
            "unsure_share": round(sum(shares) / len(shares), 4) if shares else None,
        }


class CameraStates:
    """All cameras of a process, by name. Before the first event of a camera, its door says
    `none`."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self.of_camera = {camera: CameraState() for camera in cameras}

    def update(self, event: Event) -> list[str]:
        """Take an event. Returns the names of the cameras whose state may be another now."""
        if isinstance(event, Override):
            return []
        if isinstance(event, Started | Stopped):
            self.of_camera |= {camera: CameraState() for camera in event.cameras}
            return list(event.cameras)
        self.of_camera.setdefault(event.camera, CameraState()).update(event)
        return [event.camera]
