"""Prints to terminals of any encoding; names are never read as markup or control characters."""

import codecs
import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from maskgate.errors import disk_error, escape_control

_WIDE: Final = 10_000  # characters: lines in a pipe or a file are not wrapped
# Replacements for characters that the terminal's encoding lacks; others are written as \uXXXX.
_PLAIN: Final = {
    "–": "-", "—": "-", "−": "-", "×": "x", "·": "-", "…": "...", "→": "->", "≥": ">=", "≤": "<=",
    "±": "+-", "“": '"', "”": '"', "‘": "'", "’": "'", "•": "*", "━": "-", "╸": "-", "╺": "-",
    "─": "-", "│": "|", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "\xa0": " ",
}  # fmt: skip
_stdout: list[os.stat_result] = []  # stdout when the command started


class _Console(Console):
    """Rich's console without markup, so that brackets are printed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(escape_control(text), **options)

    def print(self, *parts: Any, **options: Any) -> None:
        with _writing():
            super().print(*parts, **options)

    def on_broken_pipe(self) -> None:
        raise


def console(stderr: bool = False) -> Console:
    """A console for tables and text, as wide as the terminal; elsewhere lines are not wrapped."""
    terminal_console = _Console(stderr=stderr)
    return (
        terminal_console if terminal_console.is_terminal else _Console(stderr=stderr, width=_WIDE)
    )


def prepare() -> None:
    """Set up stdout and stderr so that all characters can be printed; called once, at the start."""
    _open_streams()
    _stdout[:] = [os.fstat(1)]
    codecs.register_error("maskgate", _substitute)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="maskgate")


def _open_streams() -> None:
    """Reopen closed streams: otherwise output would go to the next file that is opened."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(letter) or _escaped(letter) for letter in missing), error.end


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not a character
        return f"\\x{code - 0xDC00:02x}"
    return ascii(letter)[1:-1]


def show(result: object) -> None:
    """Print a line of the result on stdout. Raises MaskgateError if that fails."""
    write(f"{escape_control(str(result))}\n")


def write(text: str) -> None:
    """Write `text` unchanged to stdout. Raises MaskgateError if that fails."""
    with _writing():
        sys.stdout.write(text)
        sys.stdout.flush()


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise disk_error(error, "standard output") from error


def is_read() -> bool:
    """Whether the output still has a reader: not if its pipe has been closed."""
    if not hasattr(select, "poll"):
        return False  # unknown on Windows
    if not os.path.samestat(os.fstat(1), _stdout[0]):
        return False  # Rich replaces a closed pipe by /dev/null
    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)
    return not any(event & select.POLLERR for _, event in poll.poll(0))


def flush() -> None:
    """Flush stdout. Raises MaskgateError if that fails, and BrokenPipeError."""
    with _writing():
        sys.stdout.flush()


def discard() -> None:
    """Drop output that cannot be written, so that Python does not report it when it exits."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
