"""Errors that a user can fix: one sentence, exit code 2."""

import errno
import os
import re
from typing import Final

LONGEST: Final = 1000  # characters of a message
_TAIL: Final = 300  # of these, kept for the remedy at the end
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class MaskgateError(Exception):
    """An error that the user can fix. The message is one line: where, what and the remedy.

    It is safe to print. If it is longer than `LONGEST` characters, its middle is left out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten_middle(escape_control(" ".join(printable(message).split()))))


class DiskError(MaskgateError):
    """A file or folder that the system does not let us read or write; not an error of a recipe."""


class DiskFullError(DiskError):
    """No space is left on the disk."""


def printable(text: str) -> str:
    """`text` with each byte of a file name that is not UTF-8 as `\\xb1`, so that it can be
    written."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that are not bytes of a file name
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def escape_control(text: str) -> str:
    """`text` with control characters of terminals escaped, except tabs and line ends.

    File names and cells of tables may contain them.
    """
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def truncate(text: str, longest: int) -> str:
    """The first `longest` characters of `text`, with an ellipsis if there are more."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def shorten_middle(text: str, longest: int = LONGEST, end: int = _TAIL) -> str:
    """`text` with at most `longest` characters: its start, and its last `end` characters."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - end - 3]} … {text[-end:]}"


def is_disk_full(error: OSError) -> bool:
    """Whether the error says that the disk, or the user's quota, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def disk_error(error: OSError, where: object) -> DiskError:
    """The error for a file or folder that cannot be read or written; DiskFullError if the disk is
    full."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if is_disk_full(error):
        return DiskFullError(f"{where}: {reason}; free some space and repeat the command")
    return DiskError(
        f"{where}: {reason}; check that it can be read and written and repeat the command"
    )


def listed(items: list[str], limit: int = 5) -> str:
    """`items` as one phrase, the first `limit` of them: `a, b and 7 more`."""
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"
