"""Targets of class losses where a label is partial: several classes agree with what is known.

A target (N, C) is true for every class that agrees with what is known of a photo, or holds
probabilities as float (`images.target.Target`). It serves the 18 classes and one attribute alike.
"""

import torch
from torch import Tensor


def log_likelihood(log_p: Tensor, target: Tensor) -> Tensor:
    """Log of the summed probability (N,) of all classes that agree with what is known.

    `log_p` (N, C) are log-probabilities. Of a target of probabilities: the mean log-probability
    by it.
    """
    if target.is_floating_point():
        return (target * log_p).sum(1)
    log_sum = log_p.masked_fill(~target, float("-inf")).logsumexp(1)
    # All classes add up to 1 but for rounding, of which no gradient may be made.
    return log_sum.masked_fill(target.all(1), 0.0)


def posterior(log_p: Tensor, target: Tensor) -> Tensor:
    """Probabilities (N, C) of the classes, given what is known: one-hot for a full label.

    Where several classes agree, the model's own belief in each, which no gradient passes:
    −`log_likelihood` has the gradient of the cross-entropy against these.
    """
    if target.is_floating_point():
        return target
    return log_p.detach().masked_fill(~target, float("-inf")).softmax(1)


def known_mask(target: Tensor) -> Tensor:
    """(N,) 1 where anything is known of a photo, else 0."""
    if target.is_floating_point():
        return torch.ones(len(target), device=target.device)
    return (~target.all(1)).float()


def known_class(target: Tensor) -> Tensor:
    """The class (N,) of each photo, -1 where several agree; the likeliest of probabilities."""
    if target.is_floating_point():
        return target.argmax(1)
    return torch.where(target.sum(1) == 1, target.int().argmax(1), -1)
