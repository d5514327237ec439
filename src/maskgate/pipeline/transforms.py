"""What happens to training photos only: a recipe's `augment` list, by name.

Random numbers come from a seed given with each photo, so a photo drawn twice in an epoch
differs and a resumed run sees the same pixels.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import v2

from maskgate.config import arguments
from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels, centre

_TRIALS: Final = 8
_LARGEST: Final = 10_000  # number among the arguments of a transform


def random_crop(geometry: Geometry) -> nn.Module:
    """A window of the input's size anywhere in the stored photo: shifts within the margin."""
    return v2.RandomCrop((geometry.height, geometry.width))


def color_jitter(
    geometry: Geometry,
    brightness: float | Sequence[float] | None = None,
    contrast: float | Sequence[float] | None = None,
    saturation: float | Sequence[float] | None = None,
    hue: float | Sequence[float] | None = None,
    p: float = 1.0,
) -> nn.Module:
    """torchvision's ColorJitter: brightness, contrast, saturation and hue, in random order."""
    return _perhaps(v2.ColorJitter(brightness, contrast, saturation, hue), p)


def shift_scale_rotate(
    geometry: Geometry,
    shift: float = 0.0625,
    scale: float = 0.1,
    rotate: float = 45.0,
    p: float = 0.5,
) -> nn.Module:
    """Moves by up to `shift` of the sides, zooms by up to `scale`, turns by up to `rotate` degrees.

    As albumentations' ShiftScaleRotate (S0's AUG_0) with its defaults: what lies beyond the rim
    is the photo mirrored, not black as with `affine`.
    """
    return _perhaps(_ShiftScaleRotate(shift, scale, rotate), p)


def brightness_contrast(
    geometry: Geometry, brightness: float = 0.2, contrast: float = 0.2, p: float = 0.5
) -> nn.Module:
    """Times 1 ± `contrast`, plus ± `brightness` of white.

    As albumentations' RandomBrightnessContrast (S0's AUG_0, with 0.3 each).
    """
    return _perhaps(_BrightnessContrast(brightness, contrast), p)


def gauss_noise(
    geometry: Geometry, sigma: Sequence[float] = (0.01, 0.03), p: float = 0.5
) -> nn.Module:
    """Adds noise to every value, its standard deviation drawn from `sigma` (1 is white).

    As albumentations' GaussNoise (S0's AUG_0), whose default is about 0.012 to 0.028.
    """
    return _perhaps(_GaussNoise(*_low_and_high("sigma", sigma, 0.0)), p)


def blur(
    geometry: Geometry, sigma: Sequence[float] = (0.1, 2.0), kernel_size: int = 9, p: float = 0.5
) -> nn.Module:
    """torchvision's GaussianBlur, its standard deviation in pixels drawn from `sigma` (S1)."""
    if kernel_size // 2 >= min(geometry.height, geometry.width):
        raise ValueError(f"kernel_size is {kernel_size}, too large for the photo")
    return _perhaps(v2.GaussianBlur(kernel_size, _low_and_high("sigma", sigma, 1e-3)), p)


def solarize(geometry: Geometry, threshold: float = 128, p: float = 0.5) -> nn.Module:
    """torchvision's RandomSolarize: inverts every value from `threshold` on (S0's AUG_0)."""
    if not 0 <= threshold <= 255:
        raise ValueError(f"threshold is {threshold}; a value of a pixel lies from 0 to 255")
    return v2.RandomSolarize(threshold, p)


def rand_augment(geometry: Geometry, num_ops: int = 2, magnitude: int = 9) -> nn.Module:
    """torchvision's RandAugment: `num_ops` random transforms of strength `magnitude`, 0 to 30.

    Cubuk et al., RandAugment: Practical automated data augmentation with a reduced search space,
    NeurIPS 2020; S0's AUG_1.
    """
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (num_ops, magnitude))
    if not (whole and 0 <= magnitude <= 30 and 0 <= num_ops <= 30):
        raise ValueError(
            f"num_ops is {num_ops} and magnitude {magnitude}; they are whole, from 0, 0 to 30"
        )
    return v2.RandAugment(num_ops, magnitude)


def _plain(transform: Callable[..., nn.Module], **defaults: Any) -> Callable[..., nn.Module]:
    """torchvision's own, whatever the geometry, with other `defaults` where those are better."""
    own = partial(transform, **defaults)

    def make(geometry: Geometry, **given: Any) -> nn.Module:
        return own(**given)

    return update_wrapper(make, own, (), ())  # its signature is the arguments a recipe can give


TRANSFORMS: Final[dict[str, Callable[..., nn.Module]]] = {
    "random_crop": random_crop,
    "horizontal_flip": _plain(v2.RandomHorizontalFlip),
    "affine": _plain(v2.RandomAffine, interpolation="bilinear"),
    "shift_scale_rotate": shift_scale_rotate,
    "color_jitter": color_jitter,
    "brightness_contrast": brightness_contrast,
    "gauss_noise": gauss_noise,
    "solarize": solarize,
    "blur": blur,
    "rand_augment": rand_augment,
    "random_erasing": _plain(v2.RandomErasing),
}


