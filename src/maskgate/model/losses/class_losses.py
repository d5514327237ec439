"""Losses over classes: log-probabilities (N, C) and a target (N, C) to a scalar.

A target is true for every class that agrees with what is known of a photo, or holds
probabilities (`images.target.Target`). A photo of which nothing is known adds nothing. All are
means over the batch, and serve the 18 classes and one attribute alike.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from maskgate.errors import MaskgateError

Counts = npt.NDArray[np.int64]  # training photos of each class (C,)


def agreeing(log_p: Tensor, target: Tensor) -> Tensor:
    """Log of the summed probability (N,) of all classes that agree with what is known.

    Of a target of probabilities: the mean log-probability by it.
    """
    if target.is_floating_point():
        return (target * log_p).sum(1)
    found = log_p.masked_fill(~target, float("-inf")).logsumexp(1)
    # All classes add up to 1 but for rounding, of which no gradient may be made.
    return found.masked_fill(target.all(1), 0.0)


def expected(log_p: Tensor, target: Tensor) -> Tensor:
    """Probabilities (N, C) of the classes, given what is known: one-hot for a full label.

    Where several classes agree, the model's own belief in each, which no gradient passes:
    −`agreeing` has the gradient of the cross-entropy against these.
    """
    if target.is_floating_point():
        return target
    return log_p.detach().masked_fill(~target, float("-inf")).softmax(1)


def informed(target: Tensor) -> Tensor:
    """(N,) 1 where anything is known of a photo, else 0."""
    if target.is_floating_point():
        return torch.ones(len(target), device=target.device)
    return (~target.all(1)).float()


def known_class(target: Tensor) -> Tensor:
    """The class (N,) of each photo, -1 where several agree; the likeliest of probabilities."""
    if target.is_floating_point():
        return target.argmax(1)
    return torch.where(target.sum(1) == 1, target.int().argmax(1), -1)


class Weights(nn.Module):
    """Weights (N,) of photos by their classes' rarity; their mean over the training photos is 1.

    `inverse` is 1/n of the n photos of a class, `effective` (1−β)/(1−βⁿ) (Cui et al. 2019), None
    the same for all. Where several classes agree, the mean of theirs over the training photos.
    All are the same where no training photo has its class known.
    """

    def __init__(self, counts: Counts, how: str | None, beta: float = 0.999) -> None:
        super().__init__()
        n = counts.astype(np.float64)
        if how is None:
            weights = np.ones_like(n)
        elif how == "inverse":
            weights = 1 / n.clip(min=1)
        elif how == "effective":
            if not 0 < beta < 1:
                raise MaskgateError(f"class weights: beta lies between 0 and 1, not at {beta}")
            weights = (1 - beta) / (1 - beta ** n.clip(min=1))
        else:
            raise MaskgateError(f"class weights are inverse or effective, not {how}")
        self.plain = how is None
        if n.any():
            weights *= n.sum() / (weights * n).sum()
        # Classes without a photo count as one, so that a photo of several has a mean.
        self.register_buffer("counts", torch.tensor(n.clip(min=1e-6), dtype=torch.float32))
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def forward(self, target: Tensor) -> Tensor:
        weights, counts = self.get_buffer("weights"), self.get_buffer("counts")
        if self.plain:
            return torch.ones(len(target), device=target.device)
        if target.is_floating_point():
            return target @ weights
        theirs = target * counts
        return (theirs @ weights) / theirs.sum(1)

    def mean(
        self, log_p: Tensor, target: Tensor, term: Callable[[Tensor], Tensor] = lambda p: p
    ) -> Tensor:
        """Weighted mean over photos of a `term` of `agreeing`'s log-probability.

        Of a target of probabilities: the sum of what each class gives, by them, so that it is
        the same as mixing the losses of the classes.
        """
        if target.is_floating_point():
            return (target * self.get_buffer("weights") * term(log_p)).sum(1).mean()
        return (self(target) * term(agreeing(log_p, target))).mean()


class CrossEntropy(nn.Module):
    """Mean of −log of the summed probability of all classes that agree with the target.

    With the factored head that is the sum of the known attributes' cross-entropies. `weights`
    (`inverse`, `effective` with `beta`) make rare classes count more.
    """

    def __init__(self, counts: Counts, weights: str | None = None, beta: float = 0.999) -> None:
        super().__init__()
        self.weights = Weights(counts, weights, beta)

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        return -self.weights.mean(log_p, target)


class LabelSmoothing(nn.Module):
    """Cross-entropy against a target of which `smoothing` is spread over all classes.

    Szegedy et al. 2016; S0, S2, S4. `weights` as in cross_entropy.
    """

    def __init__(
        self,
        counts: Counts,
        smoothing: float = 0.1,
        weights: str | None = None,
        beta: float = 0.999,
    ) -> None:
        super().__init__()
        if not 0 <= smoothing <= 1:
            raise MaskgateError(
                f"loss label_smoothing: smoothing lies from 0 to 1, not {smoothing}"
            )
        self.smoothing = smoothing
        self.weights = Weights(counts, weights, beta)

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        spread = (self.weights(target) * informed(target) * log_p.mean(1)).mean()
        mean = self.weights.mean(log_p, target)
        return -((1 - self.smoothing) * mean + self.smoothing * spread)


class Focal(nn.Module):
    """Cross-entropy × (1−p)^`gamma`: photos that are right already count less.

    Lin et al. 2017; S0, S2, S3, S4. `weights` as in cross_entropy.
    """

    def __init__(
        self,
        counts: Counts,
        gamma: float = 2.0,
        weights: str | None = None,
        beta: float = 0.999,
    ) -> None:
        super().__init__()
        if not 0 <= gamma < float("inf"):
            raise MaskgateError(f"loss focal: gamma is 0 or more, not {gamma}")
        self.gamma = gamma
        self.weights = Weights(counts, weights, beta)

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        return self.weights.mean(log_p, target, self._focal)

    def _focal(self, log_p: Tensor) -> Tensor:
        # The power has no slope at 0 where gamma is under 1.
        return -(-log_p.expm1()).clamp(min=1e-6).pow(self.gamma) * log_p


class F1(nn.Module):
    """1 − macro F1 of the batch, with probabilities in the place of counts (S2, S3).

    The mean over the classes that occur in the batch. Over all classes, those that do not occur
    would count 0 whatever the network says: the same gradient, made smaller by their share.
    """

    def __init__(self, counts: Counts) -> None:
        super().__init__()

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        told = informed(target)[:, None]
        truth, p = expected(log_p, target) * told, log_p.exp() * told
        hits, total = (truth * p).sum(0), truth.sum(0) + p.sum(0)
        occurs = truth.sum(0) > 1e-6
        if not occurs.any():
            return log_p.sum() * 0
        return 1 - (2 * hits[occurs] / total[occurs]).mean()


class LDAM(nn.Module):
    """Label-distribution-aware margin: rare classes must win by more (Cao et al. 2019; S2).

    A class of n photos has the margin n^(−1/4), scaled so that the widest is `max_margin`; logits
    are the log-probabilities × `scale`. Once a share `defer` of the epochs is done, classes are
    weighted by their effective number (`beta`): deferred re-weighting.
    """

    def __init__(
        self,
        counts: Counts,
        max_margin: float = 0.5,
        scale: float = 1.0,
        defer: float = 0.8,
        beta: float = 0.9999,
    ) -> None:
        super().__init__()
        infinite = float("inf")
        if not (0 <= max_margin < infinite and 0 < scale < infinite and 0 <= defer <= 1):
            raise MaskgateError(
                "loss ldam: max_margin is 0 or more, scale over 0, defer from 0 to 1"
            )
        margins = counts.clip(min=1).astype(np.float64) ** -0.25
        margins *= max_margin / margins.max()
        self.register_buffer("margins", torch.tensor(margins, dtype=torch.float32))
        self.scale, self.defer, self.share_done = scale, defer, 0.0
        self.weights = Weights(counts, "effective", beta)

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        margins = self.get_buffer("margins") * expected(log_p, target)
        scaled = (self.scale * (log_p - margins)).log_softmax(1)
        if self.share_done >= self.defer:
            return -self.weights.mean(scaled, target)
        return -agreeing(scaled, target).mean()


class LogitAdjusted(nn.Module):
    """Cross-entropy after `tau` × the log share of each class is added: for balanced errors.

    Menon et al. 2021. Predictions are not adjusted, so rare classes are predicted more often.
    """

    def __init__(self, counts: Counts, tau: float = 1.0) -> None:
        super().__init__()
        if not 0 <= tau < float("inf"):
            raise MaskgateError(f"loss logit_adjusted: tau is 0 or more, not {tau}")
        share = counts.clip(min=1) / counts.clip(min=1).sum()
        self.register_buffer("offset", tau * torch.tensor(np.log(share), dtype=torch.float32))

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        adjusted = (log_p + self.get_buffer("offset")).log_softmax(1)
        return -agreeing(adjusted, target).mean()


CLASS_LOSSES: Final[dict[str, Callable[..., nn.Module]]] = {
    "cross_entropy": CrossEntropy,
    "label_smoothing": LabelSmoothing,
    "focal": Focal,
    "f1": F1,
    "ldam": LDAM,
    "logit_adjusted": LogitAdjusted,
}
