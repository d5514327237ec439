"""What several processes of one run need of each other, on top of Accelerate."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

from maskgate.errors import MaskgateError

T = TypeVar("T")

_TRIM_THRESHOLD: Final = -1  # of glibc's <malloc.h>
_MMAP_MAX: Final = -4


def start(precision: str) -> Accelerator:
    """The accelerator of this process; `torchrun` tells of the others.

    Raises MaskgateError where the device lacks the precision.
    """
    _keep_memory()
    # Same recipe, same seed, same machine: same numbers.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        mixed = "no" if precision == "fp32" else precision
        return Accelerator(mixed_precision=mixed, cpu=not torch.cuda.is_available())
    except ValueError as error:
        raise MaskgateError(f"training.precision={precision}: {error}") from error


def _keep_memory() -> None:
    """Let memory that one step frees stay for the next.

    glibc would give large blocks back to the kernel, which clears every page of them anew.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc's
        for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1)):
            libc.mallopt(parameter, value)


def stop(accelerator: Accelerator) -> None:
    """Close the process group, else an exit may abort, and let another run start anew."""
    accelerator.end_training()
    AcceleratorState._reset_state(reset_partial_state=True)


@contextmanager
def group() -> Iterator[PartialState]:
    """The processes that `torchrun` started, in one process group for several trainings.

    A group that is closed and opened anew may find the addresses of the one before.
    """
    state = PartialState(cpu=not torch.cuda.is_available())
    try:
        yield state
    finally:
        state.destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=True)


@contextmanager
def started(precision: str) -> Iterator[Accelerator]:
    """The accelerator of this process for one training; a `group` it is part of stays open."""
    joined = bool(PartialState._shared_state)
    accelerator = start(precision)
    try:
        yield accelerator
    finally:
        if joined:
            AcceleratorState._reset_state()
        else:
            stop(accelerator)


def on_main(accelerator: Accelerator | PartialState, work: Callable[[], T]) -> T:
    """What `work` returns in the main process, in every process; so too its MaskgateError."""
    if accelerator.num_processes == 1:
        return work()
    answer: list[T | str | None] = [None, None]
    if accelerator.is_main_process:
        try:
            answer[0] = work()
        except MaskgateError as error:
            answer[1] = str(error)
    broadcast_object_list(answer)
    if answer[1] is not None:
        raise MaskgateError(str(answer[1]))
    return answer[0]  # type: ignore[return-value]


def only_on_main(accelerator: Accelerator | PartialState, work: Callable[[], T]) -> T | None:
    """What `work` returns in the main process, None in the others: for what is too large to send.

    Its MaskgateError is raised in every process.
    """
    results: list[T] = []
    on_main(accelerator, lambda: results.append(work()))
    return results[0] if results else None
