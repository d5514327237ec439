"""A confusion matrix as a picture, for trackers that show pictures."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

_CELL: Final = 64  # pixels
_INK: Final = (24, 28, 36)
_PAPER: Final = (255, 255, 255)
_FULL: Final = (31, 95, 191)  # of a cell with all photos of its true class
_MARGIN: Final = 12  # pixels


def draw(title: str, classes: list[str], counts: list[list[float]]) -> npt.NDArray[np.uint8]:
    """The picture (H, W, 3) of a matrix (K, K) with the true classes as rows: in each cell the
    number of photos, and the share of the true class as its colour."""
    font, heading = ImageFont.load_default(14), ImageFont.load_default(18)
    name_width = int(max(font.getlength(name) for name in classes)) + _MARGIN
    top = _MARGIN + 40 + name_width
    side = _CELL * len(classes)
    title = f"{title}: true in rows, predicted in columns"
    width = max(_MARGIN + name_width + side, int(heading.getlength(title)) + _MARGIN) + _MARGIN
    picture = Image.new("RGB", (width, top + side + _MARGIN), _PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN, _MARGIN), title, fill=_INK, font=heading)
    left = _MARGIN + name_width
    for number, name in enumerate(classes):
        middle = number * _CELL + _CELL // 2
        pen.text((left - 6, top + middle), name, fill=_INK, font=font, anchor="rm")
        _write_upright(picture, name, font, (left + middle, top - 6))
    for row, values in enumerate(counts):
        total = sum(values)
        for column, value in enumerate(values):
            share = value / total if total else 0.0
            x, y = left + column * _CELL, top + row * _CELL
            box = (x, y, x + _CELL - 2, y + _CELL - 2)
            pen.rectangle(box, fill=_between(_PAPER, _FULL, share), outline=(216, 221, 230))
            ink = _PAPER if share > 0.5 else _INK
            centre = (x + _CELL // 2, y + _CELL // 2)
            pen.text(centre, f"{value:g}", fill=ink, font=font, anchor="mm")
    return np.asarray(picture)


def _write_upright(picture: Image.Image, text: str, font: Any, foot: tuple[int, int]) -> None:
    """Write the text upwards, its start at `foot`."""
    width, height = int(font.getlength(text)) + 2, 20
    label = Image.new("RGB", (width, height), _PAPER)
    ImageDraw.Draw(label).text((0, height // 2), text, fill=_INK, font=font, anchor="lm")
    upright = label.transpose(Image.Transpose.ROTATE_90)
    picture.paste(upright, (foot[0] - height // 2, foot[1] - width))


def _between(low: tuple[int, ...], high: tuple[int, ...], share: float) -> tuple[int, ...]:
    return tuple(round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
