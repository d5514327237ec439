"""Test-time augmentation (`tta`): several views of a photo, whose probabilities are averaged.

The plain view, which is the middle of the stored picture, always comes first. Each entry of a
recipe's `tta` multiplies the views of the entries before it, so their order does not matter.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
class TtaView:
    """A window of stored pictures, resized to the model's input and mirrored if `mirrored`.

    Its sides are `scale` times the input's. `vertical` and `horizontal` place it: -1 at the top or
    left edge of the stored picture, 0 in the middle, 1 at the bottom or right edge.
    """

    scale: float = 1.0
    vertical: int = 0
    horizontal: int = 0
    mirrored: bool = False

    def window(self, geometry: Geometry) -> tuple[int, int, int, int]:
        """Top, left, height and width in pixels of the stored picture."""
        spans = []
        sides = (geometry.height, geometry.width)
        for position, side, stored in zip(
            (self.vertical, self.horizontal), sides, geometry.stored, strict=True
        ):
            length = min(max(1, round(side * self.scale)), stored)
            spans.append(((stored - length) * (position + 1) // 2, length))
        (top, height), (left, width) = spans
        return top, left, height, width

    def apply(self, stored: Pixels, geometry: Geometry) -> Pixels:
        """The model's input (…, height, width, 3) from stored pictures (…, H, W, 3)."""
        if self == PLAIN_VIEW:
            return pixels.centre(stored, geometry)
        top, left, height, width = self.window(geometry)
        pictures = stored[..., top : top + height, left : left + width, :]
        if (height, width) != (geometry.height, geometry.width):
            pictures = _resized(pictures, geometry)
        # torch takes no array with negative strides.
        return np.ascontiguousarray(pictures[..., ::-1, :]) if self.mirrored else pictures


PLAIN_VIEW: Final = TtaView()


def _resized(pictures: Pixels, geometry: Geometry) -> Pixels:
    size = (geometry.width, geometry.height)
    flat = [
        np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
        for picture in pictures.reshape(-1, *pictures.shape[-3:])
    ]
    return np.stack(flat).reshape(*pictures.shape[:-3], geometry.height, geometry.width, 3)


# ----------------------------------------------------------------------------- methods, by name


def flip(view: TtaView, geometry: Geometry) -> list[TtaView]:
    """Each picture also mirrored, left to right: twice as many."""
    return [view, replace(view, mirrored=True)]


def crops(view: TtaView, geometry: Geometry, count: int = 5) -> list[TtaView]:
    """Windows at the middle and the four corners; `photo.margin` is the room they have.

    With a `count` of 3, at the middle and both ends of its longer side. Krizhevsky et al., ImageNet
    classification with deep convolutional neural networks, NeurIPS 2012 (5 crops and a flip).
    """
    if geometry.stored == (geometry.height, geometry.width):
        raise ValueError("photo.margin leaves no room around the input; raise it, e.g. to 0.125")
    if count == 5:
        positions = [(vertical, horizontal) for vertical in (-1, 1) for horizontal in (-1, 1)]
    elif count == 3:
        tall = geometry.height >= geometry.width
        positions = [(end, 0) if tall else (0, end) for end in (-1, 1)]
    else:
        raise ValueError(f"count is {count}; it is 3 or 5")
    return [view, *(replace(view, vertical=v, horizontal=h) for v, h in positions)]


def sizes(view: TtaView, geometry: Geometry, scales: Sequence[float] = (0.9, 1.1)) -> list[TtaView]:
    """Windows also so many times as large as the input, resized to it: at most 1 + `photo.margin`.

    Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, ICLR
    2015 (multi-scale evaluation).
    """
    largest = 1 + geometry.margin
    for scale in scales:
        if not 0 < scale <= largest + 1e-9:
            raise ValueError(
                f"scales contains {scale}; a scale is above 0 and at most {largest:g}, which is 1 +"
                " photo.margin"
            )
    return [view, *(replace(view, scale=float(scale)) for scale in scales)]


TTA_METHODS: Final[dict[str, Callable[..., list[TtaView]]]] = {
    "flip": flip,
    "crops": crops,
    "sizes": sizes,
}


def tta_views(tta: Sequence[Component], geometry: Geometry) -> list[TtaView]:
    """The views that a recipe's `tta` asks for, without duplicates; PLAIN_VIEW is the first.

    Raises MaskgateError for an unknown name or arguments it does not take.
    """
    check_tta(tta)
    views = [PLAIN_VIEW]
    for entry in tta:
        method = TTA_METHODS[entry.name]
        with _errors_of(entry):
            views = [new for old in views for new in method(old, geometry, **entry.arguments)]
    distinct: dict[Any, TtaView] = {}
    for view in views:
        distinct.setdefault((view.window(geometry), view.mirrored), view)
    return list(distinct.values())


def check_tta(tta: Sequence[Component]) -> None:
    """Raise MaskgateError for an unknown name, or for arguments of a wrong kind. `tta_views` also
    checks them against a geometry."""
    for entry in tta:
        method = lookup("test-time augmentation", entry.name, TTA_METHODS)
        with _errors_of(entry):
            arguments.check(method, entry.arguments)


@contextmanager
def _errors_of(entry: Component) -> Iterator[None]:
    try:
        yield
    except WRONG_ARGUMENTS as error:
        reason = str(error).rstrip(".")
        raise MaskgateError(f"tta {entry.name}: {reason}; see docs/recipe.md") from error


def tta_digest(views: Sequence[TtaView]) -> str:
    """Eight hex digits that identify a set of views, whatever their order; files are named so."""
    fields = [
        {"scale": view.scale, "down": view.vertical, "across": view.horizontal,
         "mirrored": view.mirrored}
        for view in views
    ]  # fmt: skip
    text = json.dumps(sorted(json.dumps(each) for each in fields))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
