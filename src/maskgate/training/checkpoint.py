"""The checkpoint: one file from which a fold's training resumes.

A dict of tensors and primitives, loaded with ``weights_only``. Random generators have no state in
it: every random number derives from the recipe's seed and its place (fold, epoch, update or draw).
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
    """Replace the checkpoint; if killed, the old or the new one is left complete."""
    # Through a buffer: when torch writes to a file itself, it does not report a full disk, and
    # aborts the process when interrupted.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    files.replace(path, lambda part: part.write_bytes(buffer.getbuffer()))


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint's state on the CPU, None if there is none. Raises MaskgateError."""
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch itself does not verify the checksums
            if (bad_entry := archive.testzip()) is not None:
                raise damaged(path, f"{bad_entry} has changed")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        version = state.pop("format", None)
    except MaskgateError:
        raise
    except Exception as error:
        raise damaged(path, type(error).__name__) from error
    if version != FORMAT:
        raise MaskgateError(f"{path}: written by another version; remove it to restart the fold")
    return state


def position(path: Path) -> dict[str, Any] | None:
    """Where the fold is that a checkpoint is of: `epoch`, `history` and the rest of `State`. Its
    weights are not read. None if there is none, or if it cannot be read."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return dict(state["position"])
    except Exception:  # damaged content raises errors of any class; training reports it
        return None


class Timer:
    """Decides after which updates to write a checkpoint: about every `seconds`.

    All processes decide the same, by the main process's clock. It is broadcast only after as many
    updates as take half of the remaining time, at the pace so far.
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
        """Call when a checkpoint has been written, or an epoch begins."""
        self._since, self._updates, self._next_look = self._clock(), 0, 1

    def is_due(self) -> bool:
        """Call after each update: whether a checkpoint is due."""
        self._updates += 1
        if self._updates < self._next_look:
            return False
        wait = self._wait()
        if self._accelerator.num_processes > 1:
            wait_of_main = torch.tensor(wait, device=self._accelerator.device)
            wait = int(broadcast(wait_of_main).item())
        self._next_look += wait
        return wait == 0

    def _wait(self) -> int:
        """Updates until the clock is read next, by this process's clock; 0 if one is due."""
        elapsed = self._clock() - self._since
        left = self._seconds - elapsed
        if left < 0:
            return 0
        if self._accelerator.num_processes == 1:
            return 1
        pace = max(elapsed / self._updates, 1e-6)
        return max(1, int(min(left / pace / 2, _LONGEST_WAIT)))


def damaged(path: Path, reason: str) -> MaskgateError:
    """The error for a checkpoint that cannot be used."""
    return MaskgateError(
        f"{path}: the checkpoint cannot be read ({reason}); remove it to restart the fold"
    )
