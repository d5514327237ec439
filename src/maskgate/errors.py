"""What the user did, or has, that we cannot go on with: one sentence, exit code 2."""

import errno
import os


class MaskgateError(Exception):
    """A fault the user can mend. The message is one line: what, where and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(printable(message).split()))


def printable(text: str) -> str:
    """`text` with each byte of a file name that is not UTF-8 as `\\xb1`: it can be written."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte of a file name
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def of_disk(error: OSError, where: object) -> MaskgateError:
    """The fault of a file or folder that cannot be read or written."""
    why = os.strerror(error.errno) if error.errno else str(error)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "free some space" if full else "see that it can be read and written"
    return MaskgateError(f"{where}: {why}; {remedy} and repeat the command")


def listed(items: list[str], limit: int = 5) -> str:
    """`items` as one phrase, cut after `limit` of them: `a, b and 7 more`."""
    if len(items) <= limit:
        return ", ".join(items)
    return f"{', '.join(items[:limit])} and {len(items) - limit} more"