class Augment:
    """Stored pixels (H, W, 3) and a seed to the model's input (height, width, 3), uint8.

    Raises MaskgateError for an unknown transform or arguments it does not take.
    """

    def __init__(self, transforms: Sequence[Component], geometry: Geometry) -> None:
        self.geometry = geometry
        self.transforms: list[nn.Module] = []
        self.names = [named.name for named in transforms]
        for named in transforms:
            make = lookup("transform", named.name, TRANSFORMS)
            try:
                arguments.check(make, named.arguments)
                _check_sizes(named.arguments)
                self.transforms.append(make(geometry, **named.arguments))
            except WRONG_ARGUMENTS as error:
                raise _wrong(named.name, error) from error

    def check(self) -> None:
        """Transform a grey picture a few times: some arguments are looked at only then.

        Raises MaskgateError. Random numbers that others draw stay as they were.
        """
        picture = torch.full((3, *self.geometry.stored), 128, dtype=torch.uint8)
        with torch.random.fork_rng(devices=[]):
            for seed in range(_TRIALS):
                torch.default_generator.manual_seed(seed)
                for name, transform in zip(self.names, self.transforms, strict=True):
                    try:
                        transform(picture)
                    except WRONG_ARGUMENTS as error:
                        raise _wrong(name, error) from error

    def __call__(self, stored: Pixels, seed: int) -> Tensor:
        # What torch.manual_seed does, less the accelerators: those take longer than the photo.
        torch.default_generator.manual_seed(seed)
        photo = torch.from_numpy(stored).permute(2, 0, 1)
        for transform in self.transforms:
            photo = transform(photo)
        return centre(photo.permute(1, 2, 0), self.geometry)  # type: ignore[arg-type,return-value]


# ------------------------------------------------------------------------------- the parts


def _wrong(name: str, error: Exception) -> MaskgateError:
    return MaskgateError(f"augment {name}: {str(error).rstrip('.')}; see docs/recipe.md")


def _check_sizes(value: Any) -> None:
    """Raise ValueError for a number that no degree, pixel or factor is, and torch cannot draw."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            _check_sizes(part)
    elif isinstance(value, int | float) and abs(value) > _LARGEST:
        raise ValueError(f"{value:g} is over {_LARGEST:,}")


def _perhaps(transform: nn.Module, p: float) -> nn.Module:
    """The transform with probability `p`; without a draw where that is 1."""
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; a probability lies in [0.0, 1.0]")
    return transform if p == 1 else v2.RandomApply([transform], float(p))


def _low_and_high(name: str, given: Sequence[float], least: float) -> tuple[float, float]:
    low, high = given
    if not least <= low <= high:
        raise ValueError(f"{name} is {list(given)}; give two numbers from {least} on, in order")
    return low, high


def _not_negative(**limits: float) -> None:
    for name, limit in limits.items():
        if not limit >= 0:
            raise ValueError(f"{name} is {limit}, below 0")


def _between(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()


def _to_uint8(photo: Tensor) -> Tensor:
    return photo.round().clamp(0, 255).to(torch.uint8)


class _ShiftScaleRotate(nn.Module):
    def __init__(self, shift: float, scale: float, rotate: float) -> None:
        super().__init__()
        _not_negative(shift=shift, scale=scale, rotate=rotate)
        if scale >= 1:
            raise ValueError(f"scale is {scale}, not below 1")
        self.shift, self.scale, self.rotate = shift, scale, rotate

    def forward(self, photo: Tensor) -> Tensor:
        """(3, H, W) uint8, turned clockwise around its centre."""
        turn = math.radians(_between(-self.rotate, self.rotate))
        zoom = _between(1 - self.scale, 1 + self.scale)
        across, down = (_between(-self.shift, self.shift) for _ in range(2))
        # From a place in the result to the one it is taken from; sides go from -1 to 1.
        cos, sin = math.cos(turn) / zoom, math.sin(turn) / zoom
        aspect = photo.shape[1] / photo.shape[2]
        back = torch.tensor([[cos, sin * aspect], [-sin / aspect, cos]])
        moved = back @ torch.tensor([[-2 * across], [-2 * down]])
        grid = functional.affine_grid(
            torch.cat([back, moved], dim=1)[None], [1, *photo.shape], align_corners=False
        )
        found = functional.grid_sample(
            photo[None].float(), grid, padding_mode="reflection", align_corners=False
        )
        return _to_uint8(found[0])


class _BrightnessContrast(nn.Module):
    def __init__(self, brightness: float, contrast: float) -> None:
        super().__init__()
        _not_negative(brightness=brightness, contrast=contrast)
        self.brightness, self.contrast = brightness, contrast

    def forward(self, photo: Tensor) -> Tensor:
        factor = 1 + _between(-self.contrast, self.contrast)
        return _to_uint8(photo * factor + 255 * _between(-self.brightness, self.brightness))


class _GaussNoise(nn.Module):
    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, photo: Tensor) -> Tensor:
        noise = torch.randn(photo.shape) * (255 * _between(self.low, self.high))
        return _to_uint8(photo + noise)
