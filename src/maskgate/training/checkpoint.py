"""One file that holds all a fold's training needs to go on where it was killed.

A dict of tensors and primitives, loaded with ``weights_only``. Random numbers need no
state here: every one derives from the recipe's seed and its place (fold, epoch, update or
draw), so the position stands for the generators.
"""

import io
import zipfile
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
        with zipfile.ZipFile(path) as archive:  # torch itself does not look at the checksums
            if (odd := archive.testzip()) is not None:
                raise damaged(path, f"{odd} has changed")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        version = state.pop("format", None)
    except MaskgateError:
        raise
    except Exception as error:
        raise damaged(path, type(error).__name__) from error
    if version != FORMAT:
        raise MaskgateError(f"{path}: written by another version; remove it to start the fold anew")
    return state


def damaged(path: Path, why: str) -> MaskgateError:
    """The fault of a checkpoint that does not hold a fold's training."""
    return MaskgateError(
        f"{path}: the checkpoint cannot be read ({why}); remove it to start the fold anew"
    )
