"""Numbers that are none (NaN, infinity): a fault wherever they arise, never a prediction."""

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


def check(probabilities: npt.NDArray[np.floating], whose: str, remedy: str = TRAIN_AGAIN) -> None:
    """Raise MaskgateError where any of the probabilities (N, …) is not finite."""
    good = np.isfinite(probabilities).all(axis=tuple(range(1, probabilities.ndim)))
    if not good.all():
        raise MaskgateError(
            f"{whose}: the probabilities of {int((~good).sum()):,} of {len(good):,} photos are not"
            f" finite numbers: {remedy}"
        )


def non_finite(state: Mapping[str, Any]) -> set[str]:
    """The names of the tensors of a state dict that hold a number that is not finite."""
    return {
        name
        for name, tensor in state.items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    }


def check_weights(
    state: Mapping[str, Any], known: set[str], whose: str, remedy: str = TRAIN_AGAIN
) -> None:
    """Raise MaskgateError where weights are not finite; `known` are tensors that never were, such
    as the mask of an attention."""
    if odd := non_finite(state) - known:
        raise MaskgateError(
            f"{whose}: {len(odd):,} of {len(state):,} tensors of the weights hold numbers that are"
            f" not finite (first {min(odd)}): {remedy}"
        )
