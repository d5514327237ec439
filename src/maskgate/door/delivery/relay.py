"""Opens a door by a relay, as what the cameras' doors say allows.

Only the newest state counts: no event waits in a queue, so none that is old opens the door. The
relay is moved by another process (`relay_process.py`), which outlives this one if it is killed.
"""

import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

from maskgate.door.delivery import overrides, relay_process
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.failure_log import FailureLog
from maskgate.door.delivery.relay_process import Position
from maskgate.door.events import (
    CameraBack,
    CameraLost,
    DoorChanged,
    Event,
    Override,
    Started,
    Stopped,
)

_RESTART: Final = 1.0  # seconds between starts of the process


@dataclass(frozen=True)
class RelaySettings:
    """How the relay is moved, by a command or else a URL; seconds for which it stays open after
    the last `go`; and where the door is while nothing is known."""

    command: str | None = None
    url: str | None = None
    pulse: float = 3.0
    failed: Position = "shut"


class Relay:
    """One door before all `cameras`. It needs `tick` at least every half second."""

    name = "relay"

    def __init__(self, settings: RelaySettings, cameras: Sequence[str] = ()) -> None:
        self.counts = Counts("relay")
        self.position: Position | None = None
        """The last one that the relay has taken; None before the first."""
        self._failures = FailureLog(self.name)
        self._settings = json.dumps(vars(settings)).encode() + b"\n"
        self._doors = dict.fromkeys(cameras, "none")
        self._faulty: set[str] = set()
        self._open_until = -math.inf  # because staff let somebody in; by overrides.uptime
        self._start()

    def _start(self) -> None:
        """Start the process. Raises OSError, or RuntimeError where no more threads can be started;
        then the process before is still the one, or the new one ends."""
        self._started = time.monotonic()
        self._rest = self._settings
        self._process = subprocess.Popen(
            [sys.executable, "-I", relay_process.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # so Ctrl-C on the terminal is for this process alone
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)
        reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name="relay", daemon=True
        )
        try:
            reader.start()
        except RuntimeError:
            self._process.kill()  # with nobody to read its reports it would stand still one day
            raise
        self._reader = reader
        self.tick(self._started)

    def send(self, event: Event) -> None:
        """Take what a door says, that a camera has a fault, or that staff let somebody in."""
        match event:
            case DoorChanged():
                self._doors[event.camera] = event.door
            case CameraLost():
                self._faulty.add(event.camera)
            case CameraBack():
                self._faulty.discard(event.camera)
            case Override():
                self._open_until = overrides.uptime() + overrides.OPENS
            case Started() | Stopped():
                self._doors = dict.fromkeys(event.cameras, "none")
            case _:
                return
        self.tick(time.monotonic())

    def tick(self, now: float) -> None:
        """Tell the process that all is well at this time, by time.monotonic, and what is known."""
        if self._process.poll() is not None:
            if now - self._started < _RESTART:
                return
            self.counts.add_failure()
            self._failures.say("process", "its process has ended and is started again")
            self._close_pipes()
            try:
                self._start()
                self._failures.end("start", "its process is started")
            except (OSError, RuntimeError) as error:
                reason = getattr(error, "strerror", None) or error
                self._failures.say("start", f"its process cannot be started: {reason}")
            return
        doors = self._doors | dict.fromkeys(self._faulty, "none")
        if not self._rest:  # else it has not read the line before, and needs no other
            left = max(0.0, self._open_until - overrides.uptime())
            known = {"time": now, "doors": doors, "override": left}
            self._rest = json.dumps(known).encode() + b"\n"
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self._rest = self._rest[os.write(self._pipe, self._rest) :]

    def close(self, seconds: float) -> None:
        """Let the door fail, and wait for that at most so long."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._failures.say("process", "the door has not taken its last position in time")
            return  # it goes on trying for a while
        self._reader.join()
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _read(self, reports: IO[bytes]) -> None:
        """Count the orders that the process reports."""
        for line in reports:
            try:
                report: dict[str, Any] = json.loads(line)
            except ValueError:  # half a line, of a process that was killed
                continue
            if report["failure"] is None:
                self.counts.add_delivered()
                self.position = report["position"]
                self._failures.end("order", f"works again; the door is {self.position}")
            else:
                self.counts.add_failure()
                self._failures.say("order", f"cannot {report['position']}: {report['failure']}")
