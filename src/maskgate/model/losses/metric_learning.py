"""Pairs of photos of the same or different classes, for losses on distances between features."""

import torch
from torch import Tensor
from torch.nn import functional

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.model.heads import Output
from maskgate.model.losses.marginals import CLASSES, marginal_target
from maskgate.model.losses.partial_labels import known_class
from maskgate.pipeline.target import Target


def check_of(loss: str, of: str) -> None:
    """Raise MaskgateError if `of` is neither `classes` nor an attribute; `loss` is a name."""
    if of != CLASSES and of not in labels.ATTRIBUTES:
        known = ", ".join([CLASSES, *labels.ATTRIBUTES])
        raise MaskgateError(f"loss {loss}: of is one of {known}, not {of}")


def feature_pairs(output: Output, target: Target, of: str) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised features (M, F) of the M photos whose class is known, and two masks of pairs.

    The masks (M, M) are the positives, of the same class (no photo with itself), and the negatives,
    of different classes. A class is one of the 18 if `of` is `classes`, otherwise a value of the
    attribute `of`.
    """
    target_of = target.classes if of == CLASSES else marginal_target(target.classes, of)
    code = known_class(target_of)
    features = functional.normalize(output.loss_inputs["features"].float()[code >= 0])
    code = code[code >= 0]
    same = code[:, None] == code[None, :]
    return features, same & ~torch.eye(len(code), dtype=torch.bool, device=code.device), ~same
