"""What every sink of events does."""

from typing import Protocol, runtime_checkable

from maskgate.door.events import Event


class Sink(Protocol):
    """Where events go."""

    @property
    def name(self) -> str:
        """What people call it in messages, without a password."""
        ...

    def send(self, event: Event) -> None:
        """Take an event. It takes no longer than writing to a disk, and no fault of a network is
        raised."""
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
