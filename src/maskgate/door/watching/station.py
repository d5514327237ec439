"""One camera that is watched: which of its frames are judged, and what comes of them."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from maskgate.core.progress import log
from maskgate.door.cameras.faults import Faults
from maskgate.door.cameras.frames import Camera, Frame
from maskgate.door.cameras.stillness import STALE
from maskgate.door.delivery.protocol import CameraRate
from maskgate.door.events import Event
from maskgate.door.readings import Policy, Reading
from maskgate.door.verdict import Measured, Verdict
from maskgate.door.watching.motion import Motion
from maskgate.door.watching.observer import Observer
from maskgate.door.watching.sending import Sending

_LATELY: Final = 10.0  # seconds


@dataclass(frozen=True)
class Rules:
    """What all cameras decide by: `rule` is what a verdict says under the `policy`, and `near` the
    narrowest face in front as a share of the frame's longer side."""

    policy: Policy
    rule: Callable[[Verdict], Reading]
    near: float


class Station:
    """A camera, its faults and its people. `numbers` gives each person a number, which is used
    once in a `process`."""

    def __init__(self, camera: Camera, rules: Rules, numbers: Iterator[int], process: UUID) -> None:
        self.camera, self.name = camera, camera.spec.name
        self._is_live = camera.spec.is_live
        self._wall_start = datetime.now(UTC)
        self._time = time.monotonic() if self._is_live else 0.0
        self._faults = Faults(self._time, f"camera {self.name}")
        self._motion = Motion()
        self._observer = Observer(
            self.name,
            rules.policy,
            rule=rules.rule,
            near=rules.near,
            numbers=numbers,
            process=process,
            wall=self._wall,
        )
        # Whether the newest frame was judged too late to decide by, or could not be judged.
        self._is_late = self._has_failed = False
        self._failures = 0
        self._frame_count, self._sending = 0, Sending(self.name, self._time)
        self._judged, self._behind = 0, 0.0
        self._judged_times: deque[float] = deque()
        self._started = time.monotonic()

    def look(self) -> tuple[Frame | None, list[Event]]:
        """The frame that is to be judged now, if there is one, and the events of faults."""
        frame = self.camera.take()
        if frame is None:
            if self._is_live:
                return None, self._report(time.monotonic())
            return None, self.end() if self.camera.has_ended else []
        self._frame_count += 1
        is_empty = self._observer.is_empty
        picture = self._faults.add(frame, is_empty=is_empty)
        self._time = max(self._time, frame.time)
        now = time.monotonic() if self._is_live else self._time
        fault = self._faults.at(now, is_empty=is_empty)
        events = self._report(now)
        if self._is_live:
            sent = self._frame_count + self.camera.dropped
            count = self._sending.restart if events else self._sending.add
            count(sent, now)
        if not self._faults.may_judge(fault):
            return None, events
        if self._is_late or self._has_failed:  # until a frame is judged in time
            return frame, events
        self._motion.is_empty = is_empty
        if self._motion.must_judge(picture, self._time):
            return frame, events
        return None, events + self._see(frame, [])

    def judge(self, frame: Frame, faces: Sequence[Measured]) -> list[Event]:
        """The events of a frame with these faces. One of a live camera that is older than STALE
        says nothing of who is there now: it counts as none, and the camera as lost."""
        now = time.monotonic()
        self._has_failed = False
        self._judged += 1
        self._judged_times.append(now)
        self._faults.add_faces(len(faces))
        if not self._is_live:
            events = self._report(self._time)
            return events + self._see(frame, faces)
        self._behind = max(0.0, now - frame.time)
        was_late, self._is_late = self._is_late, self._behind > STALE
        if self._is_late and not was_late:
            log(
                f"camera {self.name}: a frame was judged {self._behind:.1f} s after its arrival,"
                " which is too late to decide by; use a faster machine, or fewer cameras"
            )
        events = self._report(now)
        return events if self._observer.fault is not None else events + self._see(frame, faces)

    def fail(self, error: Exception) -> list[Event]:
        """The events of a frame that could not be judged, which is a fault of this camera alone
        until one is judged. The first of such a row is logged."""
        if not self._has_failed:
            log(f"camera {self.name}: a frame could not be judged ({type(error).__name__})")
        self._has_failed = True
        self._failures += 1
        return self._report(time.monotonic() if self._is_live else self._time)

    def end(self) -> list[Event]:
        """The events of the end of watching, of which a second call has none."""
        return self._observer.end(time.monotonic() if self._is_live else self._time)

    @property
    def rate(self) -> CameraRate:
        """How the camera is doing."""
        now = time.monotonic()
        while self._judged_times and now - self._judged_times[0] > _LATELY:
            self._judged_times.popleft()
        seconds = min(_LATELY, max(now - self._started, 1e-3))
        return CameraRate(
            camera=self.name,
            judged=self._judged,
            dropped=self.camera.dropped + self._failures,
            rate=len(self._judged_times) / seconds,
            behind=self._behind,
            is_up=self._observer.door != "none",
        )

    @property
    def wall_time(self) -> datetime:
        """The time by the clock on the wall; of a stored camera that of its newest frame."""
        return self._wall(time.monotonic() if self._is_live else self._time)

    def _see(self, frame: Frame, faces: Sequence[Measured]) -> list[Event]:
        height, width = frame.image.shape[:2]
        return self._observer.see(faces, (width, height), self._time)

    def _report(self, now: float) -> list[Event]:
        """The events of what is wrong at a time. Only if there are any may no later event be
        earlier: otherwise the time of a frame is that of its arrival."""
        now = max(self._time, now)
        fault = self._faults.at(now, is_empty=self._observer.is_empty)
        if fault is None and (self._is_late or self._has_failed):
            fault = "lost"
        events = self._observer.report(fault, now)
        if events:
            self._time = now
        return events

    def _wall(self, moment: float) -> datetime:
        """The time by the clock on the wall at a time of the camera's. A stored one starts when it
        is opened."""
        if self._is_live:
            return datetime.now(UTC) - timedelta(seconds=time.monotonic() - moment)
        return self._wall_start + timedelta(seconds=moment)
