"""Shows progress: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from maskgate.core import terminal
from maskgate.errors import escape_control

T = TypeVar("T")

_EVERY = 10.0  # seconds between plain lines


def say(message: str) -> None:
    """Print one line for the user on stderr; stdout is for results."""
    print(escape_control(message), file=sys.stderr, flush=True)


def log(message: str) -> None:
    """As `say`, but with date and time where stderr is no terminal: in a log they are missed."""
    stamp = "" if sys.stderr.isatty() else time.strftime("%Y-%m-%d %H:%M:%S ")
    say(f"{stamp}{message}")


class Bar:
    """Shows how many of `total` are done, as a bar on a terminal, else as lines; starts at `done`.

    `remaining` says how much is left of a whole that this is a part of; without it, the bar shows
    its own time left. It disappears when all are done, or by `close`.
    """

    def __init__(
        self, what: str, total: int, done: int = 0, remaining: Callable[[], str] | None = None
    ) -> None:
        self._what, self._total, self._done = what, total, done
        self._remaining = remaining
        self._last_line = time.monotonic()
        self._bar: Progress | None = None
        console = terminal.console(stderr=True)
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn()
                if remaining is None
                else TextColumn("{task.fields[remaining]}", markup=False),
            )
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task(
                escape_control(what), total=total, completed=done, remaining=self._rest()
            )
            self._bar.start()

    def advance(self, count: int = 1) -> None:
        """So many more are done, at most all."""
        count = min(count, self._total - self._done)
        self._done += count
        if self._bar is not None:
            self._bar.update(self._task, advance=count, remaining=self._rest())
        elif self._done < self._total and time.monotonic() - self._last_line > _EVERY:
            self._last_line = time.monotonic()
            rest = self._rest()
            log(f"{self._what}: {self._done:,} of {self._total:,}{rest and f'; {rest}'}")
        if self._done >= self._total:
            self.close()

    def _rest(self) -> str:
        return "" if self._remaining is None else self._remaining()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()


def track(
    items: Iterable[T], what: str, total: int, start: int = 0, size: int = 1
) -> Generator[T, None, None]:
    """Yield `items` and show how many of `total` are done; `start` are done already.

    Each item counts for `size`, as a batch does for its photos; the last one for those left.
    """
    bar = Bar(what, total, start)
    try:
        for item in items:
            yield item
            bar.advance(size)
    finally:
        bar.close()
