"""Transforms of colour. All that follow one another are one matrix per photo, and one product.

A matrix (4, 4) maps the colour of a pixel (red, green, blue, 1) of values 0–255 to another. A
contrast is a change around the photo's mean, which the transforms before it have moved: the mean of
a product follows from the mean of the photo, so that no photo is changed in between. Values are cut
off at 0 and 255 only after the last one.

A transform has `random_count`, how many random numbers it takes of each photo, and `matrices`
(N, 4, 4) float64, for photos whose mean colour is `mean` (N, 3), values 0–255. All are on the
photos' device, because to read a mean from a GPU is to wait for it.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torchvision.transforms import v2

from maskgate.pipeline.augment import draws
from maskgate.pipeline.augment.matrices import identity

# Rec. 601, as torchvision has it.
_GREY: Final = torch.tensor([0.2989, 0.587, 0.114], dtype=torch.float64)
# The cross product with the axis of the greys, of length 1.
_AROUND_GREY: Final = (
    torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / 3**0.5
)


class ColorJitter:
    """Brightness, contrast, saturation and hue in random order, with probability `p`.

    Arguments are those of torchvision's ColorJitter. A hue is a rotation about the axis of the
    greys, which keeps the sum of the three values. torchvision shifts the hue of HSV, which keeps
    the largest and the smallest; both are the same for a third of the circle.
    """

    random_count = 9

    def __init__(self, settings: v2.ColorJitter, p: float) -> None:
        self.p = draws.probability(p)
        self.ranges = [
            settings.brightness or (1, 1),
            settings.contrast or (1, 1),
            settings.saturation or (1, 1),
            settings.hue or (0, 0),
        ]

    def matrices(self, u: Tensor, mean: Tensor) -> Tensor:
        brightness, contrast, saturation, hue = (
            draws.between(u[:, column], *limits) for column, limits in enumerate(self.ranges)
        )
        total = identity(len(u), 4, u.device)
        order = u[:, 4:8].argsort(dim=1)
        for place in range(4):
            each = torch.stack(
                [
                    blended(brightness, u.new_zeros(3, 4)),
                    blended(contrast, _mean_grey(total, mean)),
                    blended(saturation, _grey(u)),
                    rotated_hue(hue),
                ]
            )
            total = each[order[:, place], torch.arange(len(u), device=u.device)] @ total
        is_chosen = (u[:, 8] < self.p)[:, None, None]
        return torch.where(is_chosen, total, identity(len(u), 4, u.device))


class BrightnessContrast:
    """Multiplies by 1 ± `contrast`, then adds ± `brightness` of white, with probability `p`."""

    random_count = 3

    def __init__(self, brightness: float, contrast: float, p: float) -> None:
        for name, limit in (("brightness", brightness), ("contrast", contrast)):
            if not limit >= 0:
                raise ValueError(f"{name} is {limit}, below 0")
        self.brightness, self.contrast = brightness, contrast
        self.p = draws.probability(p)

    def matrices(self, u: Tensor, _: Tensor) -> Tensor:
        matrices = blended(
            1 + draws.between(u[:, 0], -self.contrast, self.contrast),
            u.new_zeros(3, 4),
        )
        matrices[:, :3, 3] = 255 * draws.between(u[:, 1:2], -self.brightness, self.brightness)
        is_chosen = (u[:, 2] < self.p)[:, None, None]
        return torch.where(is_chosen, matrices, identity(len(u), 4, u.device))


Colour = ColorJitter | BrightnessContrast


class Recolour:
    """Transforms of colour in a row, as one: (N, 3, H, W) of values 0–255, as float."""

    def __init__(self, transforms: Sequence[Colour]) -> None:
        self.transforms = transforms
        self.random_count = sum(transform.random_count for transform in transforms)

    def __call__(self, photos: Tensor, u: Tensor) -> Tensor:
        floats = photos.to(torch.float32, memory_format=torch.contiguous_format)
        mean = floats.mean((2, 3)).double()
        total = identity(len(photos), 4, photos.device)
        u = u.to(photos.device, non_blocking=True)
        parts = draws.split(u, [transform.random_count for transform in self.transforms])
        for transform, part in zip(self.transforms, parts, strict=True):
            total = transform.matrices(part, _applied(total, mean)) @ total
        matrices = total[:, :3].float()
        flat = floats.flatten(2)
        changed = torch.baddbmm(matrices[:, :, 3:], matrices[:, :, :3], flat)
        return changed.clamp_(0, 255).view_as(floats)


def blended(factor: Tensor, other: Tensor) -> Tensor:
    """Matrices (N, 4, 4) for `factor` (N,) of each colour and 1 − factor of the `other` matrix's,
    (3, 4) or (N, 3, 4)."""
    share = factor[:, None, None]
    matrices = identity(len(factor), 4, factor.device)
    matrices[:, :3] = share * matrices[:, :3] + (1 - share) * other
    return matrices


def rotated_hue(hue: Tensor) -> Tensor:
    """Matrices (N, 4, 4) that turn all colours by `hue` (N,), 1 being the whole circle."""
    angle = 2 * math.pi * hue[:, None, None]
    around_grey = _AROUND_GREY.to(hue.device, non_blocking=True)
    turn = angle.sin() * around_grey + (1 - angle.cos()) * around_grey @ around_grey
    matrices = identity(len(hue), 4, hue.device)
    matrices[:, :3, :3] += turn  # Rodrigues' formula
    return matrices


# ------------------------------------------------------------------------------- the parts


def _applied(matrices: Tensor, colours: Tensor) -> Tensor:
    """Colours (N, 3) after the matrices (N, 4, 4)."""
    return (matrices[:, :3, :3] @ colours[:, :, None])[:, :, 0] + matrices[:, :3, 3]


def _grey(like: Tensor) -> Tensor:
    """The matrix (3, 4) that makes every colour grey, of the type and on the device of `like`."""
    matrix = like.new_zeros(3, 4)
    matrix[:, :3] = _GREY.to(like.device, non_blocking=True)
    return matrix


def _mean_grey(total: Tensor, mean: Tensor) -> Tensor:
    """The matrices (N, 3, 4) that make every colour the mean grey of the photos after `total`."""
    matrices = mean.new_zeros(len(mean), 3, 4)
    grey = _GREY.to(mean.device, non_blocking=True)
    matrices[:, :, 3] = (_applied(total, mean) @ grey)[:, None]
    return matrices
