"""What the user did, or has, that we cannot go on with: one sentence, exit code 2."""

import errno
import os
import re
from typing import Final

LONGEST: Final = 1000  # characters of a message
_END: Final = 300  # of these, kept for the remedy, which stands last
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class MaskgateError(Exception):
    """A fault the user can mend. The message is one line: what, where and the remedy.

    It is safe to print and at most `LONGEST` characters long: its middle is left out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten_middle(escape_control(" ".join(printable(message).split()))))


class DiskError(MaskgateError):
    """A file or folder that the system does not let us read or write: no fault of a recipe's."""


class DiskFullError(DiskError):
    """No space is left to write to."""


def printable(text: str) -> str:
    """`text` with each byte of a file name that is not UTF-8 as `\\xb1`: it can be written."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte of a file name
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def escape_control(text: str) -> str:
    """`text` with the characters that control a terminal written out, all but tabs and line ends.

    File names and cells of tables may hold them.
    """
    return _CONTROL.sub(lambda control: ascii(control[0])[1:-1], text)


def truncate(text: str, longest: int) -> str:
    """The first `longest` characters of `text`, with an ellipsis where there are more."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def shorten_middle(text: str, longest: int = LONGEST, end: int = _END) -> str:
    """`text` of at most `longest` characters, the last `end` of them its own last ones."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - end - 3]} … {text[-end:]}"


def is_disk_full(error: OSError) -> bool:
    """Whether the error says that the disk, or the user's share of it, has no space left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def disk_error(error: OSError, where: object) -> DiskError:
    """The fault of a file or folder that cannot be read or written; DiskFullError for want of
    space."""
    why = os.strerror(error.errno) if error.errno else str(error)
    if is_disk_full(error):
        return DiskFullError(f"{where}: {why}; free some space and repeat the command")
    return DiskError(f"{where}: {why}; see that it can be read and written and repeat the command")


def listed(items: list[str], limit: int = 5) -> str:
    """`items` as one phrase, cut after `limit` of them: `a, b and 7 more`."""
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"
