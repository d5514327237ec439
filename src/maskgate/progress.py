"""Progress on anything longer than two seconds: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Generator, Iterable
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from maskgate import terminal
from maskgate.errors import harmless

T = TypeVar("T")

_EVERY = 10.0  # seconds between plain lines


def say(message: str) -> None:
    """One line to the user, on stderr: stdout is for results."""
    print(harmless(message), file=sys.stderr, flush=True)


def track(items: Iterable[T], what: str, total: int, start: int = 0) -> Generator[T, None, None]:
    """`items` as they come, showing how many of `total` are done; `start` are done already."""
    console = terminal.console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(harmless(what), total=total, completed=start)
            for item in items:
                yield item
                progress.advance(task)
        return
    told = time.monotonic()
    for done, item in enumerate(items, start + 1):
        yield item
        if done < total and time.monotonic() - told > _EVERY:
            told = time.monotonic()
            say(f"{what}: {done} of {total}")
