"""Counters and times for Prometheus; none of them identifies a person."""

import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from maskgate.core.progress import say
from maskgate.door.verdict import Verdict
from maskgate.labels import MASKS

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STAGES: Final = ("read", "queue", "decode", "engine", "total")


class Metrics:
    """What `/metrics` reports. Gender and age are not counted, even where they are judged."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._stages = Histogram(
            "maskgate_stage_seconds",
            "Time of a photo in each stage; total: from complete to judged",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._verdicts = Counter(
            "maskgate_verdicts", "Faces judged, by mask state", ["mask"], registry=registry
        )
        self._unsure = Counter(
            "maskgate_unsure_verdicts", "Verdicts marked unsure", registry=registry
        )
        self._photos = Counter(
            "maskgate_photos", "Photos and frames judged", ["source"], registry=registry
        )
        self._rejections = Counter(
            "maskgate_rejections", "Refused requests and photos", ["reason"], registry=registry
        )
        self.events = Counter(
            "maskgate_events",
            "Staff called and people let in by staff, by reason",
            ["kind", "reason"],
            registry=registry,
        )
        self.states = Counter(
            "maskgate_states",
            "Changes of what a kiosk says, by state",
            ["state"],
            registry=registry,
        )
        self.dropped_frames = Counter(
            "maskgate_dropped_frames", "Frames replaced by a newer one", registry=registry
        )
        self.queue = Gauge("maskgate_queue_length", "Photos that wait", registry=registry)
        self.streams = Gauge("maskgate_streams", "Open streams", registry=registry)
        self.cameras = Gauge(
            "maskgate_camera_up",
            "1 if a camera of the service delivers a usable picture",
            ["camera"],
            registry=registry,
        )
        self.batch = Histogram(
            "maskgate_batch_photos",
            "Photos judged together",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=registry,
        )
        self._last_frame = time.monotonic()
        Gauge(
            "maskgate_last_frame_age_seconds",
            "Time since the last frame of any stream was judged, or since the start",
            registry=registry,
        ).set_function(lambda: time.monotonic() - self._last_frame)
        for stage in STAGES:
            self._stages.labels(stage)
        for mask in MASKS:
            self._verdicts.labels(mask)

    def stage(self, name: str, seconds: float) -> None:
        """One photo has taken so long in a stage of STAGES."""
        self._stages.labels(name).observe(seconds)

    def count(self, source: str, verdicts: Sequence[Verdict], unsure: int) -> None:
        """One photo from this source, `photo` or `stream`, has been judged."""
        self._photos.labels(source).inc()
        if source == "stream":
            self._last_frame = time.monotonic()
        for verdict in verdicts:
            assert verdict.mask is not None
            self._verdicts.labels(verdict.mask.value).inc()
        self._unsure.inc(unsure)

    def reject(self, reason: str) -> None:
        """One request or photo has been refused for this reason."""
        self._rejections.labels(reason).inc()

    def log_failure(self, error: BaseException) -> None:
        """Log where an unexpected error was raised. Its message is left out: it may quote a
        photo."""
        place = traceback.extract_tb(error.__traceback__)[-1:]
        at = f" at {Path(place[0].filename).name}:{place[0].lineno}" if place else ""
        say(f"internal error: {type(error).__name__}{at}")

    def text(self) -> bytes:
        """The metrics in Prometheus' text format, MEDIA_TYPE."""
        return generate_latest(self._registry)
