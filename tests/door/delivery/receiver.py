"""A real HTTP server on this machine that records what it gets and answers as a test wants."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Request:
    """One request: its headers, its body, and when it came by time.monotonic."""

    headers: Mapping[str, str]
    body: bytes
    time: float


class Receiver:
    """Answers each request with `answer(number, request)`: a status and headers; by default 204.
    Used as a context."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[int, Request], tuple[int, dict[str, str]]] = lambda *_: (204, {})
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the sender was killed: that is no request
                request = Request(dict(self.headers.items()), body, time.monotonic())
                receiver.requests.append(request)
                status, headers = receiver.answer(len(receiver.requests), request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/a-secret-path"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until the condition holds; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not happened in time"
        time.sleep(0.01)
