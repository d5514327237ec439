"""Events at the door, which others can read while they happen: staff called, somebody let in."""

import asyncio
import contextlib
import datetime
import json
from collections.abc import AsyncIterator
from typing import Final

from maskgate.door.server.metrics import Metrics
from maskgate.door.server.request_errors import RequestError

_HEARTBEAT: Final = 15.0  # seconds between comments, so that a lost reader is noticed
_BEHIND: Final = 100  # events that may wait for one reader; the oldest are dropped
KINDS: Final = {
    "override": {"operator": "Let somebody in"},
    "alert": {
        "help": "Call staff: somebody asks for help",
        "waiting": "Call staff: somebody has not been let in for long",
        "no_verdict": "Call staff: there has been no verdict for long",
    },
}
"""Every kind of event and its reasons, with what they mean."""


class Events:
    """Passes each event to all who read at that moment; nothing is kept. Used in one event loop."""

    def __init__(self, metrics: Metrics, max_readers: int) -> None:
        self._metrics, self._max_readers = metrics, max_readers
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        self._number = 0
        self._is_stopping = False

    def publish(self, kind: str, reason: str, door: str) -> None:
        """Count an event of KINDS and pass it to all readers. `door` is the name of a door."""
        self._number += 1
        self._metrics.events.labels(kind, reason).inc()
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        event = {"kind": kind, "reason": reason, "door": door, "time": now}
        text = f"id: {self._number}\nevent: {kind}\ndata: {json.dumps(event)}\n\n"
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(text.encode())

    def read(self) -> AsyncIterator[bytes]:
        """The events from now on as Server-Sent Events, until the service stops. Raises
        RequestError if too many read."""
        if self._is_stopping:
            raise RequestError("stopping", "the service is stopping", 1)
        if len(self._queues) >= self._max_readers:
            raise RequestError("busy", "too many read the events", 5)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_BEHIND)
        self._queues.add(queue)
        return self._read(queue)

    async def _read(self, queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 1000\n: open\n\n"
            while True:
                text: bytes | None = b": nothing new\n\n"
                with contextlib.suppress(TimeoutError):
                    text = await asyncio.wait_for(queue.get(), _HEARTBEAT)
                if text is None:
                    return
                yield text
        finally:
            self._queues.discard(queue)

    def stop(self) -> None:
        """End all readers."""
        self._is_stopping = True
        for queue in self._queues:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(None)
