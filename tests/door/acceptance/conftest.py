"""The service in a thread, and a kiosk that says what a test has it say."""

import json
import threading
import time
from contextlib import ExitStack, suppress
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.door.server.conftest import Running
from tests.door.server.conftest import serve as serve


class Kiosk:
    """A page at a door: it repeats the latest state that it was set to, as a real one does."""

    def __init__(self, running: Running, door: str = "main", policy: str = "worn") -> None:
        self._url = f"ws://127.0.0.1:{running.port}/v1/stream?door={door}"
        self._policy, self._lock = policy, threading.Lock()
        self._is_open, self._stack = True, ExitStack()
        self._state: tuple[str, str | None] = ("empty", None)

    def __enter__(self) -> Self:
        self._stream = self._stack.enter_context(connect(self._url))
        self.show("empty")
        self._thread = threading.Thread(target=self._repeat)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        self._thread.join()
        self._stack.close()

    def show(self, state: str, reason: str | None = None) -> None:
        """What is on the screen from now on."""
        with self._lock:
            self._state = state, reason
            self._send()

    def _send(self) -> None:
        state, reason = self._state
        report = {"state": state, "reason": reason, "policy": self._policy}
        self._stream.send(json.dumps(report))

    def _repeat(self) -> None:
        while self._is_open:
            time.sleep(0.2)
            with self._lock, suppress(ConnectionClosed):
                self._send()
