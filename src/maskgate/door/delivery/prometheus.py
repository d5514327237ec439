"""Numbers for Prometheus: events, waiting times, cameras, deliveries. None identifies a person."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from maskgate.door.decision.voting import UNDECIDED
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.protocol import CameraRate
from maskgate.door.events import (
    CameraLost,
    Changed,
    Event,
    FirstVerdict,
    Left,
    Override,
    Started,
    Stopped,
)
from maskgate.errors import MaskgateError

_WAITS: Final = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)  # seconds
_MOST_CLIENTS: Final = 20  # at once, each with a thread; others are turned away


class Metrics:
    """Serves `/metrics` on an address, from a thread of its own. `counts` are those of the other
    sinks; `relay` says whether a relay is open. Raises MaskgateError if it cannot listen there."""

    name = "metrics"

    def __init__(
        self,
        address: tuple[str, int],
        counts: Sequence[Counts] = (),
        cameras: Sequence[str] = (),
        relay: Callable[[], bool] | None = None,
    ) -> None:
        registry = CollectorRegistry()
        self._events = Counter(
            "maskgate_watch_events", "Events", ["camera", "event"], registry=registry
        )
        self._verdicts = Counter(
            "maskgate_watch_verdicts",
            "Verdicts on people, the first and each other one; no moment and closer",
            ["camera", "verdict"],
            registry=registry,
        )
        self._overrides = Counter(
            "maskgate_watch_overrides", "People whom staff let in", registry=registry
        )
        self._waited = Histogram(
            "maskgate_watch_waited_seconds",
            "Time from the first near frame of a person to the first verdict",
            ["camera"],
            buckets=_WAITS,
            registry=registry,
        )
        self._unsure = Histogram(
            "maskgate_watch_unsure_share",
            "Share of a person's near faces that were unsure",
            ["camera"],
            buckets=(0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0),
            registry=registry,
        )
        self._up = Gauge(
            "maskgate_watch_camera_up",
            "Whether the camera delivers a usable picture",
            ["camera"],
            registry=registry,
        )
        self._rate = Gauge(
            "maskgate_watch_frames_per_second", "Frames judged", ["camera"], registry=registry
        )
        self._behind = Gauge(
            "maskgate_watch_behind_seconds",
            "Time from the arrival of the newest judged frame to its verdict",
            ["camera"],
            registry=registry,
        )
        self._frames = _Frames()
        registry.register(self._frames)
        self._sign = time.monotonic()
        Gauge(
            "maskgate_watch_silent_seconds",
            "Time since the last sign that the process works",
            registry=registry,
        ).set_function(lambda: time.monotonic() - self._sign)
        if relay is not None:
            Gauge(
                "maskgate_watch_relay_open", "Whether the relay is open", registry=registry
            ).set_function(lambda: float(relay()))
        registry.register(_Deliveries(counts))
        for camera in cameras:
            self._up.labels(camera).set(0)
        try:
            self._server, self._thread = start_http_server(
                address[1], addr=address[0], registry=registry
            )
        except OSError as error:
            raise MaskgateError(
                f"--metrics {address[0]}:{address[1]}: cannot listen there ({error.strerror});"
                " give another address"
            ) from error
        self._server.RequestHandlerClass = _Request
        self.port = int(self._server.server_port)

    def send(self, event: Event) -> None:
        """Count the event."""
        if isinstance(event, Override):
            self._overrides.inc()
        if isinstance(event, Override | Started | Stopped):
            return
        self._events.labels(event.camera, event.event).inc()
        match event:
            case FirstVerdict():
                self._verdicts.labels(event.camera, event.verdict).inc()
                self._waited.labels(event.camera).observe(event.waited)
            case Changed() if event.verdict not in UNDECIDED:
                self._verdicts.labels(event.camera, event.verdict).inc()
            case Left():
                self._unsure.labels(event.camera).observe(event.unsure_share)
            case CameraLost():
                self._up.labels(event.camera).set(0)

    def tick(self, now: float) -> None:
        """All is well at the time `now`, by time.monotonic."""
        self._sign = now

    def count(self, rates: Sequence[CameraRate]) -> None:
        """How all cameras are doing."""
        for each in rates:
            self._up.labels(each.camera).set(each.is_up)
            self._rate.labels(each.camera).set(each.rate)
            self._behind.labels(each.camera).set(each.behind)
        self._frames.rates = tuple(rates)

    def close(self, _seconds: float) -> None:
        """Stop to listen."""
        self._server.shutdown()
        self._server.server_close()
        if isinstance(self._thread, threading.Thread):
            self._thread.join()


class _Request(WSGIRequestHandler):
    """One request. A client that says nothing is given up: it would hold its thread for ever."""

    timeout = 5  # seconds
    clients = threading.BoundedSemaphore(_MOST_CLIENTS)

    def handle(self) -> None:
        """Answer the client."""
        if not self.clients.acquire(blocking=False):
            return
        try:
            with contextlib.suppress(OSError):  # it is silent, or has gone
                super().handle()
        finally:
            self.clients.release()

    def log_message(self, *_: object) -> None:
        """Print nothing about a request."""


class _Frames(Collector):
    """The frames of each camera since the start."""

    def __init__(self) -> None:
        self.rates: tuple[CameraRate, ...] = ()

    def collect(self) -> Iterator[Metric]:
        """Frames judged, and those that a newer one replaced."""
        judged = CounterMetricFamily(
            "maskgate_watch_judged_frames", "Frames judged", labels=["camera"]
        )
        dropped = CounterMetricFamily(
            "maskgate_watch_dropped_frames", "Frames replaced by a newer one", labels=["camera"]
        )
        for each in self.rates:
            judged.add_metric([each.camera], each.judged)
            dropped.add_metric([each.camera], each.dropped)
        yield from (judged, dropped)


class _Deliveries(Collector):
    """The counts of all sinks, as they are when they are asked for."""

    def __init__(self, counts: Sequence[Counts]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """One family for each of the counts."""
        waiting = GaugeMetricFamily(
            "maskgate_watch_queue_length", "Events that wait for delivery", labels=["sink"]
        )
        delivered = CounterMetricFamily(
            "maskgate_watch_delivered", "Events delivered, or orders to a relay", labels=["sink"]
        )
        failures = CounterMetricFamily(
            "maskgate_watch_delivery_failures", "Attempts that failed", labels=["sink"]
        )
        lost = CounterMetricFamily(
            "maskgate_watch_lost_events", "Events given up", labels=["sink", "reason"]
        )
        for each in self._counts:
            waiting.add_metric([each.sink], each.waiting())
            delivered.add_metric([each.sink], each.delivered)
            failures.add_metric([each.sink], each.failures)
            for reason, count in each.lost.items():
                lost.add_metric([each.sink, reason], count)
        yield from (waiting, delivered, failures, lost)
