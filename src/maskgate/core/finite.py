"""Raises errors for probabilities and weights that are not finite (NaN or infinity)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from maskgate.errors import MaskgateError

LOWER_LR: Final = "lower optimizer.lr, or set training.clip_norm"
TRAIN_AGAIN: Final = (
    "its training diverged or its weights are damaged; train it again, with a lower optimizer.lr"
    " or with training.clip_norm"
)


def check(probabilities: npt.NDArray[np.floating], subject: str, remedy: str = TRAIN_AGAIN) -> None:
    """Raise MaskgateError if any of the probabilities (N, …) is not finite."""
    is_finite = np.isfinite(probabilities)
    if not is_finite.all():
        photos = is_finite.all(axis=tuple(range(1, probabilities.ndim)))
        raise MaskgateError(
            f"{subject}: the probabilities of {int((~photos).sum()):,} of {len(photos):,}"
            f" photos are not finite numbers: {remedy}"
        )


def non_finite(state: Mapping[str, Any]) -> set[str]:
    """The names of the tensors in a state dict that have a non-finite number."""
    return {
        name
        for name, tensor in state.items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    }


def check_weights(
    state: Mapping[str, Any], known: set[str], subject: str, remedy: str = TRAIN_AGAIN
) -> None:
    """Raise MaskgateError if weights are not finite; `known` are tensors that never are, such as
    the mask of an attention."""
    if bad_tensors := non_finite(state) - known:
        raise MaskgateError(
            f"{subject}: {len(bad_tensors):,} of {len(state):,} tensors of the weights have numbers"
            f" that are not finite (first {min(bad_tensors)}): {remedy}"
        )
