"""All that a report of a door says, from a log of its events."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import numpy as np

from maskgate.bundle.manifest import Manifest
from maskgate.door.acceptance.rule import Share
from maskgate.door.events import DoorChanged, Started, Stopped, cameras_of
from maskgate.door.reporting import drift, gaps, people
from maskgate.door.reporting.drift import Drift
from maskgate.door.reporting.gaps import Gap, Interval
from maskgate.door.reporting.log import Call, Log
from maskgate.door.reporting.people import Person
from maskgate.errors import MaskgateError


@dataclass(frozen=True)
class Message:
    """What a door said: how often it began, and for how many seconds in all."""

    name: str
    count: int
    seconds: float


@dataclass(frozen=True)
class OfCamera:
    """One camera, or kiosk. `watched` are the seconds from its first event to the end of the report
    without its gaps, `share` the share of faults in the time in which nobody had stopped it."""

    name: str
    people: list[Person]
    watched: float
    share: float


@dataclass(frozen=True)
class Findings:
    """What happened from `start` to `end`. Times are shown in `zone`, None for that of the machine.
    `unwatched` are the times at which no camera decided anything. `drifts` is None where nothing
    could be compared; `notes` say why, and what of the files was skipped."""

    start: datetime
    end: datetime
    zone: tzinfo | None
    people: list[Person]
    cameras: list[OfCamera]
    gaps: list[Gap]
    unwatched: list[Interval]
    messages: list[Message]
    calls: list[Call]
    drifts: list[Drift] | None
    notes: list[str]

    @property
    def unsure(self) -> Share:
        """People who were mostly unsure, of those who have left."""
        return unsure(self.people)

    @property
    def without_verdict(self) -> Share:
        """People who left without any verdict."""
        return without_verdict(self.people)

    @property
    def drift_found(self) -> list[Drift]:
        """The drift to tell."""
        return drift.to_report(self.drifts or [])

    def local(self, time: datetime) -> datetime:
        """The time in the zone of the report."""
        return time.astimezone(self.zone)


def unsure(members: Sequence[Person]) -> Share:
    """People who were mostly unsure, of those who have left."""
    left = [person for person in members if person.has_left]
    return Share(sum(person.is_unsure for person in left), len(left))


def without_verdict(members: Sequence[Person]) -> Share:
    """People who left without any verdict."""
    left = [person for person in members if person.has_left]
    return Share(sum(person.verdict is None for person in left), len(left))


def waits(members: Sequence[Person]) -> tuple[float, float] | None:
    """Median and 95% quantile of the seconds to the first verdict, None without any."""
    seconds = [person.waited for person in members if person.waited is not None]
    return (float(np.median(seconds)), float(np.percentile(seconds, 95))) if seconds else None


def find(
    log: Log,
    manifest: Manifest | None,
    zone: tzinfo | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Findings:
    """What a log says of the time from `start` to `end`, by default all of it. People's pictures
    are compared with the reference of a bundle's `manifest`. Raises MaskgateError where nothing
    happened in that time."""
    times = [each.time for part in (log.events, log.states, log.calls) for each in part]
    first, last = min(times), max(times)
    begin, finish = max(start or first, first), min(end or last, last)
    if begin > finish:
        raise MaskgateError(
            f"no event from {begin:%Y-%m-%d %H:%M} to {finish:%Y-%m-%d %H:%M} UTC; the events are"
            f" from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        )
    members = [
        each for each in people.of_events(log.events) if begin <= each.time <= (end or finish)
    ]
    all_gaps = [*gaps.of_cameras(log.events, last), *gaps.of_kiosks(log.states, last)]
    clipped = gaps.clipped(sorted(all_gaps, key=lambda gap: gap.start), begin, finish)
    cameras = [
        _camera(name, members, clipped, start=max(begin, since), end=finish)
        for name, since in _cameras(log).items()
    ]
    drifts, notes = _drifts(members, manifest, zone)
    return Findings(
        start=begin,
        end=finish,
        zone=zone,
        people=members,
        cameras=cameras,
        gaps=clipped,
        unwatched=gaps.of_all(clipped, _watched(log)),
        messages=_messages(log, begin, finish),
        calls=[call for call in log.calls if begin <= call.time <= finish],
        drifts=drifts,
        notes=[*log.notes, *notes],
    )


def _cameras(log: Log) -> dict[str, datetime]:
    """The cameras and kiosks, with the time of the first event of each."""
    first: dict[str, datetime] = {}
    for event in log.events:
        for name in cameras_of(event):
            first.setdefault(name, event.time)
    for state in log.states:
        first.setdefault(gaps.kiosk(state.door), state.time)
    return first


def _watched(log: Log) -> list[str]:
    """The cameras whose people are counted; those of kiosks are not."""
    return sorted({name for event in log.events for name in cameras_of(event)})


def _camera(
    name: str, members: Sequence[Person], all_gaps: Sequence[Gap], start: datetime, end: datetime
) -> OfCamera:
    length = max(0.0, (end - start).total_seconds())
    own_gaps = [gap for gap in all_gaps if gap.camera == name]
    lost = gaps.total_seconds(own_gaps)
    planned = gaps.total_seconds(gap for gap in own_gaps if gap.reason in gaps.PLANNED)
    share = (lost - planned) / (length - planned) if length > planned else 0.0
    of_camera = [person for person in members if person.camera == name]
    return OfCamera(name, of_camera, watched=max(0.0, length - lost), share=min(1.0, share))


def _drifts(
    members: Sequence[Person], manifest: Manifest | None, zone: tzinfo | None
) -> tuple[list[Drift] | None, list[str]]:
    """The drift, None where nothing can be compared, and the reason."""
    left = [person for person in members if person.has_left]
    if manifest is None or not left:
        return None, []
    same = [person for person in left if person.model in (None, manifest.sha256)]
    if not same:
        return None, [
            "drift: the people were judged by another model"
            f" ({str(left[-1].model)[:12]}…); name its bundle with --model"
        ]
    notes = []
    if others := len(left) - len(same):
        notes = [f"drift: {others:,} people were judged by another model and are left out"]
    if not manifest.reference:
        return None, [*notes, "drift: the bundle has no statistics of its validation photos"]
    return drift.find(same, manifest.reference, zone), notes


def _messages(log: Log, start: datetime, end: datetime) -> list[Message]:
    """What the doors said, the longest first."""
    spans: list[tuple[str, datetime, datetime]] = []
    current: dict[str, tuple[str, datetime]] = {}

    def change(door: str, message: str | None, time: datetime) -> None:
        before = current.pop(door, None)
        if before is not None:
            spans.append((*before, time))
        if message is not None:
            current[door] = message, time

    for event in log.events:
        if isinstance(event, DoorChanged):
            change(event.camera, event.door, event.time)
        elif isinstance(event, Stopped):
            for name in event.cameras:
                change(name, None, event.time)
        elif isinstance(event, Started):
            for name in event.cameras:
                current.pop(name, None)  # nobody knows until when it said that
    for state in log.states:
        change(gaps.kiosk(state.door), state.state, state.since)
    for door in list(current):
        change(door, None, end)
    counts: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for message, since, until in spans:
        clipped = (min(until, end) - max(since, start)).total_seconds()
        if clipped >= 0:
            counts[message] += 1
            seconds[message] += clipped
    order = sorted(counts, key=lambda message: -seconds[message])
    return [Message(each, counts[each], seconds[each]) for each in order]


def read_manifest(path: Path) -> Manifest:
    """The manifest of a bundle. Raises MaskgateError."""
    from maskgate import bundle

    return bundle.open_bundle(path).manifest


def steps(start: datetime, end: datetime, zone: tzinfo | None, is_daily: bool) -> list[datetime]:
    """The beginnings of the hours, or days, from `start` to `end` in the zone, and the end of the
    last one."""
    first = start.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if is_daily:
        # Without a zone a midnight is naive, and the machine's zone gives each its own offset.
        midnight = first.replace(hour=0, tzinfo=zone)
        edges = [midnight.astimezone(zone)]
        while edges[-1] <= end:
            midnight += timedelta(days=1)
            edges.append(midnight.astimezone(zone))
        return edges
    edges = [first]
    while edges[-1] <= end:  # an hour later, also where the clock is changed
        following = datetime.fromtimestamp(edges[-1].timestamp() + 3600, start.tzinfo)
        edges.append(following.astimezone(zone))
    return edges
