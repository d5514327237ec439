"""Measures of a model's input and output, for drift detection.

A bundle keeps how they are distributed over the validation photos; a door compares its own.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.bundle.manifest import QUANTILES, Distribution
from maskgate.imaging.pixels import Pixels

LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def brightness(picture: Pixels) -> float:
    """Mean luma 0–255 of a picture (H, W, 3)."""
    return float((picture @ LUMA).mean())


def sharpness(picture: Pixels) -> float:
    """Variance of the Laplacian of the luma of a picture (H, W, 3): low where it is blurred
    (Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000)."""
    luma = picture @ LUMA
    centre = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((around - 4 * centre).var())


def of_picture(picture: Pixels) -> dict[str, float]:
    """The measures of a picture (H, W, 3), the model's input."""
    return {"brightness": brightness(picture), "sharpness": sharpness(picture)}


def of_face(box: npt.NDArray[np.floating]) -> dict[str, float]:
    """The measures of a face (5,): left, top, right, bottom in pixels of the photo, and score;
    nothing where they are NaN, because no face was detected."""
    if np.isnan(box).any():
        return {}
    return {"face_width": float(box[2] - box[0]), "face_score": float(box[4])}


def of_probabilities(
    probabilities: npt.NDArray[np.floating], attributes: Sequence[str]
) -> dict[str, float]:
    """The confidence in each attribute that the model predicts, from probabilities (18,): that of
    its likeliest value."""
    marginals = labels.marginals(probabilities[None])
    return {f"confidence_{name}": float(marginals[name].max()) for name in attributes}


def distribution(values: Sequence[float]) -> Distribution:
    """How values of one measure are distributed; there is at least one."""
    array = np.asarray(values, np.float64)
    return Distribution(
        photos=len(array),
        mean=float(array.mean()),
        std=float(array.std()),
        quantiles=[float(each) for each in np.quantile(array, QUANTILES)],
    )


def distributions(rows: Sequence[Mapping[str, float]]) -> dict[str, Distribution]:
    """The distribution of each measure over photos, of which each has some of the measures."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: distribution([row[name] for row in rows if name in row]) for name in names}
