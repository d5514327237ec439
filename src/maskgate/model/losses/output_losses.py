"""Losses that need more of a network's output than its classes: what `heads.Output.more` holds.

(Output of N photos, Target) to a scalar. The heads that give what they need are told in theirs.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from maskgate import labels
from maskgate.config import lookup
from maskgate.errors import MaskgateError
from maskgate.images.target import Target
from maskgate.model.heads import Output
from maskgate.model.losses.partial_labels import agreeing, known_class

CLASSES: Final = "classes"


class Loss(nn.Module):
    """(Output of N photos, Target) to a scalar; it asks heads for what `needs` names.

    `teaches` is false where the head's classes learn nothing by it.
    """

    needs: frozenset[str] = frozenset()
    teaches: bool = True


def marginal(log_p: Tensor, attribute: str) -> Tensor:
    """Log-probabilities (N, K) of an attribute's values from those of the classes (N, 18)."""
    members = labels.MEMBERS[attribute]
    return torch.stack([log_p[:, np.flatnonzero(row)].logsumexp(1) for row in members], dim=1)


def marginal_target(classes: Tensor, attribute: str) -> Tensor:
    """(N, K) true for every value of the attribute that agrees, or its probability."""
    members = torch.from_numpy(labels.MEMBERS[attribute]).to(classes.device)
    counts = classes.float() @ members.T.float()
    return counts if classes.is_floating_point() else counts > 0


class BinaryCrossEntropy(Loss):
    """Yes or no for each of the eight values, added up; for the head `multi_label`.

    A value that may or may not be the photo's adds nothing.
    """

    needs = frozenset({"logits"})

    def forward(self, output: Output, target: Target) -> Tensor:
        wanted, known = [], []
        for name in labels.ATTRIBUTES:
            part = marginal_target(target.classes, name)
            wanted.append(part.float())
            only = torch.ones_like(part, dtype=torch.bool)
            if not part.is_floating_point():
                only = ~part | (part.sum(1, keepdim=True) == 1)
            known.append(only)
        loss = functional.binary_cross_entropy_with_logits(
            output.more["logits"], torch.cat(wanted, 1), reduction="none"
        )
        return (loss * torch.cat(known, 1)).sum(1).mean()


class ArcFace(Loss):
    """Softmax over angles, the true one made `margin` radians wider (Deng et al. 2019; S3).

    For the head `cosine`; the cross-entropies of the attributes in `of` are added up. An angle
    that would be wider than π falls by its cosine as without a margin, so that it still learns.
    """

    needs = frozenset({"cosines"})

    def __init__(self, margin: float = 0.3, of: Sequence[str] = tuple(labels.ATTRIBUTES)) -> None:
        super().__init__()
        if isinstance(of, str) or not of:
            raise MaskgateError(f"loss arcface: of is a list of attributes, not {of!r}")
        for name in of:
            lookup("attribute", name, labels.ATTRIBUTES)
        if not 0 <= margin < np.pi / 2:
            raise MaskgateError(f"loss arcface: margin lies from 0 to π/2, not {margin}")
        self.margin, self.of = margin, tuple(of)

    def forward(self, output: Output, target: Target) -> Tensor:
        cosines = torch.split(output.more["cosines"], list(labels.SIZES), dim=1)
        terms = []
        for name, part in zip(labels.ATTRIBUTES, cosines, strict=True):
            if name not in self.of:
                continue
            wanted = marginal_target(target.classes, name)
            single = wanted.float()
            if not wanted.is_floating_point():
                single = single * (single.sum(1, keepdim=True) == 1)
            logits = output.more["scale"] * _wider(part, self.margin * single)
            terms.append(agreeing(logits.log_softmax(1), wanted).mean())
        return -torch.stack(terms).sum()


def _wider(cosines: Tensor, margin: Tensor) -> Tensor:
    """Cosines of angles that are `margin` radians wider; falling with the angle up to π."""
    # At ±1 the sine has no slope.
    sines = (1 - cosines.square()).clamp(min=1e-6).sqrt()
    wider = cosines * margin.cos() - sines * margin.sin()
    return torch.where(cosines > -margin.cos(), wider, cosines - 1 + margin.cos())


