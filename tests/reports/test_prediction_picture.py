import numpy as np
from PIL import Image

from maskgate import labels
from maskgate.inference.predictions import Predictions
from maskgate.reports import prediction_picture


def red(sheet: Image.Image) -> int:
    """How many pixels of the captions are as red as what is struck out."""
    pixels = np.asarray(sheet).astype(int)
    return int(((abs(pixels - (0xDC, 0x26, 0x26))).sum(2) < 30).sum())


def test_only_what_is_wrong_is_struck_out() -> None:
    photos = [Image.new("RGB", (60, 80), "grey")] * 3
    true_labels = [0, 4, 9]  # masks worn or worn incorrectly: no red bar
    probabilities = np.full((3, labels.COUNT), 0.001)
    probabilities[range(3), true_labels] = 1 - 0.017
    predictions = Predictions(["a", "b", "c"], probabilities)
    right = prediction_picture.sheet(photos, predictions, true_labels, columns=2)
    wrong = prediction_picture.sheet(photos, predictions, [0, 4, 10], columns=2)
    assert red(right) == 0
    assert red(wrong) > 100
    assert right.size == wrong.size


def test_photos_stand_in_rows() -> None:
    one = Image.new("RGB", (60, 80), "blue")
    predictions = Predictions(["a"] * 4, np.full((4, labels.COUNT), 1 / labels.COUNT))
    wide = prediction_picture.sheet([one] * 4, predictions, [0] * 4, columns=4)
    tall = prediction_picture.sheet([one] * 4, predictions, [0] * 4, columns=1)
    assert wide.width > 3 * tall.width
    assert tall.height > 3 * wide.height
