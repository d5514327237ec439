"""The verdict on one face."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskgate import labels


@dataclass(frozen=True, eq=False)
class Answer:
    """The likeliest value of one attribute, and its probability."""

    value: str
    probability: float


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the model says of one face.

    `box` is its left, top, right and bottom in pixels of the frame, `score` the detector's.
    `probabilities` (18,) are of the classes; `mask`, `gender` and `age_band` are None where the
    model does not predict the attribute.
    """

    box: tuple[float, float, float, float]
    score: float
    probabilities: npt.NDArray[np.float32]
    mask: Answer | None = None
    gender: Answer | None = None
    age_band: Answer | None = None


def verdicts(
    boxes: npt.NDArray[np.float32],
    probabilities: npt.NDArray[np.float32],
    attributes: Sequence[str],
) -> list[Verdict]:
    """The verdicts on F faces, of which `boxes` (F, 5) are box and score, from `probabilities`
    (F, 18) of a model that predicts these attributes."""
    marginals = labels.marginals(probabilities)
    best = {name: marginals[name].argmax(1) for name in attributes}
    return [
        Verdict(
            box=(float(left), float(top), float(right), float(bottom)),
            score=float(score),
            probabilities=probabilities[row],
            **{
                name: Answer(labels.ATTRIBUTES[name][code], float(marginals[name][row, code]))
                for name, code in ((name, best[name][row]) for name in attributes)
            },
        )
        for row, (left, top, right, bottom, score) in enumerate(boxes)
    ]