class AgeRegression(Loss):
    """Mean squared error of the age in years, over photos whose age is known (S1; S2 × 0.001).

    For a head with `regress_age`.
    """

    needs = frozenset({"age"})
    teaches = False

    def forward(self, output: Output, target: Target) -> Tensor:
        age, known = output.more["age"], target.age.isfinite()
        error = torch.where(known, age - target.age.nan_to_num(), 0.0)
        return error.square().sum() / known.sum().clamp(min=1)


class FineAge(Loss):
    """Cross-entropy of the finer age classes, over photos whose age is known (S1).

    For a head with `age: fine`.
    """

    needs = frozenset({"fine_age"})

    def forward(self, output: Output, target: Target) -> Tensor:
        log_p, known = output.more["fine_age"], target.age.isfinite()
        starts = output.more["fine_age_starts"].to(target.age.dtype)
        fine = torch.bucketize(target.age.nan_to_num(), starts, right=True)
        taken = torch.where(known, log_p.gather(1, fine[:, None]).squeeze(1), 0.0)
        return -taken.sum() / known.sum().clamp(min=1)


class SupervisedContrastive(Loss):
    """Features of one class draw near, of others apart (Khosla et al. 2020; S1's wish).

    Over photos whose class is known; `of` is `classes` or an attribute. A photo that is alone in
    its class in the batch adds nothing.
    """

    teaches = False

    def __init__(self, of: str = CLASSES, temperature: float = 0.1) -> None:
        super().__init__()
        _check_of("supervised_contrastive", of)
        if not temperature > 0:
            raise MaskgateError("loss supervised_contrastive: temperature is over 0")
        self.of, self.temperature = of, temperature

    def forward(self, output: Output, target: Target) -> Tensor:
        features, same, other = _pairs(output, target, self.of)
        if not same.any():
            return features.sum() * 0
        alike = features @ features.T / self.temperature
        among = alike.masked_fill(~(same | other), float("-inf"))
        anchors = same.any(1)
        log_p = (alike - among.logsumexp(1, keepdim=True))[anchors]
        mine = same[anchors]
        return -(log_p.masked_fill(~mine, 0).sum(1) / mine.sum(1)).mean()


class Triplet(Loss):
    """The farthest of one's class must be nearer, by `margin`, than the nearest of another.

    Batch-hard triplets of normalised features (Hermans et al. 2017; S1's wish), over photos whose
    class is known; `of` is `classes` or an attribute.
    """

    teaches = False

    def __init__(self, of: str = CLASSES, margin: float = 0.2) -> None:
        super().__init__()
        _check_of("triplet", of)
        if not 0 <= margin < float("inf"):
            raise MaskgateError("loss triplet: margin is 0 or more")
        self.of, self.margin = of, margin

    def forward(self, output: Output, target: Target) -> Tensor:
        features, same, other = _pairs(output, target, self.of)
        anchors = same.any(1) & other.any(1)
        if not anchors.any():
            return features.sum() * 0
        # The distance has no slope where two features are one.
        apart = (2 - 2 * features @ features.T).clamp(min=1e-6).sqrt()[anchors]
        farthest = apart.masked_fill(~same[anchors], float("-inf")).amax(1)
        nearest = apart.masked_fill(~other[anchors], float("inf")).amin(1)
        return functional.relu(farthest - nearest + self.margin).mean()


def _check_of(loss: str, of: str) -> None:
    if of != CLASSES and of not in labels.ATTRIBUTES:
        known = ", ".join([CLASSES, *labels.ATTRIBUTES])
        raise MaskgateError(f"loss {loss}: of is one of {known}, not {of}")


def _pairs(output: Output, target: Target, of: str) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised features (M, F) of the photos whose class is known, and (M, M) which pairs are
    of the same class and which of different ones."""
    wanted = target.classes if of == CLASSES else marginal_target(target.classes, of)
    code = known_class(wanted)
    features = functional.normalize(output.more["features"].float()[code >= 0])
    code = code[code >= 0]
    same = code[:, None] == code[None, :]
    return features, same & ~torch.eye(len(code), dtype=torch.bool, device=code.device), ~same


OUTPUT_LOSSES: Final[dict[str, Callable[..., Loss]]] = {
    "binary_cross_entropy": BinaryCrossEntropy,
    "arcface": ArcFace,
    "age_regression": AgeRegression,
    "fine_age": FineAge,
    "supervised_contrastive": SupervisedContrastive,
    "triplet": Triplet,
}
