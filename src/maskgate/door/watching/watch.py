"""The loop of `maskgate watch`: frames of all cameras → verdicts → events → sinks."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from maskgate import __version__
from maskgate.core.progress import log
from maskgate.core.signals import Flag
from maskgate.door.cameras.frames import Camera, Frame
from maskgate.door.delivery.overrides import Overriding
from maskgate.door.delivery.protocol import Counting, Sink, Ticking
from maskgate.door.engine import Engine
from maskgate.door.events import Event, Override, Started, Stopped
from maskgate.door.server import systemd
from maskgate.door.watching.pace import Pace
from maskgate.door.watching.station import Rules, Station

_LINE_EVERY: Final = 60.0  # seconds between lines on how it goes
_COUNT_EVERY: Final = 1.0  # seconds between reports to sinks that show it
_CLOSING: Final = 5.0  # seconds in which the sinks deliver what waits
# Seconds of a round in which sinks hear between cameras that all is well. Later they do not, as
# what was decided in the round before is too old then.
_TICKING: Final = 1.0


class _Every:
    """Says when an interval has passed."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._time = seconds, time.monotonic()

    def is_due(self, now: float) -> bool:
        """Whether the interval has passed since it last had."""
        if now - self._time < self._seconds:
            return False
        self._time = now
        return True


class Watch:
    """Watches cameras, with one engine for all of them, and sends events to `sinks`. `rate` is how
    many frames of each camera are judged per second, if the machine can."""

    def __init__(
        self,
        engine: Engine,
        cameras: Sequence[Camera],
        sinks: Sequence[Sink],
        *,
        rules: Rules,
        rate: float,
    ) -> None:
        self._engine, self._sinks, self._rules = engine, sinks, rules
        self._cameras, self._pace = cameras, Pace(rate)
        self._stations: list[Station] = []
        self._common: dict[str, Any] = {
            "process": uuid4(),
            "cameras": tuple(camera.spec.name for camera in cameras),
            "policy": rules.policy,
        }

    def run(self, stopping: Flag, is_ready: Callable[[], None] = lambda: None) -> None:
        """Watch until `stopping` is set, or all cameras have ended. `is_ready` is called when the
        first frame would be judged."""
        self._engine.warm_up(len(self._cameras))
        numbers = itertools.count(1)
        with self._open(numbers):
            is_ready()
            watchdog = systemd.watchdog_period()
            alive = _Every(watchdog) if watchdog else None
            lines, counts = _Every(_LINE_EVERY), _Every(_COUNT_EVERY)
            while not stopping.is_set() and not all(each.has_ended for each in self._cameras):
                self._let_in()
                self._round()
                now = time.monotonic()
                self._tick(now)
                if alive is not None and alive.is_due(now):
                    systemd.notify("WATCHDOG=1")
                if counts.is_due(now):
                    self._count()
                if lines.is_due(now):
                    self._show()
                if any(camera.spec.is_live for camera in self._cameras):
                    self._pace.wait(stopping)

    @contextmanager
    def _open(self, numbers: Iterator[int]) -> Iterator[None]:
        """Start the cameras; in the end everybody has left, and what waits is delivered."""
        common = self._common | {"model": self._engine.digest, "maskgate": __version__}
        try:
            self._send([Started(time=datetime.now(UTC), **common)])
            for camera in self._cameras:
                camera.start()
                self._stations.append(Station(camera, self._rules, numbers, common["process"]))
            yield
            for station in self._stations:
                self._send(station.end())
            end = max(datetime.now(UTC), *(station.wall_time for station in self._stations))
            self._send([Stopped(time=end, **common)])
        finally:
            self._count()
            for camera in self._cameras:
                camera.stop()
            latest = time.monotonic() + _CLOSING
            for sink in self._sinks:
                sink.close(max(0.0, latest - time.monotonic()))

    def _let_in(self) -> None:
        """Send that staff let somebody in, if they have."""
        if any(sink.take_override() for sink in self._sinks if isinstance(sink, Overriding)):
            log("staff let somebody in")
            self._send([Override(time=datetime.now(UTC), **self._common)])

    def _round(self) -> None:
        """Judge the new frames of all cameras together."""
        start = time.monotonic()
        waiting: list[tuple[Station, Frame]] = []
        for station in self._stations:
            try:
                frame, events = station.look()
            except Exception as error:  # one camera's picture, whatever is wrong, ends none of them
                frame, events = None, station.fail(error)
            self._send(events)
            if frame is not None:
                waiting.append((station, frame))
            now = time.monotonic()
            if now - start < _TICKING:
                self._tick(now)
        if not waiting:
            return
        self._judge(waiting)
        self._pace.add(time.monotonic() - start)

    def _judge(self, waiting: Sequence[tuple[Station, Frame]]) -> None:
        """Judge these frames, each by itself if they cannot be judged together."""
        try:
            measured = self._engine.measure([frame.image for _, frame in waiting])
        except Exception as error:
            if len(waiting) == 1:
                self._send(waiting[0][0].fail(error))
            else:
                for each in waiting:
                    self._judge([each])
            return
        for (station, frame), faces in zip(waiting, measured, strict=True):
            try:
                events = station.judge(frame, faces)
            except Exception as error:
                events = station.fail(error)
            self._send(events)

    def _tick(self, now: float) -> None:
        for sink in self._sinks:
            if isinstance(sink, Ticking):
                sink.tick(now)

    def _send(self, events: Sequence[Event]) -> None:
        for event in events:
            for sink in self._sinks:
                sink.send(event)

    def _count(self) -> None:
        rates = [station.rate for station in self._stations]
        for sink in self._sinks:
            if isinstance(sink, Counting):
                sink.count(rates)

    def _show(self) -> None:
        """Print a line on how it goes."""
        of_cameras = [
            f"{each.camera}: {each.rate:.1f} frames/s judged, {each.judged:,} since the start,"
            f" {each.dropped:,} dropped, {each.behind:.2f} s behind"
            + ("" if each.is_up else ", no verdicts")
            for each in (station.rate for station in self._stations)
        ]
        slower = ""
        if self._pace.rate < self._pace.target:
            slower = f" (the machine can do {self._pace.rate:.1f} of {self._pace.target:g})"
        log("; ".join(of_cameras) + slower)
