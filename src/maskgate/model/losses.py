"""Losses by the name in a recipe.

Those of `model.class_losses` look at classes alone. Here they are applied to a network's output:
to the 18 classes, or to each attribute; added up; and joined by losses that need more of the
output than probabilities (`heads.Output.more`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from maskgate import labels
from maskgate.config import Named, lookup
from maskgate.errors import MaskgateError
from maskgate.images.target import Target
from maskgate.model.class_losses import CLASS_LOSSES, agreeing, known_class
from maskgate.model.heads import Head, Output

Counts = Mapping[str, npt.NDArray[np.int64]]
CLASSES: Final = "classes"


class Loss(nn.Module):
    """(Output of N photos, Target) to a scalar; it asks heads for what `needs` names.

    `teaches` is false where the head's classes learn nothing by it.
    """

    needs: frozenset[str] = frozenset()
    teaches: bool = True


class OfClasses(Loss):
    """A class loss over the 18 classes, or over one attribute `of` them."""

    def __init__(self, loss: nn.Module, of: str = CLASSES) -> None:
        super().__init__()
        self.loss, self.of = loss, of

    def forward(self, output: Output, target: Target) -> Tensor:
        if self.of == CLASSES:
            return self.loss(output.log_probabilities, target.classes)
        log_p = marginal(output.log_probabilities, self.of)
        return self.loss(log_p, marginal_target(target.classes, self.of))


def marginal(log_p: Tensor, attribute: str) -> Tensor:
    """Log-probabilities (N, K) of an attribute's values from those of the classes (N, 18)."""
    members = labels.MEMBERS[attribute]
    return torch.stack([log_p[:, np.flatnonzero(row)].logsumexp(1) for row in members], dim=1)


def marginal_target(classes: Tensor, attribute: str) -> Tensor:
    """(N, K) true for every value of the attribute that agrees, or its probability."""
    members = torch.from_numpy(labels.MEMBERS[attribute]).to(classes.device)
    counts = classes.float() @ members.T.float()
    return counts if classes.is_floating_point() else counts > 0


class PerAttribute(Loss):
    """One class loss an attribute, added up: the sum of one cross-entropy per attribute (S0).

    Each of `mask`, `gender` and `age_band` is a class loss: its name, or the name with arguments.
    """

    def __init__(
        self,
        counts: Counts,
        head: Head,
        mask: Any = "cross_entropy",
        gender: Any = "cross_entropy",
        age_band: Any = "cross_entropy",
    ) -> None:
        super().__init__()
        wanted = {"mask": mask, "gender": gender, "age_band": age_band}
        self.parts = nn.ModuleList(
            OfClasses(_class_loss(_named(wanted[name], f"loss.{name}"), counts[name]), name)
            for name in head.knows
        )

    def forward(self, output: Output, target: Target) -> Tensor:
        return torch.stack([part(output, target) for part in self.parts]).sum()


class Sum(Loss):
    """A weighted sum of `parts`: each a loss with its arguments, and its `weight` (1 if not given).

    Such as S3's and others' 0.4 F1 + 0.6 focal, or a classifier's loss and a contrastive one.
    """

    def __init__(self, counts: Counts, head: Head, parts: Sequence[Any]) -> None:
        super().__init__()
        if not isinstance(parts, list | tuple) or not parts:
            raise MaskgateError("loss sum: parts is a list of losses with their weights")
        self.weights, made = [], []
        for number, part in enumerate(parts):
            named = _named(part, f"loss.parts.{number}")
            arguments = named.arguments
            weight = arguments.pop("weight", 1.0)
            if not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
                raise MaskgateError(
                    f"loss.parts.{number}.weight is a number of 0 or more, not {weight}"
                )
            self.weights.append(float(weight))
            made.append(create(Named(name=named.name, **arguments), counts, head))
        self.parts = nn.ModuleList(made)
        self.needs = frozenset().union(*(part.needs for part in made))
        self.teaches = any(
            part.teaches and weight > 0 for part, weight in zip(made, self.weights, strict=True)
        )

    def forward(self, output: Output, target: Target) -> Tensor:
        terms = zip(self.weights, self.parts, strict=True)
        return torch.stack([weight * part(output, target) for weight, part in terms]).sum()


# ------------------------------------------------------- losses that need more than classes


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


# --------------------------------------------------------------------------------- by name

_MORE: Final[dict[str, Callable[..., Loss]]] = {
    "binary_cross_entropy": BinaryCrossEntropy,
    "arcface": ArcFace,
    "age_regression": AgeRegression,
    "fine_age": FineAge,
    "supervised_contrastive": SupervisedContrastive,
    "triplet": Triplet,
}
_MADE_OF_OTHERS: Final[dict[str, Callable[..., Loss]]] = {
    "per_attribute": PerAttribute,
    "sum": Sum,
}
LOSSES: Final[dict[str, Callable[..., nn.Module]]] = CLASS_LOSSES | _MADE_OF_OTHERS | _MORE


def create(named: Named, counts: Counts, head: Head) -> Loss:
    """The loss of a recipe, for photos counted as `counts` and the outputs of `head`.

    `counts` holds the training photos of each class, `classes` (18,), and per attribute (K,).
    Raises MaskgateError for an unknown name or argument, or where the head does not suit.
    """
    lookup("loss", named.name, LOSSES)
    try:
        if named.name in CLASS_LOSSES:
            of = CLASSES if len(head.knows) > 1 else head.knows[0]
            return OfClasses(_class_loss(named, counts[of]), of)
        if named.name in _MADE_OF_OTHERS:
            return _MADE_OF_OTHERS[named.name](counts, head, **named.arguments)
        loss = _MORE[named.name](**named.arguments)
    except (TypeError, ValueError) as error:
        raise MaskgateError(f"loss {named.name}: {error}; see docs/recipe.md") from error
    if missing := loss.needs - head.gives:
        raise MaskgateError(
            f"loss {named.name} needs a head that gives {', '.join(sorted(missing))}; see"
            " model.head in docs/recipe.md"
        )
    return loss


def check_use(loss: Loss, head: Head) -> None:
    """Raise MaskgateError where no loss looks at an age the head regresses, or at its classes."""
    if not loss.teaches:
        raise MaskgateError(
            "the loss teaches no classes; make it a sum, with cross_entropy or the like beside it"
        )
    if "age" in head.gives - loss.needs:
        raise MaskgateError(
            "model.head regresses the age, but no loss looks at it; add age_regression to the loss"
        )


def tell_progress(loss: Loss, share: float) -> None:
    """Let the parts of a loss that change with the training know its `share` done, from 0 to 1."""
    for module in loss.modules():
        if hasattr(module, "share_done"):
            module.share_done = share  # type: ignore[assignment]


def _class_loss(named: Named, counts: npt.NDArray[np.int64]) -> nn.Module:
    make = lookup("class loss", named.name, CLASS_LOSSES)
    try:
        loss: nn.Module = make(counts, **named.arguments)
    except (TypeError, ValueError) as error:
        raise MaskgateError(f"loss {named.name}: {error}; see docs/recipe.md") from error
    return loss


def _named(value: Any, where: str) -> Named:
    try:
        return Named.model_validate({"name": value} if isinstance(value, str) else value)
    except ValidationError as error:
        raise MaskgateError(f"{where}: a loss is a name, or a mapping with its name") from error
