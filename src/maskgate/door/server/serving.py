"""Runs the service until it is stopped, and lets it answer what it has."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

import uvicorn

from maskgate.core.progress import say
from maskgate.core.signals import handle_signals
from maskgate.door.server import hardening, protocol, systemd
from maskgate.door.server.app import Door
from maskgate.errors import MaskgateError, disk_error

_PING: Final = 5.0  # seconds between pings on a stream, and for their answer


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises MaskgateError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=256)
    except socket.gaierror as error:
        raise MaskgateError(f"--host {host}: no such host ({error.strerror})") from error
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MaskgateError(
            f"{host}:{port}: cannot listen there ({reason}); give another --host or --port"
        ) from error
    listener.set_inheritable(False)
    return listener


class Server(uvicorn.Server):
    """uvicorn's server for a door; SIGINT and SIGTERM stop it, the second one at once."""

    def __init__(self, door: Door, certificate: tuple[Path, Path] | None = None) -> None:
        settings = door.settings
        super().__init__(
            uvicorn.Config(
                door.gate,
                http=protocol.with_time(settings.header_time),
                ws="websockets-sansio",
                interface="asgi3",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws_max_size=settings.max_frame_bytes,
                ws_ping_interval=_PING,
                ws_ping_timeout=_PING,
                ws_per_message_deflate=False,
                limit_concurrency=settings.max_connections,
                timeout_graceful_shutdown=round(settings.stop_time) + 2,
                ssl_certfile=certificate[0] if certificate else None,
                ssl_keyfile=certificate[1] if certificate else None,
            )
        )
        self._door = door
        hardening.limit_logs()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, with a limit of time for TLS handshakes, for which it has no option."""
        loop = asyncio.get_running_loop()
        create_server = loop.create_server
        if self.config.ssl_certfile:
            loop.create_server = functools.partial(  # type: ignore[method-assign]
                create_server, ssl_handshake_timeout=self._door.settings.header_time
            )
        try:
            await super().startup(sockets)
        finally:
            loop.create_server = create_server  # type: ignore[method-assign]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the socket, answer what waits on streams, then what uvicorn does."""
        for server in self.servers:
            server.close()
        self._door.events.stop()
        await self._door.streams.stop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but a signal that has stopped the service is not raised again."""
        with handle_signals(self._stop):
            yield

    def _stop(self, *_: object) -> None:
        systemd.notify("STOPPING=1")
        self.force_exit = self.should_exit
        self.should_exit = True


def run(
    door: Door, listener: socket.socket, certificate: tuple[Path, Path] | None, lines: Sequence[str]
) -> None:
    """Serve until a signal; the `lines` are printed when the first photo would be answered."""
    server = Server(door, certificate)

    async def serve() -> None:
        serving = asyncio.create_task(server.serve([listener]))
        while not (server.started or serving.done()):
            await asyncio.sleep(0.01)
        if server.started:
            for line in lines:
                say(line)
            systemd.notify("READY=1")
        watching = asyncio.create_task(systemd.watch(lambda: door.batcher.is_healthy))
        try:
            await serving
        finally:
            watching.cancel()

    try:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(serve())
    except SystemExit:
        raise MaskgateError("the service could not start; see the lines above") from None
    except OSError as error:
        raise disk_error(error, "the service") from error
    say("stopped")
