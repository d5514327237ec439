"""One attribute of the 18 classes: its log-probabilities and its target."""

from typing import Final

from torch import Tensor

from maskgate import labels

CLASSES: Final = "classes"
"""Instead of an attribute's name: all 18 classes."""


def marginal(log_p: Tensor, attribute: str) -> Tensor:
    """Log-probabilities (N, K) of an attribute's values from those of the classes (N, 18)."""
    return _by_value(log_p, attribute).logsumexp(2)


def marginal_target(classes: Tensor, attribute: str) -> Tensor:
    """(N, K), true for every value of the attribute that agrees with the target `classes` (N, 18);
    probabilities if `classes` has probabilities."""
    values = _by_value(classes, attribute)
    return values.sum(2) if values.is_floating_point() else values.any(2)


def _by_value(classes: Tensor, attribute: str) -> Tensor:
    """What is known of the 18 classes (N, 18), by the attribute's values (N, K, 18 / K)."""
    axis = list(labels.ATTRIBUTES).index(attribute)
    return classes.reshape(-1, *labels.SIZES).movedim(axis + 1, 1).flatten(2)
