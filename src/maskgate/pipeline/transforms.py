"""Augmentation of training photos: the transforms in a recipe's `augment` list, by name.

Each draw of a photo has its own seed: a photo drawn twice in an epoch differs, and a resumed run
repeats the same pixels.
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
from maskgate.imaging.pixels import GREY, Pixels, centre

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
    return _with_probability(v2.ColorJitter(brightness, contrast, saturation, hue), p)


def shift_scale_rotate(
    geometry: Geometry,
    shift: float = 0.0625,
    scale: float = 0.1,
    rotate: float = 45.0,
    p: float = 0.5,
) -> nn.Module:
    """Shifts by up to `shift` of the sides, zooms by up to `scale`, rotates by up to `rotate`°.

    As albumentations' ShiftScaleRotate (S0's AUG_0) with its defaults. The border is filled with
    the reflected photo, not with black as in `affine`.
    """
    return _with_probability(_ShiftScaleRotate(shift, scale, rotate), p)


def brightness_contrast(
    geometry: Geometry, brightness: float = 0.2, contrast: float = 0.2, p: float = 0.5
) -> nn.Module:
    """Multiplies by 1 ± `contrast`, then adds ± `brightness` of white.

    As albumentations' RandomBrightnessContrast (S0's AUG_0, with 0.3 each).
    """
    return _with_probability(_BrightnessContrast(brightness, contrast), p)


def gauss_noise(
    geometry: Geometry, sigma: Sequence[float] = (0.01, 0.03), p: float = 0.5
) -> nn.Module:
    """Adds noise to every value, with a standard deviation drawn from `sigma` (1 is white).

    As albumentations' GaussNoise (S0's AUG_0), whose default is about 0.012 to 0.028.
    """
    return _with_probability(_GaussNoise(*_low_and_high("sigma", sigma, 0.0)), p)


def blur(
    geometry: Geometry, sigma: Sequence[float] = (0.1, 2.0), kernel_size: int = 9, p: float = 0.5
) -> nn.Module:
    """torchvision's GaussianBlur, with a standard deviation in pixels drawn from `sigma` (S1)."""
    if kernel_size // 2 >= min(geometry.height, geometry.width):
        raise ValueError(f"kernel_size is {kernel_size}, too large for the photo")
    return _with_probability(v2.GaussianBlur(kernel_size, _low_and_high("sigma", sigma, 1e-3)), p)


def photo_edge(geometry: Geometry, share: float = 0.3, p: float = 0.2) -> nn.Module:
    """Makes what lies beyond a line grey, as if the photo ended there.

    One side, twice as often the lower one as another, up to `share` of the height or width.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; it lies between 0 and 1")
    return _with_probability(_PhotoEdge(share), p)


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
    are_integers = all(isinstance(n, int) and not isinstance(n, bool) for n in (num_ops, magnitude))
    if not (are_integers and 0 <= magnitude <= 30 and 0 <= num_ops <= 30):
        raise ValueError(
            f"num_ops is {num_ops} and magnitude {magnitude}; they are whole, from 0, 0 to 30"
        )
    return v2.RandAugment(num_ops, magnitude)


def _plain(transform: Callable[..., nn.Module], **defaults: Any) -> Callable[..., nn.Module]:
    """torchvision's transform, which needs no geometry, with other `defaults`."""
    create = partial(transform, **defaults)

    def make(geometry: Geometry, **settings: Any) -> nn.Module:
        return create(**settings)

    return update_wrapper(make, create, (), ())  # its signature lists a recipe's arguments


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
    "photo_edge": photo_edge,
    "rand_augment": rand_augment,
    "random_erasing": _plain(v2.RandomErasing),
}


class Augment:
    """Augments stored pixels (H, W, 3) with a seed, to the model's input (height, width, 3), uint8.

    Raises MaskgateError for an unknown transform or wrong arguments.
    """

    def __init__(self, transforms: Sequence[Component], geometry: Geometry) -> None:
        self.geometry = geometry
        self.transforms: list[nn.Module] = []
        self.names = [transform.name for transform in transforms]
        for transform in transforms:
            make = lookup("transform", transform.name, TRANSFORMS)
            try:
                arguments.check(make, transform.arguments)
                _check_sizes(transform.arguments)
                self.transforms.append(make(geometry, **transform.arguments))
            except WRONG_ARGUMENTS as error:
                raise _wrong(transform.name, error) from error

    def check(self) -> None:
        """Transform a grey picture a few times: some arguments are checked only in use.

        Raises MaskgateError. Does not change torch's random state.
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
        # torch.manual_seed would also seed the accelerators, which takes longer than the photo.
        torch.default_generator.manual_seed(seed)
        photo = torch.from_numpy(stored).permute(2, 0, 1)
        for transform in self.transforms:
            photo = transform(photo)
        return centre(photo.permute(1, 2, 0), self.geometry)  # type: ignore[arg-type,return-value]


# ------------------------------------------------------------------------------- the parts


def _wrong(name: str, error: Exception) -> MaskgateError:
    return MaskgateError(f"augment {name}: {str(error).rstrip('.')}; see docs/recipe.md")


def _check_sizes(value: Any) -> None:
    """Raise ValueError for numbers too large for a degree, pixel or factor: torch would fail."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            _check_sizes(part)
    elif isinstance(value, int | float) and abs(value) > _LARGEST:
        raise ValueError(f"{value:g} is over {_LARGEST:,}")


def _with_probability(transform: nn.Module, p: float) -> nn.Module:
    """The transform applied with probability `p`; for 1 no random number is drawn."""
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; a probability lies in [0.0, 1.0]")
    return transform if p == 1 else v2.RandomApply([transform], float(p))


def _low_and_high(name: str, values: Sequence[float], least: float) -> tuple[float, float]:
    low, high = values
    if not least <= low <= high:
        raise ValueError(f"{name} is {list(values)}; give two numbers from {least} on, in order")
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
        """(3, H, W) uint8, rotated clockwise around its centre."""
        angle = math.radians(_between(-self.rotate, self.rotate))
        zoom = _between(1 - self.scale, 1 + self.scale)
        dx, dy = (_between(-self.shift, self.shift) for _ in range(2))
        # Maps a place in the output to its place in the input; sides go from -1 to 1.
        cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
        aspect = photo.shape[1] / photo.shape[2]
        rotation = torch.tensor([[cos, sin * aspect], [-sin / aspect, cos]])
        offset = rotation @ torch.tensor([[-2 * dx], [-2 * dy]])
        grid = functional.affine_grid(
            torch.cat([rotation, offset], dim=1)[None], [1, *photo.shape], align_corners=False
        )
        sampled = functional.grid_sample(
            photo[None].float(), grid, padding_mode="reflection", align_corners=False
        )
        return _to_uint8(sampled[0])


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


class _PhotoEdge(nn.Module):
    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, photo: Tensor) -> Tensor:
        side = ("bottom", "bottom", "top", "left", "right")[int(torch.randint(5, ()))]
        length = photo.shape[1 if side in ("bottom", "top") else 2]
        cut = round(length * _between(0, self.share))
        photo = photo.clone()
        part = {
            "bottom": photo[:, length - cut :],
            "top": photo[:, :cut],
            "left": photo[:, :, :cut],
            "right": photo[:, :, length - cut :],
        }[side]
        part.fill_(GREY)
        return photo
