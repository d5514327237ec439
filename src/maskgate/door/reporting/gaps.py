"""Times at which a camera decided nothing: faults, and when nothing was running."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from maskgate.door.events import CameraBack, CameraLost, Event, Started, Stopped, cameras_of
from maskgate.door.reporting.log import KioskState

REASONS: Final = {
    "lost": "no picture came",
    "frozen": "the picture did not change",
    "dark": "the picture was dark",
    "covered": "the camera was covered",
    "stopped": "maskgate was stopped",
    "ended": "maskgate ended without stopping; since the last event at the longest",
    "no_camera": "no picture came",
    "no_permission": "the browser may not use the camera",
    "insecure": "the page was not loaded by HTTPS",
    "no_server": "the kiosk did not reach the service",
    "silent": "the kiosk reported nothing",
    "closed": "the kiosk's page was closed",
    "stopping": "the service was stopped",
}
"""What each reason of a gap means."""

PLANNED: Final = frozenset({"stopped", "stopping", "closed"})
"""The reasons that are no fault: somebody ended it."""

Interval = tuple[datetime, datetime]
Process = UUID | tuple[str, ...]
"""One start of `maskgate watch`, by its identifier, or by the cameras of old versions."""


@dataclass(frozen=True)
class Gap:
    """`camera` decided nothing from `start` to `end`; `reason` is one of REASONS."""

    camera: str
    reason: str
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.end - self.start).total_seconds()


def kiosk(door: str) -> str:
    """The name of a door's kiosk in the report."""
    return f"kiosk {door}"


class _Watch:
    """Follows one camera through the log."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: tuple[str, datetime] | None = None  # the gap that has not ended
        self.gaps: list[Gap] = []

    def begin(self, reason: str, time: datetime) -> None:
        self.end(time)
        self._open = reason, time

    def end(self, time: datetime, seconds: float | None = None) -> None:
        """End the gap that is open, or one of so many `seconds` whose start is not in the log."""
        if self._open is None and seconds is not None:
            self._open = "lost", time - timedelta(seconds=seconds)
        if self._open is not None and time > self._open[1]:
            self.gaps.append(Gap(self._name, *self._open, time))
        self._open = None

    @property
    def is_open(self) -> bool:
        return self._open is not None


def of_cameras(events: Sequence[Event], end: datetime) -> list[Gap]:
    """The gaps of the cameras of `maskgate watch` in events by time, until `end`.

    If the clock was set back between two starts, events of the first one may be later than the
    start of the second, which they say nothing of: from its start on, only the newest process of a
    camera counts. Events of old versions do not name theirs; there its cameras do.
    """
    watches: dict[str, _Watch] = {}
    newest: dict[Process, datetime] = {}  # time of the newest event of each process that runs
    latest: dict[str, Process] = {}  # the process that started last, by camera
    for event in events:
        cameras = cameras_of(event)
        process = _process(event, latest)
        for name in cameras:
            watch = watches.setdefault(name, _Watch(name))
            before = latest.setdefault(name, process)
            if isinstance(event, Started):
                if not watch.is_open and before in newest:
                    watch.begin("ended", newest[before])
                watch.end(event.time)
                latest[name] = process
            elif before != process:
                continue
            elif isinstance(event, Stopped):
                watch.begin("stopped", event.time)
            elif isinstance(event, CameraLost):
                watch.begin(event.reason, event.time)
            elif isinstance(event, CameraBack):
                watch.end(event.time, event.gap)
        newest[process] = event.time
        if isinstance(event, Stopped):
            del newest[process]
    return _ended(watches.values(), end)


def _process(event: Event, latest: Mapping[str, Process]) -> Process:
    """What an event is of."""
    if event.process is not None:
        return event.process
    cameras = cameras_of(event)
    return cameras if isinstance(event, Started) else latest.get(cameras[0], cameras)


def of_kiosks(states: Sequence[KioskState], end: datetime) -> list[Gap]:
    """The gaps of the kiosks of the service in states by time, until `end`."""
    watches: dict[str, _Watch] = {}
    for state in states:
        watch = watches.setdefault(state.door, _Watch(kiosk(state.door)))
        if state.state == "none":
            watch.begin(state.reason or "silent", state.since)
        else:
            watch.end(state.since)
    return _ended(watches.values(), end)


def _ended(watches: Iterable[_Watch], end: datetime) -> list[Gap]:
    for watch in watches:
        watch.end(end)
    gaps = [gap for watch in watches for gap in watch.gaps]
    return sorted(gaps, key=lambda gap: (gap.start, gap.camera))


def clipped(gaps: Iterable[Gap], start: datetime, end: datetime) -> list[Gap]:
    """The parts of the gaps between two times."""
    cut = (replace(gap, start=max(gap.start, start), end=min(gap.end, end)) for gap in gaps)
    return [gap for gap in cut if gap.end > gap.start]


def of_all(gaps: Sequence[Gap], cameras: Iterable[str]) -> list[Interval]:
    """The times at which none of the cameras decided anything."""
    intervals: list[Interval] | None = None
    for name in cameras:
        of_camera = _joined((gap.start, gap.end) for gap in gaps if gap.camera == name)
        intervals = of_camera if intervals is None else _common(intervals, of_camera)
    return intervals or []


def _joined(intervals: Iterable[Interval]) -> list[Interval]:
    """The same times, by time, without overlap."""
    joined: list[Interval] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def _common(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    """The times in both; each has no overlaps and is in order."""
    common: list[Interval] = []
    left = right = 0
    while left < len(one) and right < len(other):
        start = max(one[left][0], other[right][0])
        end = min(one[left][1], other[right][1])
        if start < end:
            common.append((start, end))
        if one[left][1] < other[right][1]:
            left += 1
        else:
            right += 1
    return common


def total_seconds(gaps: Iterable[Gap]) -> float:
    """The seconds in which gaps of one camera were open, each second once."""
    joined = _joined((gap.start, gap.end) for gap in gaps)
    return sum((end - start).total_seconds() for start, end in joined)
