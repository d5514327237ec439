"""An open WebSocket: what comes in, and what is answered, within limits of time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import WebSocket, WebSocketDisconnect

from maskgate.door.server.metrics import Metrics
from maskgate.door.server.settings import Settings

SERVICE_RESTART: Final = 1012  # codes of RFC 6455 and its registry
TRY_AGAIN: Final = 1013
UNSUPPORTED: Final = 1003
POLICY_VIOLATION: Final = 1008
_TOO_LARGE: Final = 1009


class Connection:
    """A connection that is answered in one task while another one receives."""

    def __init__(self, websocket: WebSocket, settings: Settings, metrics: Metrics) -> None:
        self._websocket, self._settings, self._metrics = websocket, settings, metrics
        self._wake = asyncio.Event()
        self.is_open, self.is_stopping = True, False

    def wake(self) -> None:
        """There is something to answer."""
        self._wake.set()

    def stop(self) -> None:
        """Answer what waits, then close."""
        self.is_stopping = True
        self._wake.set()

    async def run(
        self,
        answer: Callable[[], Awaitable[None]],
        on_bytes: Callable[[bytes], None],
        on_text: Callable[[str], None],
    ) -> None:
        """Until the client leaves, or `stop`. Each message is given to `on_bytes` or `on_text`; if
        it raises ValueError, the connection is closed with the error's message. After each `wake`,
        `answer` is awaited."""
        await self._websocket.accept()
        receiver = asyncio.create_task(self._receive(on_bytes, on_text))
        try:
            while self.is_open:
                await self._wake.wait()
                self._wake.clear()
                await answer()
                if self.is_stopping:
                    await self._close(SERVICE_RESTART, "stopping")
        finally:
            receiver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await receiver

    async def send(self, answer: dict[str, Any], picture: bytes = b"") -> None:
        """Send JSON as text, and then a picture, if there is one, as a binary message. A client
        that does not take it in time is left."""
        try:
            async with asyncio.timeout(self._settings.send_time):
                await self._websocket.send_json(answer)
                if picture:
                    await self._websocket.send_bytes(picture)
        except (TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            self.is_open = False

    async def _receive(
        self, on_bytes: Callable[[bytes], None], on_text: Callable[[str], None]
    ) -> None:
        try:
            while True:
                message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    if message.get("code") == _TOO_LARGE:  # a frame of over max_frame_bytes
                        self._metrics.reject("too_large")
                    break
                content = message.get("bytes")
                try:
                    if content is None:
                        on_text(message.get("text") or "")
                    else:
                        on_bytes(content)
                except ValueError as error:
                    await self._close(UNSUPPORTED, str(error))
                    break
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass
        finally:
            self.is_open = False
            self._wake.set()

    async def _close(self, code: int, reason: str) -> None:
        self.is_open = False
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            await self._websocket.close(code, reason)
