"""Test-time augmentation: the variants of a photo whose probabilities are averaged, by name.

The plain picture, which is the middle of the stored one, is always the first. Each entry of a
recipe's `tta` multiplies what the entries before it have made, so that their order does not matter.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from PIL import Image

from maskgate.config import arguments
from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels


@dataclass(frozen=True)
class Variant:
    """A window of stored pictures, resized to the model's input and perhaps mirrored.

    Its sides are `scale` times the input's. `down` and `across` tell where it lies: -1 at the top
    or the left rim, 0 in the middle, 1 at the rim opposite.
    """

    scale: float = 1.0
    down: int = 0
    across: int = 0
    mirrored: bool = False

    def window(self, geometry: Geometry) -> tuple[int, int, int, int]:
        """Top, left, height and width in pixels of the stored picture."""
        places = []
        sides = (geometry.height, geometry.width)
        for at, side, room in zip((self.down, self.across), sides, geometry.stored, strict=True):
            length = min(max(1, round(side * self.scale)), room)
            places.append(((room - length) * (at + 1) // 2, length))
        (top, height), (left, width) = places
        return top, left, height, width

    def show(self, stored: Pixels, geometry: Geometry) -> Pixels:
        """The model's input (…, height, width, 3) of stored pictures (…, H, W, 3)."""
        if self == PLAIN:
            return pixels.centre(stored, geometry)
        top, left, height, width = self.window(geometry)
        shown = stored[..., top : top + height, left : left + width, :]
        if (height, width) != (geometry.height, geometry.width):
            shown = _resized(shown, geometry)
        # torch takes no array that is read backwards.
        return np.ascontiguousarray(shown[..., ::-1, :]) if self.mirrored else shown


PLAIN: Final = Variant()


def _resized(pictures: Pixels, geometry: Geometry) -> Pixels:
    size = (geometry.width, geometry.height)
    flat = [
        np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
        for picture in pictures.reshape(-1, *pictures.shape[-3:])
    ]
    return np.stack(flat).reshape(*pictures.shape[:-3], geometry.height, geometry.width, 3)


# ----------------------------------------------------------------------------- the names


def flip(variant: Variant, geometry: Geometry) -> list[Variant]:
    """Each picture also mirrored, left to right: twice as many."""
    return [variant, replace(variant, mirrored=True)]


def crops(variant: Variant, geometry: Geometry, count: int = 5) -> list[Variant]:
    """Windows at the middle and the four corners; `photo.margin` is the room they have.

    With a `count` of 3, at the middle and both ends of its longer side. Krizhevsky et al., ImageNet
    classification with deep convolutional neural networks, NeurIPS 2012 (5 crops and a flip).
    """
    if geometry.stored == (geometry.height, geometry.width):
        raise ValueError("photo.margin leaves no room around the input; raise it, e.g. to 0.125")
    if count == 5:
        corners = [(down, across) for down in (-1, 1) for across in (-1, 1)]
    elif count == 3:
        tall = geometry.height >= geometry.width
        corners = [(at, 0) if tall else (0, at) for at in (-1, 1)]
    else:
        raise ValueError(f"count is {count}; it is 3 or 5")
    places = (replace(variant, down=down, across=across) for down, across in corners)
    return [variant, *places]


def sizes(
    variant: Variant, geometry: Geometry, scales: Sequence[float] = (0.9, 1.1)
) -> list[Variant]:
    """Windows also so many times as large as the input, resized to it: at most 1 + `photo.margin`.

    Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, ICLR
    2015 (multi-scale evaluation).
    """
    largest = 1 + geometry.margin
    for scale in scales:
        if not 0 < scale <= largest + 1e-9:
            raise ValueError(
                f"scales holds {scale}; a scale is above 0 and at most {largest:g}, which is 1 +"
                " photo.margin"
            )
    return [variant, *(replace(variant, scale=float(scale)) for scale in scales)]


VARIANTS: Final[dict[str, Callable[..., list[Variant]]]] = {
    "flip": flip,
    "crops": crops,
    "sizes": sizes,
}


def create(tta: Sequence[Component], geometry: Geometry) -> list[Variant]:
    """The variants that a recipe's `tta` asks for, those that show the same once; PLAIN first.

    Raises MaskgateError for an unknown name or arguments it does not take.
    """
    check(tta)
    found = [PLAIN]
    for named in tta:
        make = VARIANTS[named.name]
        with _faults_of(named):
            found = [new for old in found for new in make(old, geometry, **named.arguments)]
    shown: dict[Any, Variant] = {}
    for variant in found:
        shown.setdefault((variant.window(geometry), variant.mirrored), variant)
    return list(shown.values())


def check(tta: Sequence[Component]) -> None:
    """Raise MaskgateError for an unknown name, and for arguments of a wrong kind; whether they suit
    a geometry `create` tells."""
    for named in tta:
        make = lookup("test-time augmentation", named.name, VARIANTS)
        with _faults_of(named):
            arguments.check(make, named.arguments)


@contextmanager
def _faults_of(named: Component) -> Iterator[None]:
    try:
        yield
    except WRONG_ARGUMENTS as error:
        why = str(error).rstrip(".")
        raise MaskgateError(f"tta {named.name}: {why}; see docs/recipe.md") from error


def digest(variants: Sequence[Variant]) -> str:
    """Eight hex digits that tell these variants from others, whatever their order."""
    told = json.dumps(sorted(json.dumps(asdict(variant)) for variant in variants))
    return hashlib.sha256(told.encode()).hexdigest()[:8]
