"""Secrets in files of the operator's."""

import os
import stat
from pathlib import Path
from typing import Final

from maskgate.core import files
from maskgate.errors import MaskgateError

_LONGEST: Final = 1000  # characters


def read(file: Path, option: str, shortest: int = 1, *, is_made_up: bool = False) -> str:
    """The secret in a file: one line of at least `shortest` characters. `is_made_up` says that it
    is the operator's own choice, so that a new one is as good. Raises MaskgateError, also if
    everybody on this machine may read the file."""
    text = files.content(file, f"a file with the secret to {option}", _LONGEST + 2)
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o007:
        raise MaskgateError(f"{file}: everybody may read this secret; run chmod 600 on it")
    secret = text.decode("utf-8", "replace").strip()
    if not shortest <= len(secret) <= _LONGEST or not secret.isprintable():
        length = f"{shortest} to {_LONGEST} characters"
        raise MaskgateError(
            f"{file}: not a secret of {length} on one line; make one with openssl rand -hex 32"
            if is_made_up
            else f"{file}: for {option} it needs one line of {length}; correct it"
        )
    return secret
