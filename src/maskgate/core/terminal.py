"""What is printed, on terminals of any encoding: no name in it is taken for markup or control."""

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

_WIDE: Final = 10_000  # characters: into a pipe or a file every line is written whole
# What stands for a character that the terminal's encoding lacks; all others are written as \uXXXX.
_PLAIN: Final = {
    "–": "-", "—": "-", "−": "-", "×": "x", "·": "-", "…": "...", "→": "->", "≥": ">=", "≤": "<=",
    "±": "+-", "“": '"', "”": '"', "‘": "'", "’": "'", "•": "*", "━": "-", "╸": "-", "╺": "-",
    "─": "-", "│": "|", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "\xa0": " ",
}  # fmt: skip
_stdout: list[os.stat_result] = []  # as the command line has begun with it


class _Console(Console):
    """Rich's console, to which brackets are brackets."""

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
    """Prints tables and text, as wide as the terminal; lines are whole where it is none."""
    found = _Console(stderr=stderr)
    return found if found.is_terminal else _Console(stderr=stderr, width=_WIDE)


def prepare() -> None:
    """Let whatever is printed be printed: called once, before anything is."""
    _open_streams()
    _stdout[:] = [os.fstat(1)]
    codecs.register_error("maskgate", _substitute)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="maskgate")


def _open_streams() -> None:
    """Where a stream is closed, the next file opened would take its place, and be printed into."""
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
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(letter) or _escaped(letter) for letter in lacking), error.end


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no character
        return f"\\x{code - 0xDC00:02x}"
    return ascii(letter)[1:-1]


def show(result: object) -> None:
    """A line of the result, on stdout. Raises MaskgateError where it cannot be written."""
    write(f"{escape_control(str(result))}\n")


def write(text: str) -> None:
    """Data as they are, on stdout. Raises MaskgateError where they cannot be written."""
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
    """Whether somebody still reads what is printed: not where a pipe has been closed."""
    if not hasattr(select, "poll"):
        return False  # Windows cannot say
    if not os.path.samestat(os.fstat(1), _stdout[0]):
        return False  # Rich puts /dev/null in the place of a closed pipe
    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)
    return not any(event & select.POLLERR for _, event in poll.poll(0))


def flush() -> None:
    """Write out what is printed. Raises MaskgateError where it cannot be, and BrokenPipeError."""
    with _writing():
        sys.stdout.flush()


def discard() -> None:
    """Drop what cannot be written, so that Python does not tell of it at its end."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
