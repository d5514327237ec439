"""HTTP/1.1 by uvicorn, with a limit of time and of bytes for the head of a request."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from maskgate.door.server.settings import Settings

_MAX_HEAD: Final = 32_768  # bytes: uvicorn has no limit of its own


class LimitedProtocol(HttpToolsProtocol):
    """Closes connections whose client does not send the head of a request in time, or sends a huge
    one; otherwise some of them would keep all others out. After an answer, what is left of the
    body and the head of the next request have the same time together."""

    seconds = Settings().header_time
    _timer: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        self._start()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._grow(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._stop()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_response_complete(self) -> None:
        is_last = not self.pipeline
        super().on_response_complete()
        if is_last and not self.transport.is_closing():
            self._start()

    def _grow(self, size: int) -> None:
        self._head += size
        if self._head > _MAX_HEAD:
            self._drop()

    def _start(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(self.seconds, self._drop)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self) -> None:
        self.transport.close()


def with_time(seconds: float) -> type[Any]:
    """The protocol with another limit of time."""
    return type("LimitedProtocol", (LimitedProtocol,), {"seconds": seconds})
