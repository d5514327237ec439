"""Cameras that the service reads itself: each frame is judged once, for all its screens."""

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

from maskgate.door.cameras.faults import Faults
from maskgate.door.cameras.frames import Camera, Frame
from maskgate.door.events import Reason
from maskgate.door.server.batching import Batcher, Judged
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.request_errors import RequestError
from maskgate.imaging.pixels import Pixels

RATE: Final = 10.0  # frames a second that are judged, at most
ALIVE: Final = 0.25  # seconds after which screens are told that there is no new frame, or a fault
_LONGEST: Final = 640  # pixels of the longer side of a picture, as in pages/kiosk-camera.js
_QUALITY: Final = 80  # of the JPEG
_PAUSE: Final = 1.0  # seconds after an unexpected error


@dataclass(frozen=True, eq=False)
class Shot:
    """What a camera gives at a `time`, by time.monotonic: a `fault`, or a frame that is `judged`,
    with the JSON of the `answer` and its `picture` as JPEG, or nothing new."""

    time: float
    fault: Reason | None = None
    judged: Judged | None = None
    answer: dict[str, Any] | None = None
    picture: bytes = b""


class ServiceCamera:
    """A camera of the service. It is read all the time, and judged while it has `viewers`, each of
    which is called with every shot. `answer` is the JSON for a frame. Used in one event loop."""

    def __init__(
        self,
        camera: Camera,
        batcher: Batcher,
        metrics: Metrics,
        *,
        answer: Callable[[Judged], dict[str, Any]],
    ) -> None:
        self.name, self.viewers = camera.spec.name, set[Callable[[Shot], None]]()
        self._camera, self._batcher, self._answer = camera, batcher, answer
        self._metrics = metrics
        self._faults = Faults(time.monotonic(), f"camera {self.name}")
        self._is_empty = True  # whether the newest judged frame shows nobody
        self._fault: Reason | None = None
        self._show_time = 0.0  # when the viewers were last called, by time.monotonic
        metrics.cameras.labels(self.name).set(0)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Read the camera as long as the context lasts."""
        self._camera.start()
        self._faults = Faults(time.monotonic(), f"camera {self.name}")
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await asyncio.to_thread(self._camera.stop)

    async def _run(self) -> None:
        while True:
            due = time.monotonic() + 1 / RATE
            try:
                await self._look()
            except Exception as error:  # a fault of one camera, whatever it is, ends none of them
                self._metrics.log_failure(error)
                due += _PAUSE
            await asyncio.sleep(due - time.monotonic())

    async def _look(self) -> None:
        """Show the newest frame, the fault, or from time to time that there is none."""
        frame = await asyncio.to_thread(self._take)
        if not self.viewers:
            self._is_empty = True
        now = time.monotonic()
        fault = self._faults.at(now, is_empty=self._is_empty)
        is_new, self._fault = fault != self._fault, fault
        self._metrics.cameras.labels(self.name).set(fault is None)
        if frame is not None and self.viewers and self._faults.may_judge(fault):
            shot = await self._judge(frame)
            if fault is None:
                if shot is not None:
                    self._show(shot)
                return
        if is_new or now - self._show_time >= ALIVE:
            self._show(Shot(now, fault))

    def _take(self) -> Frame | None:
        """The newest frame, if there is one; runs in another thread."""
        frame = self._camera.take()
        if frame is not None:
            self._faults.add(frame, is_empty=self._is_empty)
        return frame

    async def _judge(self, frame: Frame) -> Shot | None:
        """What the frame shows; None, so that the screens see that nothing comes, if it cannot be
        judged."""
        picture = await asyncio.to_thread(_jpeg, frame.image)
        try:
            judged = await self._batcher.judge(lambda: picture)
        except RequestError as problem:
            self._metrics.reject(problem.reason)
            return None
        self._is_empty = not judged.verdicts
        self._faults.add_faces(len(judged.verdicts))
        return Shot(frame.time, judged=judged, answer=self._answer(judged), picture=picture)

    def _show(self, shot: Shot) -> None:
        self._show_time = time.monotonic()
        for view in list(self.viewers):
            view(shot)


@contextlib.asynccontextmanager
async def reading(cameras: Sequence[ServiceCamera]) -> AsyncIterator[None]:
    """Read all cameras as long as the context lasts."""
    async with contextlib.AsyncExitStack() as stack:
        for camera in cameras:
            await stack.enter_async_context(camera.reading())
        yield


def _jpeg(image: Pixels) -> bytes:
    """The frame, at most 640 pixels wide and high, as JPEG."""
    picture, scale = Image.fromarray(image), _LONGEST / max(image.shape[:2])
    if scale < 1:
        size = max(1, round(scale * picture.width)), max(1, round(scale * picture.height))
        picture = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
