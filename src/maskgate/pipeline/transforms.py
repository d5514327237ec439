"""Augmentation of training photos: the transforms in a recipe's `augment` list, by name.

Batches are augmented, not single photos: neighbouring transforms of geometry are one resampling,
and those of colour one product. Each draw of a photo has its own seed: a photo drawn twice in an
epoch differs, and a resumed run repeats the same pixels.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final, Protocol

import torch
from torch import Tensor
from torchvision.transforms import v2

from maskgate.config import arguments
from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.pipeline.augment.colour import BrightnessContrast, ColorJitter, Colour, Recolour
from maskgate.pipeline.augment.covers import PhotoEdge, RandomErasing
from maskgate.pipeline.augment.draws import low_and_high, split, uniform
from maskgate.pipeline.augment.filters import Blur, GaussNoise, Solarize, whole_values
from maskgate.pipeline.augment.geometric import (
    Affine,
    Flip,
    Geometric,
    ShiftScaleRotate,
    Warp,
    Window,
    fusible,
)
from maskgate.pipeline.augment.rand_augment import RandAugment

_TRIALS: Final = 8
_LARGEST: Final = 10_000  # number among the arguments of a transform


class Stage(Protocol):
    """A step on a batch (N, 3, H, W) of values 0–255, uint8 or float, which it may change.

    `random_count` is how many random numbers in [0, 1) it takes of each photo; `u` (N, count) are
    those, float64 on the CPU.
    """

    random_count: int

    def __call__(self, photos: Tensor, u: Tensor) -> Tensor: ...


def random_crop(geometry: Geometry) -> Window:
    """A window of the input's size anywhere in the stored photo: shifts within the margin."""
    return Window(geometry.height, geometry.width)


def horizontal_flip(geometry: Geometry, p: float = 0.5) -> Flip:
    """Mirrors left and right."""
    return Flip(p)


def affine(
    geometry: Geometry,
    degrees: float | Sequence[float],
    translate: Sequence[float] | None = None,
    scale: Sequence[float] | None = None,
    shear: float | Sequence[float] | None = None,
    interpolation: str = "bilinear",
    fill: float | Sequence[float] = 0,
    center: Sequence[float] | None = None,
) -> Affine:
    """torchvision's RandomAffine: rotates, shifts, zooms and shears about the centre.

    What lies outside the stored photo has the colour `fill`.
    """
    return Affine(v2.RandomAffine(degrees, translate, scale, shear, interpolation, fill, center))


def shift_scale_rotate(
    geometry: Geometry,
    shift: float = 0.0625,
    scale: float = 0.1,
    rotate: float = 45.0,
    p: float = 0.5,
) -> ShiftScaleRotate:
    """Shifts by up to `shift` of the sides, zooms by up to `scale`, rotates by up to `rotate`°.

    As albumentations' ShiftScaleRotate (S0's AUG_0) with its defaults. The border is filled with
    the reflected photo, not with black as in `affine`.
    """
    return ShiftScaleRotate(shift, scale, rotate, p)


def color_jitter(
    geometry: Geometry,
    brightness: float | Sequence[float] | None = None,
    contrast: float | Sequence[float] | None = None,
    saturation: float | Sequence[float] | None = None,
    hue: float | Sequence[float] | None = None,
    p: float = 1.0,
) -> ColorJitter:
    """torchvision's ColorJitter: brightness, contrast, saturation and hue, in random order.

    A hue is a rotation of the colours about the greys, torchvision's is a shift in HSV.
    """
    return ColorJitter(v2.ColorJitter(brightness, contrast, saturation, hue), p)


def brightness_contrast(
    geometry: Geometry, brightness: float = 0.2, contrast: float = 0.2, p: float = 0.5
) -> BrightnessContrast:
    """Multiplies by 1 ± `contrast`, then adds ± `brightness` of white.

    As albumentations' RandomBrightnessContrast (S0's AUG_0, with 0.3 each).
    """
    return BrightnessContrast(brightness, contrast, p)


def gauss_noise(
    geometry: Geometry, sigma: Sequence[float] = (0.01, 0.03), p: float = 0.5
) -> GaussNoise:
    """Adds noise to every value, with a standard deviation drawn from `sigma` (1 is white).

    As albumentations' GaussNoise (S0's AUG_0), whose default is about 0.012 to 0.028.
    """
    return GaussNoise(*low_and_high("sigma", sigma, 0.0), p)


def blur(
    geometry: Geometry, sigma: Sequence[float] = (0.1, 2.0), kernel_size: int = 9, p: float = 0.5
) -> Blur:
    """torchvision's GaussianBlur, with a standard deviation in pixels drawn from `sigma` (S1)."""
    if kernel_size // 2 >= min(geometry.height, geometry.width):
        raise ValueError(f"kernel_size is {kernel_size}, too large for the photo")
    limits = low_and_high("sigma", sigma, 1e-3)
    return Blur(v2.GaussianBlur(kernel_size, limits), p)


def photo_edge(geometry: Geometry, share: float = 0.3, p: float = 0.2) -> PhotoEdge:
    """Makes what lies beyond a line grey, as if the photo ended there.

    One side, twice as often the lower one as another, up to `share` of the height or width.
    """
    return PhotoEdge(share, p)


