"""Events as lines on standard output."""

import sys

from maskgate.door.events import Event, to_json


class Lines:
    """Prints each event at once. Raises BrokenPipeError if nobody reads them any more."""

    name = "standard output"

    def send(self, event: Event) -> None:
        """Print the event."""
        sys.stdout.write(f"{to_json(event)}\n")
        sys.stdout.flush()

    def close(self, seconds: float) -> None:
        """Nothing waits."""
