"""One file that holds all a fold's training needs to go on where it was killed.

A dict of tensors and primitives, loaded with ``weights_only``. Random numbers need no
state here: every one derives from the recipe's seed and its place (fold, epoch, update or
draw), so the position stands for the generators.
"""

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from maskgate.core import files
from maskgate.errors import MaskgateError

FORMAT: Final = 2
_LONGEST_WAIT: Final = 1000  # updates


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


class Timer:
    """Says after which updates a checkpoint is due: about every `seconds`, in all processes alike.

    The main process's clock counts. Several processes exchange what it says only after as many
    updates as fill half of the time that is left, by their pace so far.
    """

    def __init__(
        self,
        seconds: float,
        accelerator: Accelerator,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._accelerator, self._clock = seconds, accelerator, clock
        self.restart()

    def restart(self) -> None:
        """A checkpoint has been written, or an epoch begins."""
        self._since, self._updates, self._next_look = self._clock(), 0, 1

    def is_due(self) -> bool:
        """Whether a checkpoint is due after one more update."""
        self._updates += 1
        if self._updates < self._next_look:
            return False
        wait = self._wait()
        if self._accelerator.num_processes > 1:
            of_main = torch.tensor(wait, device=self._accelerator.device)
            wait = int(broadcast(of_main).item())
        self._next_look += wait
        return wait == 0

    def _wait(self) -> int:
        """Updates until the next look at the clock, by this process's: 0 where it is time."""
        elapsed = self._clock() - self._since
        left = self._seconds - elapsed
        if left < 0:
            return 0
        if self._accelerator.num_processes == 1:
            return 1
        pace = max(elapsed / self._updates, 1e-6)
        return max(1, int(min(left / pace / 2, _LONGEST_WAIT)))


def damaged(path: Path, why: str) -> MaskgateError:
    """The fault of a checkpoint that does not hold a fold's training."""
    return MaskgateError(
        f"{path}: the checkpoint cannot be read ({why}); remove it to start the fold anew"
    )
