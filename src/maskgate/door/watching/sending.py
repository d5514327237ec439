"""How many frames a live camera sends: too few are no basis for a verdict."""

from typing import Final

from maskgate.core.progress import log

FEWEST: Final = 2.0  # frames a second; a verdict needs three in two seconds
_PERIOD: Final = 10.0  # seconds over which they are counted


class Sending:
    """Counts the frames of the camera `name` from a `time` on, in seconds, and says once if they
    are too few."""

    def __init__(self, name: str, time: float) -> None:
        self._name, self._start, self._count = name, time, 0
        self._is_known = False

    def add(self, count: int, time: float) -> None:
        """`count` frames have come since the start of the camera."""
        seconds = time - self._start
        if seconds < _PERIOD:
            return
        rate = (count - self._count) / seconds
        if rate < FEWEST and not self._is_known:
            log(
                f"camera {self._name}: it sends {rate:.1f} frames a second, with which there is no"
                " verdict; set it to 5 or more"
            )
            self._is_known = True
        self.restart(count, time)

    def restart(self, count: int, time: float) -> None:
        """Count from this time on, at which so many frames have come: the camera was lost."""
        self._start, self._count = time, count
