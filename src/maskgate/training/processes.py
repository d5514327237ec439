"""Several processes of one run: start, stop, and work in the main process, on top of Accelerate."""

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
    """The accelerator of this process, in the group that `torchrun` started, if any.

    Raises MaskgateError if the device does not support the precision.
    """
    _keep_memory()
    # Same recipe, seed and machine: same results.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # It would also fill all new memory, to make faults of kernels seen: a tenth of a step's time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        return new_accelerator(precision)
    except ValueError as error:
        raise MaskgateError(f"training.precision={precision}: {error}") from error


def new_accelerator(precision: str) -> Accelerator:
    """A new accelerator, in processes that have been started; every fold has one of its own.

    An accelerator keeps the networks and optimisers that it has prepared, and the loss scaling of
    fp16, which depends on the training so far.
    """
    mixed = "no" if precision == "fp32" else precision
    return Accelerator(mixed_precision=mixed, cpu=not torch.cuda.is_available())


def _keep_memory() -> None:
    """Keep memory that one step frees for the next.

    Otherwise glibc returns large blocks to the kernel, which clears all their pages each time.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc's
        for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1)):
            libc.mallopt(parameter, value)


def stop(accelerator: Accelerator) -> None:
    """Close the process group, so that exit does not abort and another run can start."""
    accelerator.end_training()
    AcceleratorState._reset_state(reset_partial_state=True)


@contextmanager
def group() -> Iterator[PartialState]:
    """The processes that `torchrun` started, in one process group for several trainings.

    A group that is closed and opened again may get the addresses of the previous one.
    """
    state = PartialState(cpu=not torch.cuda.is_available())
    try:
        yield state
    finally:
        state.destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=True)


@contextmanager
def started(precision: str) -> Iterator[Accelerator]:
    """The accelerator of this process for one training; an enclosing `group` stays open."""
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
    """Run `work` in the main process; its result or MaskgateError is given to every process."""
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
    """Run `work` in the main process; returns its result there, None in the other processes.

    For results too large to send. Its MaskgateError is raised in every process.
    """
    results: list[T] = []
    on_main(accelerator, lambda: results.append(work()))
    return results[0] if results else None
