"""S3's rule for near ties between the oldest and the age band below it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from maskgate import labels
from maskgate.ensemble.votes import Floats, Voice
from maskgate.errors import MaskgateError

_OLDEST: Final = len(labels.AGE_BANDS) - 1
_LEAST: Final = 1e-12


def near_tie(
    probabilities: Floats,
    voices: Sequence[Voice],
    learned: Mapping[str, Any],
    within: float = 0.3,
) -> Floats:
    """The younger, where the two best members disagree and one all but ties at 60 (S3).

    It has a ≥60 class first, the same person one band younger second, and their logits at most
    `within` apart. The younger class and the one that led change places.
    """
    first, second = (voices[number].probabilities for number in learned["best"])
    disagree = first.argmax(1) != second.argmax(1)
    answer = probabilities.argmax(1)
    for said in (second, first):  # where both hesitate, the best has the last word
        younger, hesitates = _hesitation(said, within)
        answer = np.where(disagree & hesitates, younger, answer)
    rows, led = np.arange(len(answer)), probabilities.argmax(1)
    moved = probabilities.copy()
    moved[rows, answer], moved[rows, led] = probabilities[rows, led], probabilities[rows, answer]
    return moved


def _hesitation(said: Floats, within: float) -> tuple[Any, Any]:
    """(N,) the second class of each photo; and whether it is the first one's person, one band
    younger than ≥60, and as near as that.

    Logits differ as log-probabilities do.
    """
    ranked = np.argsort(-said, axis=1, kind="stable")
    top, second = ranked[:, 0], ranked[:, 1]
    logs = np.log(np.take_along_axis(said, ranked[:, :2], axis=1).clip(_LEAST))
    _, _, band = labels.decode(top)
    younger = second == top - 1  # the band is the last digit of a label
    return second, (band == _OLDEST) & younger & (logs[:, 0] - logs[:, 1] <= within)


def check(attributes: Sequence[tuple[str, ...]]) -> None:
    """Raise MaskgateError where fewer than two members know all attributes."""
    if sum(set(each) == set(labels.ATTRIBUTES) for each in attributes) < 2:
        raise MaskgateError(
            "adjust near_tie: asks whether the two best members disagree, and fewer than two know"
            " all attributes; leave it out"
        )
