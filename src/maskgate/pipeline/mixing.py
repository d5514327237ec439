"""Photos of a batch mixed with one another, by the names in a recipe's `mixing`.

A photo is mixed with its partner, another photo of the batch, and learnt with the labels of both:
share · loss(own labels) + (1 − share) · loss(the partner's), where the share is that of its own
pixels. Random numbers come from torch's global generator, which is seeded for each update.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor

from maskgate.config import arguments
from maskgate.config.recipe import Mix
from maskgate.config.settings import WRONG_ARGUMENTS, lookup
from maskgate.errors import MaskgateError
from maskgate.pipeline.target import Target


class Mixed(NamedTuple):
    """A batch after mixing.

    `photos` (N, H, W, 3), uint8 or float of 0–255; `partner` (N,), the row of the batch that each
    was mixed with, None where the batch is plain; `share`, the part of each photo that is its own;
    `name`, the way it was mixed.
    """

    photos: Tensor
    partner: Tensor | None
    share: float
    name: str = "plain"


class MixUp:
    """Fades each photo into its partner, with a share from Beta(alpha, alpha).

    Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018; S4. ValueError unless
    alpha > 0.
    """

    def __init__(self, alpha: float = 0.2) -> None:
        self.alpha = _positive(alpha)

    def __call__(self, photos: Tensor, _: Target) -> Mixed:
        share = _beta(self.alpha)
        partner = _anyone(photos)
        return Mixed(share * photos.float() + (1 - share) * photos[partner], partner, share)


class CutMix:
    """Pastes a box of the partner into each photo, at one place for the whole batch.

    Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features, ICCV 2019; S0, S4. The box covers 1 − λ of the photo, λ from Beta(alpha, alpha), and
    lies around any pixel; what reaches over the rim is cut off and counted out of the share.
    ValueError unless alpha > 0.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = _positive(alpha)

    def __call__(self, photos: Tensor, _: Target) -> Mixed:
        side = (1 - _beta(self.alpha)) ** 0.5
        partner = _anyone(photos)
        height, width = photos.shape[1:3]
        top, bottom = _span(height, side)
        left, right = _span(width, side)
        mixed = photos.clone()
        mixed[:, top:bottom, left:right] = photos[partner, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
        return Mixed(mixed, partner, share)


class HalfCutMix:
    """Puts the left of each photo beside the right of its partner: half a face of each.

    The vertical CutMix of S3, the first place. The photos are cut at the same place, between
    `low` and `high` of their width. ValueError unless 0 ≤ low ≤ high ≤ 1.
    """

    def __init__(self, low: float = 0.46, high: float = 0.54) -> None:
        self.low, self.high = _ordered(low, high)

    def __call__(self, photos: Tensor, _: Target) -> Mixed:
        return _halves(photos, _anyone(photos), self.low, self.high)


class IntraClassCutMix:
    """`half_cutmix` with a partner of the same class, so that the labels stay as they are.

    The intra-class CutMix of S3. Photos are of one class where the same is known of them, and
    are mixed with another of it; one that is alone in its class stays as it is. ValueError
    unless 0 ≤ low ≤ high ≤ 1.
    """

    def __init__(self, low: float = 0.46, high: float = 0.54) -> None:
        self.low, self.high = _ordered(low, high)

    def __call__(self, photos: Tensor, target: Target) -> Mixed:
        return _halves(photos, _same_class(photos, target), self.low, self.high)


Mixer = Callable[[Tensor, Target], Mixed]

MIXES: Final[dict[str, Callable[..., Mixer]]] = {
    "mixup": MixUp,
    "cutmix": CutMix,
    "half_cutmix": HalfCutMix,
    "intra_class_cutmix": IntraClassCutMix,
}


class Mixing:
    """Mixes batches in the ways that a recipe's `mixing` names, one or none for each batch.

    Raises MaskgateError for an unknown name or arguments it does not take. Called with photos
    (N, H, W, 3) uint8 and what is known of them; without any ways it draws nothing at random.
    """

    def __init__(self, mixes: Sequence[Mix]) -> None:
        self.ways = [(mix.probability, create(mix), mix.name) for mix in mixes]

    def __call__(self, photos: Tensor, target: Target) -> Mixed:
        drawn = torch.rand(()).item() if self.ways else 1.0
        for probability, mixer, name in self.ways:
            if drawn < probability:
                return mixer(photos, target)._replace(name=name)
            drawn -= probability
        return Mixed(photos, None, 1.0)


def create(mix: Mix) -> Mixer:
    """What a recipe's entry of `mixing` names. Raises MaskgateError."""
    make = lookup("mixing", mix.name, MIXES)
    try:
        arguments.check(make, mix.arguments)
        mixer: Mixer = make(**mix.arguments)
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"mixing {mix.name}: {error}; see docs/recipe.md") from error
    return mixer


# ------------------------------------------------------------------------------- the parts


def _positive(alpha: float) -> float:
    if not alpha > 0:
        raise ValueError(f"alpha is {alpha}, not above 0")
    return alpha


def _ordered(low: float, high: float) -> tuple[float, float]:
    if not 0 <= low <= high <= 1:
        raise ValueError(f"low is {low} and high {high}; they are shares of the width, in order")
    return low, high


def _beta(alpha: float) -> float:
    """A share from Beta(alpha, alpha): of two gammas, by their logarithms.

    torch's own Beta gives 0.5 where a small alpha should give 0 or 1. Gamma(a) is distributed as
    Gamma(a + 1) · U^(1/a), U uniform.
    """
    both = torch.full((2,), alpha, dtype=torch.float64)
    gammas = torch.distributions.Gamma(both + 1, torch.ones_like(both)).sample().log()
    gammas += torch.rand(2, dtype=torch.float64).log() / both
    return torch.sigmoid(gammas[0] - gammas[1]).item()


def _span(length: int, share: float) -> tuple[int, int]:
    """First and last place of a box's side around a random pixel, cut off at the rim."""
    middle, half = int(torch.randint(length, ())), round(length * share) / 2
    return max(0, int(middle - half)), min(length, int(middle + half))


def _anyone(photos: Tensor) -> Tensor:
    return torch.randperm(len(photos)).to(photos.device)


def _same_class(photos: Tensor, target: Target) -> Tensor:
    """For each photo another one of its class at random (N,), itself where there is none."""
    _, group = torch.unique(target.classes.cpu(), dim=0, return_inverse=True)
    order, partner = torch.randperm(len(group)), torch.empty_like(group)
    for number in range(int(group.max()) + 1):
        rows = order[group[order] == number]
        partner[rows] = rows.roll(1)
    return partner.to(photos.device)


def _halves(photos: Tensor, partner: Tensor, low: float, high: float) -> Mixed:
    width = photos.shape[2]
    cut = round(width * (low + (high - low) * torch.rand(()).item()))
    mixed = torch.cat([photos[:, :, :cut], photos[partner, :, cut:]], dim=2)
    return Mixed(mixed, partner, cut / width)
