"""One file that holds all a fold's training needs to go on where it was killed.

A dict of tensors and primitives, loaded with ``weights_only``. Random numbers need no
state here: every one derives from the recipe's seed and its place (fold, epoch, update or
draw), so the position stands for the generators.
"""

import io
from pathlib import Path
from typing import Any, Final

import torch

from maskgate import files
from maskgate.errors import MaskgateError

FORMAT: Final = 2


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint; a kill at any moment leaves the old one or the new one."""
    # By way of the memory: writing to a file itself, torch does not tell of a full disk, and aborts
    # the process when it is interrupted.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    files.replace(path, lambda beside: beside.write_bytes(buffer.getbuffer()))


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint's state on the CPU, None where there is none. Raises MaskgateError."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise MaskgateError(
            f"{path}: the checkpoint cannot be read ({type(error).__name__}); remove it to start"
            " the fold anew"
        ) from error
    if state.pop("format", None) != FORMAT:
        raise MaskgateError(f"{path}: written by another version; remove it to start the fold anew")
    return state