def solarize(geometry: Geometry, threshold: float = 128, p: float = 0.5) -> Solarize:
    """torchvision's RandomSolarize: inverts every value from `threshold` on (S0's AUG_0)."""
    if not 0 <= threshold <= 255:
        raise ValueError(f"threshold is {threshold}; a value of a pixel lies from 0 to 255")
    return Solarize(threshold, p)


def rand_augment(geometry: Geometry, num_ops: int = 2, magnitude: int = 9) -> RandAugment:
    """torchvision's RandAugment: `num_ops` random transforms of strength `magnitude`, 0 to 30.

    Cubuk et al., RandAugment: Practical automated data augmentation with a reduced search space,
    NeurIPS 2020; S0's AUG_1.
    """
    return RandAugment(num_ops, magnitude)


def random_erasing(
    geometry: Geometry,
    p: float = 0.5,
    scale: Sequence[float] = (0.02, 0.33),
    ratio: Sequence[float] = (0.3, 3.3),
    value: float | Sequence[float] = 0.0,
) -> RandomErasing:
    """torchvision's RandomErasing: covers a rectangle with the colour `value`.

    Zhong et al., Random erasing data augmentation, AAAI 2020 (S3).
    """
    return RandomErasing(v2.RandomErasing(p, scale, ratio, value))


TRANSFORMS: Final[dict[str, Callable[..., Any]]] = {
    "random_crop": random_crop,
    "horizontal_flip": horizontal_flip,
    "affine": affine,
    "shift_scale_rotate": shift_scale_rotate,
    "color_jitter": color_jitter,
    "brightness_contrast": brightness_contrast,
    "gauss_noise": gauss_noise,
    "solarize": solarize,
    "blur": blur,
    "photo_edge": photo_edge,
    "rand_augment": rand_augment,
    "random_erasing": random_erasing,
}


class Augment:
    """Augments stored pictures (N, H, W, 3) uint8 to the model's input (N, height, width, 3) uint8.

    Each photo has its seed; the result stays on the photos' device. A recipe without `random_crop`
    takes the middle of the picture after its last transform of geometry or `rand_augment`, or first
    if it has none. Raises MaskgateError for an unknown transform or wrong arguments.
    """

    def __init__(self, transforms: Sequence[Component], geometry: Geometry) -> None:
        self.geometry = geometry
        self._transforms = [(each.name, _create(each, geometry)) for each in transforms]
        self._stages = _stages([transform for _, transform in self._transforms], geometry)

    def check(self) -> None:
        """Transform a grey picture a few times: some arguments are checked only in use.

        Raises MaskgateError.
        """
        picture = torch.full((_TRIALS, *self.geometry.stored, 3), 128, dtype=torch.uint8)
        for name, transform in self._transforms:
            try:
                _run(_stages([transform], self.geometry), picture, range(_TRIALS))
            except WRONG_ARGUMENTS as error:
                raise _wrong(name, error) from error

    def __call__(self, stored: Tensor, seeds: Sequence[int]) -> Tensor:
        return _run(self._stages, stored, seeds)


# ------------------------------------------------------------------------------- the parts


def _create(component: Component, geometry: Geometry) -> Any:
    """The transform of an entry of a recipe's `augment`. Raises MaskgateError."""
    make = lookup("transform", component.name, TRANSFORMS)
    try:
        arguments.check(make, component.arguments)
        _check_sizes(component.arguments)
        return make(geometry, **component.arguments)
    except WRONG_ARGUMENTS as error:
        raise _wrong(component.name, error) from error


def _stages(transforms: Sequence[Any], geometry: Geometry) -> list[Stage]:
    """The transforms in order, those that can be fused as one; the result has the input's size."""
    steps = list(transforms)
    if not any(isinstance(each, Window) for each in steps):
        moving = Geometric | RandAugment
        geometric = [n for n, each in enumerate(steps, 1) if isinstance(each, moving)]
        middle = Window(geometry.height, geometry.width, random=False)
        steps.insert(geometric[-1] if geometric else 0, middle)
    stages: list[Stage] = []
    for kind, group in groupby(steps, _kind):
        if kind is Warp:
            stages += [Warp(row) for row in fusible(list(group))]
        elif kind is Recolour:
            stages.append(Recolour(list(group)))
        else:
            stages += group
    return stages


def _kind(transform: Any) -> type | None:
    if isinstance(transform, Geometric):
        return Warp
    return Recolour if isinstance(transform, Colour) else None


def _run(stages: Sequence[Stage], stored: Tensor, seeds: Sequence[int]) -> Tensor:
    counts = [stage.random_count for stage in stages]
    parts = split(uniform(seeds, sum(counts)), counts)
    photos = stored.permute(0, 3, 1, 2)
    for stage, part in zip(stages, parts, strict=True):
        photos = stage(photos, part)
    photos = whole_values(photos).permute(0, 2, 3, 1)
    return photos.to(torch.uint8, memory_format=torch.contiguous_format)


def _wrong(name: str, error: Exception) -> MaskgateError:
    return MaskgateError(f"augment {name}: {str(error).rstrip('.')}; see docs/recipe.md")


def _check_sizes(value: Any) -> None:
    """Raise ValueError for numbers too large for a degree, pixel or factor: torch would fail."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            _check_sizes(part)
    elif isinstance(value, int | float) and abs(value) > _LARGEST:
        raise ValueError(f"{value:g} is over {_LARGEST:,}")
