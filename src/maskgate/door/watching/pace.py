"""How often frames are judged: as often as asked for, or as often as the machine can."""

import time
from typing import Final

from maskgate.core.signals import Flag

LOAD: Final = 0.8  # largest share of the time that judging takes; the rest is for decoding
SLOWEST: Final = 2.5  # rounds a second: a verdict needs three frames in two seconds
_RISE: Final = 1.1  # largest factor by which the rate rises in a round
_MEMORY: Final = 0.8  # weight of the rounds before in the mean time of one


class Pace:
    """Keeps rounds apart. `target` is the number of rounds a second, `rate` the one that the
    machine can do now: lowered at once, raised step by step."""

    def __init__(self, target: float) -> None:
        self.target = self.rate = target
        self._busy = 0.0  # mean seconds of a round in which something was judged
        self._due = -1.0

    def add(self, seconds: float) -> None:
        """A round in which something was judged has taken so long."""
        self._busy = _MEMORY * self._busy + (1 - _MEMORY) * seconds if self._busy else seconds
        possible = LOAD / max(self._busy, 1e-9)
        lowest = min(SLOWEST, self.target)
        self.rate = max(lowest, min(self.target, possible, self.rate * _RISE))

    def wait(self, stopping: Flag) -> None:
        """Wait until the next round is due, or for the end."""
        now = time.monotonic()
        self._due = max(self._due + 1 / self.rate, now)
        stopping.wait(self._due - now)
