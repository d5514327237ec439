"""Transforms that change pixels: noise, solarize, blur.

Each is called with photos (N, 3, H, W) of values 0–255, uint8 or float, and returns photos of that
shape. It may change what it is given.
"""

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from maskgate.pipeline.augment import draws


class GaussNoise:
    """Adds normal noise to every value with probability `p`; its deviation is from low to high."""

    random_count = 3

    def __init__(self, low: float, high: float, p: float) -> None:
        self.low, self.high, self.p = low, high, draws.probability(p)

    def __call__(self, photos: Tensor, u: Tensor) -> Tensor:
        floats = photos.float()
        sigma = 255 * draws.between(u[:, 0], self.low, self.high)
        for row in (u[:, 1] < self.p).nonzero().flatten().tolist():
            floats[row] += _normal(floats[row], u[row, 2].item()) * sigma[row].item()
        return floats.clamp_(0, 255)


class Solarize:
    """Inverts every value from `threshold` on, with probability `p`."""

    random_count = 1

    def __init__(self, threshold: float, p: float) -> None:
        self.threshold, self.p = threshold, draws.probability(p)

    def __call__(self, photos: Tensor, u: Tensor) -> Tensor:
        photos = whole_values(photos)  # resampling leaves 99.999 of 100
        is_chosen = (u[:, 0] < self.p).to(photos.device, non_blocking=True)[:, None, None, None]
        return torch.where(is_chosen & (photos >= self.threshold), 255 - photos, photos)


class Blur:
    """Gaussian blur with probability `p`; its standard deviation in pixels is from low to high."""

    random_count = 2

    def __init__(self, settings: v2.GaussianBlur, p: float) -> None:
        self.sizes, self.sigma = settings.kernel_size, settings.sigma
        self.p = draws.probability(p)

    def __call__(self, photos: Tensor, u: Tensor) -> Tensor:
        rows = (u[:, 1] < self.p).nonzero().flatten()
        if not len(rows):
            return photos
        floats, sigma = photos.float(), draws.between(u[rows, 0], *self.sigma)
        channels = rows.numel() * 3
        # Every photo has its own kernels: photos and channels are the groups of one convolution.
        index = rows.to(photos.device, non_blocking=True)
        planes = floats[index].flatten(0, 1)[None]
        across, down = (
            _kernels(size, sigma).float().to(photos.device, non_blocking=True)
            for size in self.sizes
        )
        borders = [self.sizes[0] // 2] * 2 + [self.sizes[1] // 2] * 2
        planes = functional.pad(planes, borders, mode="reflect")
        planes = functional.conv2d(planes, across[:, None, None, :], groups=channels)
        planes = functional.conv2d(planes, down[:, None, :, None], groups=channels)
        floats[index] = planes.view(len(rows), *photos.shape[1:])
        return floats


def whole_values(photos: Tensor) -> Tensor:
    """Photos of whole values 0–255, uint8 or float; what it is given may change."""
    return photos.round_().clamp_(0, 255) if photos.is_floating_point() else photos


def _normal(like: Tensor, u: float) -> Tensor:
    """Normal random numbers of the shape and on the device of `like`, float, from the random number
    `u` in [0, 1)."""
    generator = torch.Generator(like.device).manual_seed(int(u * 2**53))
    return torch.randn(like.shape, generator=generator, device=like.device)


def _kernels(size: int, sigma: Tensor) -> Tensor:
    """A Gaussian kernel for each channel of each photo, (3N, size), that sums to 1."""
    half = (size - 1) / 2
    places = torch.linspace(-half, half, size, dtype=sigma.dtype)
    weights = (-0.5 * (places / sigma[:, None]) ** 2).exp()
    return (weights / weights.sum(1, keepdim=True)).repeat_interleave(3, dim=0)
