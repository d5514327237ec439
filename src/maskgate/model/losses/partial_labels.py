"""Targets of class losses with partial labels: several classes agree with the known labels.

A target (N, C) is true for every class that agrees with a photo's known labels, or has
probabilities as float (`pipeline.target.Target`). All functions work for the 18 classes and for one
attribute.
"""

import torch
from torch import Tensor


def log_likelihood(log_p: Tensor, target: Tensor) -> Tensor:
    """Log of the summed probability (N,) of all classes that agree with the known labels.

    `log_p` (N, C) are log-probabilities. If the target is probabilities: the mean log-probability,
    weighted by them.
    """
    if target.is_floating_point():
        return (target * log_p).sum(1)
    log_sum = log_p.masked_fill(~target, float("-inf")).logsumexp(1)
    # All classes sum to 1 except for rounding, which must not have a gradient.
    return log_sum.masked_fill(target.all(1), 0.0)


def posterior(log_p: Tensor, target: Tensor) -> Tensor:
    """Probabilities (N, C) of the classes, given the known labels: one-hot for a full label.

    If several classes agree, the model's own probabilities of them, without gradient:
    −`log_likelihood` has the same gradient as the cross-entropy against these.
    """
    if target.is_floating_point():
        return target
    return log_p.detach().masked_fill(~target, float("-inf")).softmax(1)


def known_mask(target: Tensor) -> Tensor:
    """(N,) 1 for photos with any known label, 0 for others."""
    if target.is_floating_point():
        return torch.ones(len(target), device=target.device)
    return (~target.all(1)).float()


def known_class(target: Tensor) -> Tensor:
    """The class (N,) of each photo, -1 if several agree; of probabilities, the most likely."""
    if target.is_floating_point():
        return target.argmax(1)
    return torch.where(target.sum(1) == 1, target.int().argmax(1), -1)
