"""A camera's stream: JPEG frames in, verdicts per face out; the newest frame wins."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from maskgate.door.server.batching import Batcher, Judged
from maskgate.door.server.connection import Connection
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.request_errors import RequestError
from maskgate.door.server.settings import Settings


class FrameSlot:
    """The newest frame of a stream that waits; frames are counted from 1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._content: bytes | None = None
        self._time = 0.0
        self.number = 0  # of the newest frame
        self.last_taken = 0  # the number of the frame that `take` returned last
        self.last_time = 0.0  # when that frame arrived, by time.monotonic

    def put(self, content: bytes) -> bool:
        """Store the newest frame; whether it replaces one that was not taken."""
        with self._lock:
            replaces = self._content is not None
            self._content, self.number = content, self.number + 1
            self._time = time.monotonic()
            return replaces

    def take(self) -> bytes:
        """The newest frame, which then no longer waits; no bytes if none does."""
        with self._lock:
            content, self._content = self._content or b"", None
            self.last_taken, self.last_time = self.number, self._time
            return content

    @property
    def is_empty(self) -> bool:
        """Whether no frame waits."""
        return self._content is None


class Stream:
    """One open connection that sends frames. `answer` is the JSON for a frame and the time when it
    arrived, by time.monotonic. Text is given to `report`, which raises ValueError for text that
    closes the connection."""

    def __init__(
        self,
        connection: Connection,
        batcher: Batcher,
        metrics: Metrics,
        *,
        answer: Callable[[Judged, float], dict[str, Any]],
        report: Callable[[str], None],
    ) -> None:
        self._connection, self._batcher, self._metrics = connection, batcher, metrics
        self._answer, self._report = answer, report
        self._slot = FrameSlot()

    def stop(self) -> None:
        """Answer the frame that waits, then close."""
        self._connection.stop()

    async def run(self) -> None:
        """Until the client leaves, or `stop`."""
        await self._connection.run(self._judge_all, self._put, self._take_text)

    def _put(self, content: bytes) -> None:
        if self._connection.is_stopping:
            return
        if self._slot.put(content):
            self._metrics.dropped_frames.inc()
        self._connection.wake()

    def _take_text(self, text: str) -> None:
        try:
            self._report(text)
        except ValueError:
            raise ValueError("send JPEG frames as binary messages") from None

    async def _judge_all(self) -> None:
        while self._connection.is_open and not self._slot.is_empty:
            await self._judge()

    async def _judge(self) -> None:
        """Answer the newest frame, or say why it has no verdict."""
        try:
            judged = await self._batcher.judge(self._slot.take)
        except RequestError as problem:
            self._metrics.reject(problem.reason)
            if not self._slot.is_empty and problem.reason in ("busy", "stopping", "too_slow"):
                self._slot.take()
            await self._connection.send({"frame": self._slot.last_taken, **problem.body()})
            if problem.reason == "busy":
                await asyncio.sleep(0.05)
        else:
            answer = self._answer(judged, self._slot.last_time)
            await self._connection.send({"frame": self._slot.last_taken, **answer})


class Session(Protocol):
    """An open stream, of either direction."""

    def stop(self) -> None:
        """Answer what waits, then close."""
        ...

    async def run(self) -> None:
        """Until the client leaves, or `stop`."""
        ...


class Streams:
    """All open streams, at most `settings.max_streams`."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._streams = settings, set[Session]()
        self.is_stopping = False
        metrics.streams.set_function(lambda: len(self._streams))

    @property
    def is_full(self) -> bool:
        """Whether no further stream may open."""
        return self.is_stopping or len(self._streams) >= self._settings.max_streams

    async def run(self, stream: Session) -> None:
        """Run a stream to its end."""
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)

    async def stop(self) -> None:
        """Answer what waits on every stream and close them all."""
        self.is_stopping = True
        for stream in list(self._streams):
            stream.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.stop_time):
                while self._streams:
                    await asyncio.sleep(0.02)
