"""Mixing of the photos of a batch (MixUp, CutMix …), by the names in a recipe's `mixing`.

A photo is mixed with its partner, another photo of the batch. The loss is
share · loss(own labels) + (1 − share) · loss(the partner's labels), where `share` is the part of
the pixels that are its own. Random numbers come from torch's global generator, which is seeded for
each update.
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
    was mixed with, None if the batch was not mixed; `share`, the part of each photo that is its
    own; `name`, how it was mixed.
    """

    photos: Tensor
    partner: Tensor | None
    share: float
    name: str = "plain"


class MixUp:
    """Blends each photo with its partner, with a share from Beta(alpha, alpha).

    Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018; S4. ValueError unless
    alpha > 0.
    """

    def __init__(self, alpha: float = 0.2) -> None:
        self.alpha = _positive(alpha)

    def __call__(self, photos: Tensor, _: Target) -> Mixed:
        share = _beta(self.alpha)
        partner = _random_partner(photos)
        return Mixed(share * photos.float() + (1 - share) * photos[partner], partner, share)


class CutMix:
    """Pastes a box of the partner into each photo, at the same place for the whole batch.

    Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features, ICCV 2019; S0, S4. The box covers 1 − λ of the photo, with λ from Beta(alpha, alpha),
    around a random pixel. It is clipped at the border, and the share is computed after clipping.
    ValueError unless alpha > 0.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = _positive(alpha)

    def __call__(self, photos: Tensor, _: Target) -> Mixed:
        side = (1 - _beta(self.alpha)) ** 0.5
        partner = _random_partner(photos)
        height, width = photos.shape[1:3]
        top, bottom = _span(height, side)
        left, right = _span(width, side)
        mixed = photos.clone()
        mixed[:, top:bottom, left:right] = photos[partner, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (height * width)
        return Mixed(mixed, partner, share)


class HalfCutMix:
    """Joins the left half of each photo and the right half of its partner.

    The vertical CutMix of S3, the first place. The photos are cut at the same place, between
    `low` and `high` of their width. ValueError unless 0 ≤ low ≤ high ≤ 1.
    """

    def __init__(self, low: float = 0.46, high: float = 0.54) -> None:
        self.low, self.high = _ordered(low, high)

    def __call__(self, photos: Tensor, _: Target) -> Mixed:
        return _halves(photos, _random_partner(photos), self.low, self.high)


class IntraClassCutMix:
    """`half_cutmix` with a partner of the same class, so that the labels do not change.

    The intra-class CutMix of S3. Photos are of one class if their known labels are equal. A photo
    that is alone in its class is not mixed. ValueError unless 0 ≤ low ≤ high ≤ 1.
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
    """Mixes each batch by at most one of the mixers in a recipe's `mixing`.

    Raises MaskgateError for an unknown name or wrong arguments. Called with photos (N, H, W, 3)
    uint8 and their targets. An empty `mixing` draws no random numbers.
    """

    def __init__(self, mixes: Sequence[Mix]) -> None:
        self.mixers = [(mix.probability, create(mix), mix.name) for mix in mixes]

    def __call__(self, photos: Tensor, target: Target) -> Mixed:
        drawn = torch.rand(()).item() if self.mixers else 1.0
        for probability, mixer, name in self.mixers:
            if drawn < probability:
                return mixer(photos, target)._replace(name=name)
            drawn -= probability
        return Mixed(photos, None, 1.0)


def create(mix: Mix) -> Mixer:
    """The mixer of an entry of a recipe's `mixing`. Raises MaskgateError."""
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
    """A share from Beta(alpha, alpha), from the logarithms of two gamma variables.

    torch's own Beta returns 0.5 where a small alpha should give 0 or 1. Gamma(a) is distributed as
    Gamma(a + 1) · U^(1/a), U uniform.
    """
    both = torch.full((2,), alpha, dtype=torch.float64)
    gammas = torch.distributions.Gamma(both + 1, torch.ones_like(both)).sample().log()
    gammas += torch.rand(2, dtype=torch.float64).log() / both
    return torch.sigmoid(gammas[0] - gammas[1]).item()


def _span(length: int, share: float) -> tuple[int, int]:
    """Start and end of a box's side around a random pixel, clipped at the border."""
    middle, half = int(torch.randint(length, ())), round(length * share) / 2
    return max(0, int(middle - half)), min(length, int(middle + half))


def _random_partner(photos: Tensor) -> Tensor:
    return torch.randperm(len(photos)).to(photos.device, non_blocking=True)


def _same_class(photos: Tensor, target: Target) -> Tensor:
    """A random other photo of the same class for each photo (N,), itself if there is none."""
    _, group = torch.unique(target.classes.cpu(), dim=0, return_inverse=True)
    order, partner = torch.randperm(len(group)), torch.empty_like(group)
    for number in range(int(group.max()) + 1):
        rows = order[group[order] == number]
        partner[rows] = rows.roll(1)
    return partner.to(photos.device, non_blocking=True)


def _halves(photos: Tensor, partner: Tensor, low: float, high: float) -> Mixed:
    width = photos.shape[2]
    cut = round(width * (low + (high - low) * torch.rand(()).item()))
    mixed = torch.cat([photos[:, :, :cut], photos[partner, :, cut:]], dim=2)
    return Mixed(mixed, partner, cut / width)
