"""The process that moves a relay: when it opens the door, and how.

It is a process of its own so that the door fails as it should also if the one that watches is
killed or hangs. The first line of its standard input has the settings, each further one what the
doors of all cameras say; the end of the input is the end of the other process. On its standard
output it reports each order to the relay. It needs nothing but Python, so that it starts at once
and stays small: it is run as a file and imports nothing of this package.
"""

import contextlib
import http.client
import json
import math
import os
import selectors
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

SILENCE: Final = 2.0  # seconds without a sign of life after which the door fails
_LOOK: Final = 0.05  # seconds between looks at the clock
_TIME: Final = 2.0  # seconds for one order
_REPEAT: Final = 1.0  # seconds after which a failed order is repeated, and `open` while it is so
_LAST: Final = 10.0  # seconds for the last order
_CHUNK: Final = 65_536  # bytes
_BROKEN: Final = 1  # exit code if no more orders can be given; the other process starts a new one

_NOBODY_STOPPED: Final = ("go", "empty", "closer")

Position = Literal["open", "shut"]
Order = Callable[[Position], None]
"""Moves the relay. Raises an exception of any kind if it cannot."""


class RelayRule:
    """One door before one or more cameras.

    It is open while a camera says `go` and no other one stops somebody, and for `pulse` seconds
    after the last one has gone. Whatever else a camera says shuts it at once. While a camera has a
    fault, it is where `failed` says. While staff let somebody in, it is open whatever cameras say.
    From SILENCE seconds after the last sign of life, it is where `failed` says. Times are of
    time.monotonic.
    """

    def __init__(self, pulse: float, failed: Position) -> None:
        self._pulse, self._failed = pulse, failed
        self._doors: Mapping[str, str] = {}
        self._sign = self._last_go = self._override_ends = -math.inf

    def update(self, doors: Mapping[str, str], time: float, override: float = 0.0) -> None:
        """A sign of life: at this time, the doors of the cameras, by their names, say so, and
        staff let somebody in for so many more seconds."""
        if self._is_silent(time):
            self._last_go = -math.inf
        elif "go" in self._doors.values() and self._may_open():
            self._last_go = time
        self._doors, self._sign = doors, max(self._sign, time)
        self._override_ends = time + override
        if not self._may_open():
            self._last_go = -math.inf

    def position(self, now: float) -> Position:
        """Where the door is to be."""
        if self._is_silent(now):
            return self._failed
        if now < self._override_ends:
            return "open"
        if not self._doors or "none" in self._doors.values():
            return self._failed
        if not self._may_open():
            return "shut"
        is_open = "go" in self._doors.values() or now - self._last_go <= self._pulse
        return "open" if is_open else "shut"

    def _is_silent(self, now: float) -> bool:
        return now - self._sign > SILENCE

    def _may_open(self) -> bool:
        return all(door in _NOBODY_STOPPED for door in self._doors.values())


def by_command(command: str) -> Order:
    """Runs the command, without a shell, with `open` or `shut` as its last argument and as
    MASKGATE_DOOR."""
    words = shlex.split(command)

    def order(position: Position) -> None:
        subprocess.run(
            [*words, position],
            env=os.environ | {"MASKGATE_DOOR": position},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=_TIME,
            check=True,
        )

    return order


def by_url(url: str) -> Order:
    """Posts `{"door": "open"}` or `{"door": "shut"}` to the address, without a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def order(position: Position) -> None:
        body = json.dumps({"door": position}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with opener.open(request, timeout=_TIME):
            pass

    return order


class Actuator:
    """Gives orders from a thread of its own. The newest position counts. A failed order is repeated
    until it succeeds, and `open` is for as long as the door is to be open: so a relay may shut by
    itself. Should the thread end, so does the process: else the door would stay open for ever."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._news = threading.Condition()
        self._target: Position | None = None
        self._reached: Position | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def move(self, position: Position) -> None:
        """Order this position, if it is another than before."""
        with self._news:
            if position != self._target:
                self._target, self._reached = position, None
                self._news.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until the relay is where it was ordered to be, at most so long."""
        with self._news:
            self._news.wait_for(lambda: self._reached == self._target, seconds)

    def _run(self) -> None:
        try:
            self._give_orders()
        finally:
            os._exit(_BROKEN)  # sys.exit would end this thread alone

    def _give_orders(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._target not in (None, self._reached))
                position = self._target
            assert position is not None
            failure = self._try(position)
            _report(position, failure)
            with self._news:
                if position == self._target and failure is None:
                    self._reached = position
                    self._news.notify_all()
                if failure is not None or position == "open":
                    self._news.wait_for(lambda: position != self._target, _REPEAT)  # noqa: B023
                    if position == self._target:
                        self._reached = None

    def _try(self, position: Position) -> str | None:
        """Why the order has failed; None if it has not."""
        try:
            self._order(position)
        except subprocess.CalledProcessError as error:
            return f"exit code {error.returncode}"
        except (subprocess.TimeoutExpired, TimeoutError):
            return f"not done within {_TIME:g} seconds"
        except OSError as error:
            return str(getattr(error, "reason", None) or error.strerror or error)
        except http.client.HTTPException as error:  # its text may quote the address or the answer
            return f"the answer is not HTTP ({type(error).__name__})"
        except Exception as error:  # whatever it is: the next order is to be given
            return str(error) or type(error).__name__
        return None


def _report(position: Position, failure: str | None) -> None:
    with contextlib.suppress(OSError):  # nobody reads any more; the door is still to be moved
        sys.stdout.write(f"{json.dumps({'position': position, 'failure': failure})}\n")
        sys.stdout.flush()


def main() -> None:
    """Follow the lines of the standard input to its end, then let the door fail."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # the end is the other process's
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as unbuffered:
        settings: dict[str, Any] = json.loads(unbuffered.readline())  # and nothing behind it
    failed: Position = settings["failed"]
    rule = RelayRule(settings["pulse"], failed)
    command, url = settings["command"], settings["url"]
    actuator = Actuator(by_url(url) if command is None else by_command(command))
    _follow(sys.stdin.fileno(), rule, actuator)
    actuator.move(failed)
    actuator.wait(_LAST)


def _follow(descriptor: int, rule: RelayRule, actuator: Actuator) -> None:
    """Move the door by what is read, until there is no more."""
    selector = selectors.DefaultSelector()
    selector.register(descriptor, selectors.EVENT_READ)
    rest = b""
    while True:
        if selector.select(_LOOK):
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                known = json.loads(line)
                rule.update(known["doors"], known["time"], known["override"])
        actuator.move(rule.position(time.monotonic()))


if __name__ == "__main__":
    main()
