"""The verdict on one face."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate import labels

UNSURE_BELOW: Final[Mapping[str, float]] = MappingProxyType({"mask": 0.6})
"""The thresholds of a model that has none of its own."""


@dataclass(frozen=True, eq=False)
class Answer:
    """The likeliest value of one attribute, its probability, and the attribute's threshold."""

    value: str
    probability: float
    threshold: float = 0.0

    @property
    def is_unsure(self) -> bool:
        """Whether another look is needed to know the value."""
        return self.probability < self.threshold


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


@dataclass(frozen=True, eq=False)
class Measured:
    """The verdict on a face, and the measures of its picture, box and probabilities by name; see
    `bundle.drift_measures`."""

    verdict: Verdict
    measures: Mapping[str, float]


def verdicts(
    boxes: npt.NDArray[np.float32],
    probabilities: npt.NDArray[np.float32],
    attributes: Sequence[str],
    thresholds: Mapping[str, float] = UNSURE_BELOW,
) -> list[Verdict]:
    """The verdicts on F faces, of which `boxes` (F, 5) are box and score, from `probabilities`
    (F, 18) of a model that predicts these attributes. By attribute, an answer that is less probable
    than the threshold is unsure."""
    marginals = labels.marginals(probabilities)
    best = {name: marginals[name].argmax(1) for name in attributes}

    def answer(name: str, row: int) -> Answer:
        code = best[name][row]
        probability = float(marginals[name][row, code])
        return Answer(labels.ATTRIBUTES[name][code], probability, thresholds.get(name, 0.0))

    return [
        Verdict(
            box=(float(left), float(top), float(right), float(bottom)),
            score=float(score),
            probabilities=probabilities[row],
            **{name: answer(name, row) for name in attributes},
        )
        for row, (left, top, right, bottom, score) in enumerate(boxes)
    ]
