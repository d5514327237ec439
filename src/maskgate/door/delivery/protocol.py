"""What every sink of events does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from maskgate.door.events import Event


class Sink(Protocol):
    """Where events go."""

    @property
    def name(self) -> str:
        """What people call it in messages, without a password."""
        ...

    def send(self, event: Event) -> None:
        """Take an event. It waits for no disk and no network, and raises none of their faults."""
        ...

    def close(self, seconds: float) -> None:
        """Deliver what waits, for at most so many seconds, and end."""
        ...


@runtime_checkable
class Ticking(Protocol):
    """A sink that has to know that all is well."""

    def tick(self, now: float) -> None:
        """All is well at the time `now`, by time.monotonic. It is called at least every half
        second, while it is so."""
        ...


@dataclass(frozen=True)
class CameraRate:
    """How a camera is doing. `judged` and `dropped` frames are counted from the start: a dropped
    one was replaced by a newer one, or could not be judged. `rate` is of the frames judged per
    second lately, and `behind` the seconds from the newest judged frame's arrival to its verdict.
    `is_up` is false while the camera or its picture has a fault."""

    camera: str
    judged: int
    dropped: int
    rate: float
    behind: float
    is_up: bool


@runtime_checkable
class Counting(Protocol):
    """A sink that shows how the cameras are doing."""

    def count(self, rates: Sequence[CameraRate]) -> None:
        """How all cameras are doing; it is called about once a second."""
        ...
