"""Whether a packet of a live camera has just been recorded, or has waited in a buffer.

When this process or the network stands still, what the camera sends meanwhile waits, and comes at
once later on. By its arrival alone it would be new.
"""

from typing import Final

LATE: Final = 0.5  # seconds more than the quickest packet's way, from which a packet is late
_DRIFT: Final = 0.001  # seconds a second by which the camera's clock may run differently
_PAUSE: Final = 1.0  # seconds without a packet, after which old ones may wait
_USUAL: Final = 3.0  # times the usual time between packets: a slow camera's is no pause
_AT_ONCE: Final = 0.3  # of the usual time between packets: one that comes sooner had waited
_MEMORY: Final = 0.9  # weight of the packets before in the usual time between two


class Arrivals:
    """The packets of one connection. Times are those of time.monotonic, in seconds."""

    def __init__(self) -> None:
        self._quickest: float | None = None  # least difference of arrival and time stamp
        self._arrived: float | None = None
        self._usual = 0.0  # seconds between two packets
        self._is_draining = False
        self._late_since: float | None = None

    def is_late(self, now: float, stamp: float | None) -> bool:
        """Whether the packet that arrives now is old. `stamp` is its time by the camera's clock in
        seconds, None if it has none: then it is old if it comes after a pause, or without a wait
        behind such a one."""
        gap = 0.0 if self._arrived is None else now - self._arrived
        self._arrived = now
        is_late = self._after_pause(gap) if stamp is None else self._by_stamp(now - stamp, gap)
        if not is_late:
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now
        return is_late

    @property
    def late_for(self) -> float:
        """Seconds for which every packet has been late."""
        if self._late_since is None or self._arrived is None:
            return 0.0
        return self._arrived - self._late_since

    def _by_stamp(self, way: float, gap: float) -> bool:
        quickest = way if self._quickest is None else self._quickest + _DRIFT * gap
        self._quickest = min(quickest, way)
        return way - self._quickest > LATE

    def _after_pause(self, gap: float) -> bool:
        if gap > max(_PAUSE, _USUAL * self._usual):
            self._is_draining = True
            return True
        if self._is_draining and gap < _AT_ONCE * self._usual:
            return True
        self._is_draining = False
        self._usual = _MEMORY * self._usual + (1 - _MEMORY) * gap if self._usual else gap
        return False
