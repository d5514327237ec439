"""Transforms that cover a part of a photo, called as those of `filters.py`."""

import math
from typing import Final

import torch
from torch import Tensor
from torchvision.transforms import v2

from maskgate.imaging.pixels import GREY
from maskgate.pipeline.augment import draws

_ATTEMPTS: Final = 10  # to draw a rectangle that is smaller than the photo, as torchvision


class PhotoEdge:
    """Makes up to `share` of one side grey with probability `p`; half as often a side that is not
    the lower one."""

    random_count = 3

    def __init__(self, share: float, p: float) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share is {share}; it lies between 0 and 1")
        self.share, self.p = share, draws.probability(p)

    def __call__(self, photos: Tensor, u: Tensor) -> Tensor:
        height, width = photos.shape[2:]
        side = draws.integers(u[:, 0], 5)  # 0 and 1 lower, 2 upper, 3 left, 4 right
        length = torch.where(side < 3, height, width)
        cut = (length * draws.between(u[:, 1], 0, self.share)).round()
        cut = torch.where(u[:, 2] < self.p, cut, 0)
        bottom, top, left, right = (
            torch.where(is_side, cut, 0) for is_side in (side < 2, side == 2, side == 3, side == 4)
        )
        corners = (top, height - bottom, left, width - right)
        return photos.masked_fill(~_rectangle(photos, corners), GREY)


class RandomErasing:
    """Covers a rectangle with a colour; torchvision's arguments."""

    random_count = 3 + 2 * _ATTEMPTS

    def __init__(self, settings: v2.RandomErasing) -> None:
        if len(settings.value) not in (1, 3):
            raise ValueError(f"value is {settings.value}; give one number, or three")
        self.colour = torch.tensor(settings.value).clamp(0, 255)
        self.scale, self.p = settings.scale, draws.probability(settings.p)
        self.log_ratio = [math.log(value) for value in settings.ratio]

    def __call__(self, photos: Tensor, u: Tensor) -> Tensor:
        height, width = photos.shape[2:]
        area = height * width * draws.between(u[:, 3 : 3 + _ATTEMPTS], *self.scale)
        ratio = draws.between(u[:, 3 + _ATTEMPTS :], *self.log_ratio).exp()
        heights, widths = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
        fits = (heights < height) & (widths < width)
        first = fits.int().argmax(1, keepdim=True)  # 0 also if none fits
        is_erased = fits.any(1) & (u[:, 2] < self.p)
        tall, wide = (
            torch.where(is_erased, sides.gather(1, first)[:, 0], 0) for sides in (heights, widths)
        )
        top = draws.integers(u[:, 0], height - tall + 1)
        left = draws.integers(u[:, 1], width - wide + 1)
        rectangle = _rectangle(photos, (top, top + tall, left, left + wide))
        colour = self.colour.to(photos.dtype).view(-1, 1, 1)
        colour = colour.to(photos.device, non_blocking=True)
        return torch.where(rectangle, colour, photos)


def _rectangle(photos: Tensor, corners: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """The pixels (N, 1, H, W) of each photo from top to bottom and left to right, each (N,)."""
    height, width = photos.shape[2:]
    top, bottom, left, right = (
        each.long().to(photos.device, non_blocking=True)[:, None] for each in corners
    )
    y = torch.arange(height, device=photos.device)
    x = torch.arange(width, device=photos.device)
    rows, columns = (y >= top) & (y < bottom), (x >= left) & (x < right)
    return rows[:, None, :, None] & columns[:, None, None, :]
