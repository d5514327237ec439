"""The name under which somebody's decisions and notes are kept."""

import getpass

from maskgate.errors import MaskgateError


def name(author: str | None = None) -> str:
    """The name of the author on one line, by default that of the user. Raises MaskgateError where
    there is none."""
    if author is None:
        try:
            author = getpass.getuser()
        except (OSError, KeyError, ImportError) as error:  # no such user, as in many containers
            raise MaskgateError(
                "this user has no name; give one with --author (in Python author=…)"
            ) from error
    author = " ".join(author.split())
    if not author:
        raise MaskgateError("--author: is empty; give a name")
    return author
