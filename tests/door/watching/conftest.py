"""What watches cameras."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from maskgate.door.events import Event

CALM = {"MASKGATE_YUNET": "", "OMP_NUM_THREADS": "1"}


class Kept:
    """A sink that keeps the events."""

    name = "kept"

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ticks: list[float] = []

    def send(self, event: Event) -> None:
        self.events.append(event)

    def tick(self, now: float) -> None:
        self.ticks.append(now)

    def close(self, seconds: float) -> None: ...


Lines = list[dict[str, Any]]
Watch = Callable[..., Lines]


@pytest.fixture
def run_watch(tmp_path: Path) -> Watch:
    """`run_watch("--camera", film, …)` runs the command to its end: the events, as JSON."""

    def run(*words: object, code: int = 0) -> Lines:
        command = [sys.executable, "-m", "maskgate", "watch", *map(str, words)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | CALM,
            timeout=300,
        )
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


class Live:
    """A running `maskgate watch`. `lines` are its events so far, and `errors` what it says."""

    def __init__(self, folder: Path, *words: object, env: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "maskgate", "watch", *map(str, words)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=os.environ | CALM | (env or {}),
        )
        self.lines: Lines = []
        self.errors: list[str] = []
        self._threads = [
            threading.Thread(target=read) for read in (self._read_events, self._read_errors)
        ]
        for thread in self._threads:
            thread.start()

    def _read_events(self) -> None:
        for line in self.process.stdout:
            self.lines.append(json.loads(line) | {"arrived": time.monotonic()})

    def _read_errors(self) -> None:
        self.errors += self.process.stderr or []

    def wait(self, seconds: float = 30, after: int = 0, **keys: object) -> dict[str, Any]:
        """The first event with these values, not counting those before number `after`."""
        end = time.monotonic() + seconds
        while True:
            for line in self.lines[after:]:
                if keys.items() <= line.items():
                    return line
            assert time.monotonic() < end and self.process.poll() is None, (
                keys, self.lines[-5:], self.errors,
            )  # fmt: skip
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal, and read the rest."""
        self.process.send_signal(number)
        self.join(30)

    def join(self, seconds: float) -> None:
        """Wait for its end, at most so long, and read the rest."""
        code = self.process.wait(seconds)
        for thread in self._threads:
            thread.join(10)
        assert code == 0, self.errors

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(10)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Callable[..., Live]]:
    """`live("--camera", url, …)` starts the command, which ends with the test."""
    with ExitStack() as stack:

        def start(*words: object, **options: Any) -> Live:
            running = Live(tmp_path, *words, **options)
            stack.callback(running.kill)
            return running

        yield start
