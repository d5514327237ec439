"""Events at the door, which others can read while they happen: what each kiosk says, staff called,
somebody let in."""

import asyncio
import contextlib
import datetime
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from maskgate.door.server.metrics import Metrics
from maskgate.door.server.request_errors import RequestError

_HEARTBEAT: Final = 1.0  # seconds between comments, so that a lost service or reader is noticed
_BEHIND: Final = 100  # events that may wait for one reader; the oldest are dropped
KINDS: Final = {
    "override": {"operator": "Let somebody in"},
    "alert": {
        "help": "Call staff: somebody asks for help",
        "waiting": "Call staff: somebody has not been let in for long",
        "no_verdict": "Call staff: there has been no verdict for long",
    },
}
"""Every kind of event that can be published, and its reasons, with what they mean."""
STATE: Final = "state"  # the kind of the events on what a kiosk says


def now() -> str:
    """The time of an event."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


class Events:
    """Passes each event to all who read at that moment, and its JSON to `log`. Of what has
    happened, nothing is kept but what each kiosk says now, which a new reader gets first. Used in
    one event loop."""

    def __init__(
        self, metrics: Metrics, max_readers: int, log: Callable[[str], None] = lambda _: None
    ) -> None:
        self._metrics, self._max_readers, self._log = metrics, max_readers, log
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        self._states: dict[int, dict[str, Any]] = {}  # by the number of the kiosk
        self._number = 0
        self._is_stopping = False

    def publish(self, kind: str, reason: str, door: str) -> None:
        """Count an event of KINDS and pass it to all readers. `door` is the name of a door."""
        self._metrics.events.labels(kind, reason).inc()
        self._send(kind, {"reason": reason, "door": door})

    def change(self, kiosk: int, state: dict[str, Any]) -> None:
        """Count what a kiosk says from now on and pass it to all readers."""
        if self._is_stopping:
            return
        self._metrics.states.labels(state["state"]).inc()
        self._states[kiosk] = state
        self._send(STATE, state)

    def forget(self, kiosk: int) -> None:
        """New readers get nothing of this kiosk."""
        self._states.pop(kiosk, None)

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        self._number += 1
        event = _json(kind, content)
        self._log(event)
        text = f"id: {self._number}\n{_text(kind, event)}".encode()
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(text)

    def read(self) -> AsyncIterator[bytes]:
        """The events from now on as Server-Sent Events, until the service stops. Raises
        RequestError if too many read."""
        if self._is_stopping:
            raise RequestError("stopping", "the service is stopping", 1)
        if len(self._queues) >= self._max_readers:
            raise RequestError("busy", "too many read the events", 5)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_BEHIND)
        self._queues.add(queue)
        states = [_text(STATE, _json(STATE, each)) for each in self._states.values()]
        return self._read(queue, "".join(states))

    async def _read(self, queue: asyncio.Queue[bytes | None], first: str) -> AsyncIterator[bytes]:
        try:
            yield b"retry: 1000\n: open\n\n" + first.encode()
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
        """End what the kiosks say, then all readers."""
        for kiosk, state in list(self._states.items()):
            self.change(kiosk, {**state, "state": "none", "reason": "stopping", "since": now()})
        self._is_stopping = True
        for queue in self._queues:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(None)


def _json(kind: str, content: dict[str, Any]) -> str:
    return json.dumps({"kind": kind, **content, "time": now()})


def _text(kind: str, event: str) -> str:
    return f"event: {kind}\ndata: {event}\n\n"
