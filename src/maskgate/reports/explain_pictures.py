"""Pictures of an explanation: heat on a photo, and the map of photos."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from maskgate import labels
from maskgate.core import charts
from maskgate.explain.embedding_map import EmbeddingMap
from maskgate.explain.explaining import Card

_SIDE: Final = 224  # pixels of the longer side of a picture
_STRENGTH: Final = 0.75  # of the largest heat on the photo
_WIDTH, _HEIGHT = 460, 330
_EDGE, _FOOT = 10, 30  # pixels around the points, and below them


def photo(card: Card) -> Image.Image:
    """The photo as the network gets it, with the box of the face."""
    return _enlarged(card.picture, card.box)


def overlay(card: Card) -> Image.Image:
    """The same with the heat on it: from clear over yellow to red."""
    heat = np.clip(card.heat, 0, 1)[..., None]
    colour = np.concatenate(
        [np.full_like(heat, 255), 230 * (1 - heat**1.5), np.zeros_like(heat)], axis=2
    )
    opacity = _STRENGTH * np.sqrt(heat)
    grey = card.picture.mean(2, keepdims=True)  # so that no colour of the photo looks like heat
    blended = grey * (1 - opacity) + colour * opacity
    return _enlarged(blended.round().astype(np.uint8), card.box)


def _enlarged(picture: npt.NDArray[np.uint8], box: npt.NDArray[np.float64]) -> Image.Image:
    image = Image.fromarray(picture)
    scale = _SIDE / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    image = image.resize(size, Image.Resampling.BICUBIC)
    if np.isfinite(box).all():
        draw = ImageDraw.Draw(image)
        left, top, right, bottom = (float(edge) * scale for edge in box)
        corners = (left, top, min(right, size[0] - 1), min(bottom, size[1] - 1))
        draw.rectangle(corners, outline="white", width=2)
    return image


def scatter(photos: EmbeddingMap, attribute: str, rings: Sequence[bool]) -> str:
    """The map as inline SVG, coloured by an attribute, with rings around some of the N photos."""
    low, high = photos.points.min(0), photos.points.max(0)
    scaled = (photos.points - low) / np.where(high > low, high - low, 1)
    xs = _EDGE + scaled[:, 0] * (_WIDTH - 2 * _EDGE)
    ys = _EDGE + (1 - scaled[:, 1]) * (_HEIGHT - 2 * _EDGE - _FOOT)
    codes = photos.table[attribute].to_numpy()
    values = labels.ATTRIBUTES[attribute]
    parts = []
    for x, y, code in zip(xs, ys, codes, strict=True):
        colour = "#6b7280" if code == labels.UNKNOWN else charts.COLOURS[code]
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}" fill-opacity=".75"/>'
        )
    parts += [
        f'<circle class="hard" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
        for x, y, is_ringed in zip(xs, ys, rings, strict=True)
        if is_ringed
    ]
    names = [name.replace("_", " ") for name in values]
    title = attribute.replace("_", " ")
    return charts.figure(parts, names, "", title=title, height=_HEIGHT)
