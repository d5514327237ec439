"""What several processes of one run need of each other, on top of Accelerate."""

import os
from collections.abc import Callable
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

from maskgate.errors import MaskgateError

T = TypeVar("T")


def start(precision: str) -> Accelerator:
    """The accelerator of this process; `torchrun` tells of the others.

    Raises MaskgateError where the device lacks the precision.
    """
    # Same recipe, same seed, same machine: same numbers.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        return Accelerator(mixed_precision=precision, cpu=not torch.cuda.is_available())
    except ValueError as error:
        raise MaskgateError(f"training.precision={precision}: {error}") from error


def stop(accelerator: Accelerator) -> None:
    """Close the process group, else an exit may abort, and let another run start anew."""
    accelerator.end_training()
    AcceleratorState._reset_state(reset_partial_state=True)


def on_main(accelerator: Accelerator, work: Callable[[], T]) -> T:
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
