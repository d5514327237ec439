"""A picture of photos with a model's predictions."""

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from maskgate import labels
from maskgate.inference.predictions import Predictions

_PHOTO: Final = (200, 267)  # width, height in pixels
_GAP: Final = 12
_LINE: Final = 24
_COLOURS: Final = dict(zip(labels.MASKS, ("#059669", "#d97706", "#dc2626"), strict=True))
_INK, _SOFT, _WRONG = "#1f2937", "#6b7280", "#dc2626"


def sheet(
    photos: Sequence[Image.Image], predictions: Predictions, truth: Sequence[int], columns: int
) -> Image.Image:
    """The photos in rows of `columns`, each with its predicted attributes and their probabilities;
    wrong ones are struck out in red.
    """
    width, height = _PHOTO
    cell_height = height + (len(labels.ATTRIBUTES) + 1) * _LINE
    rows = -(-len(photos) // columns)
    size = (columns * (width + _GAP) + _GAP, rows * (cell_height + _GAP) + _GAP)
    image = Image.new("RGB", size, "white")
    true = labels.decode(list(truth))
    predicted = {name: predictions.words(name) for name in labels.ATTRIBUTES}
    confidence = {name: predictions.confidence(name) for name in labels.ATTRIBUTES}
    for number, photo in enumerate(photos):
        row, column = divmod(number, columns)
        left, top = _GAP + column * (width + _GAP), _GAP + row * (cell_height + _GAP)
        image.paste(photo.resize(_PHOTO, Image.Resampling.LANCZOS), (left, top))
        words = {
            name: labels.ATTRIBUTES[name][codes[number]]
            for name, codes in zip(labels.ATTRIBUTES, true, strict=True)
        }
        verdict = {
            name: (predicted[name][number], float(confidence[name][number])) for name in words
        }
        _caption(ImageDraw.Draw(image), (left, top + height), verdict, words)
    return image


def _caption(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    verdict: dict[str, tuple[str, float]],
    true: dict[str, str],
) -> None:
    left, top = corner
    width = _PHOTO[0]
    draw.rectangle((left, top, left + width - 1, top + 7), fill=_COLOURS[verdict["mask"][0]])
    font = ImageFont.load_default(17)
    for line, name in enumerate(labels.ATTRIBUTES):
        y = top + 14 + line * _LINE
        predicted, probability = verdict[name]
        wrong = predicted != true[name]
        phrases = {"mask": f"mask: {predicted.replace('_', ' ')}", "age_band": f"{predicted} years"}
        words = phrases.get(name, predicted)
        draw.text((left, y), words, fill=_WRONG if wrong else _INK, font=font)
        if wrong:
            end = left + draw.textlength(words, font=font)
            draw.line((left, y + 11, end, y + 11), fill=_WRONG, width=2)
        draw.text((left + width, y), f"{probability:.0%}", fill=_SOFT, font=font, anchor="ra")
