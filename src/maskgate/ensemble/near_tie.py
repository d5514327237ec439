"""S3's rule for near ties between the oldest age band and the one below it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from maskgate import labels
from maskgate.ensemble.votes import Floats, MemberProbabilities
from maskgate.errors import MaskgateError

_OLDEST: Final = len(labels.AGE_BANDS) - 1
_LEAST: Final = 1e-12


def near_tie(
    probabilities: Floats,
    members: Sequence[MemberProbabilities],
    learned: Mapping[str, Any],
    within: float = 0.3,
) -> Floats:
    """The younger age band, where the two best members disagree and one is nearly tied at 60 (S3).

    Nearly tied: a ≥60 class is first, the class that is one band younger and otherwise the same is
    second, and their logits differ by at most `within`. The younger class swaps its probability
    with the class that was first.
    """
    best, second_best = (members[number].probabilities for number in learned["best"])
    disagree = best.argmax(1) != second_best.argmax(1)
    first = probabilities.argmax(1)
    chosen = first
    for member in (second_best, best):  # where both are nearly tied, the best member decides
        younger, is_tied = _near_ties(member, within)
        chosen = np.where(disagree & is_tied, younger, chosen)
    rows, swapped = np.arange(len(chosen)), probabilities.copy()
    swapped[rows, chosen] = probabilities[rows, first]
    swapped[rows, first] = probabilities[rows, chosen]
    return swapped


def _near_ties(probabilities: Floats, within: float) -> tuple[Any, Any]:
    """The second class of each photo (N,), and whether it is nearly tied with the first (N,).

    Logits differ as log-probabilities do.
    """
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    first, second = ranked[:, 0], ranked[:, 1]
    logs = np.log(np.take_along_axis(probabilities, ranked[:, :2], axis=1).clip(_LEAST))
    _, _, band = labels.decode(first)
    is_younger = second == first - 1  # the band is the last digit of a label
    return second, (band == _OLDEST) & is_younger & (logs[:, 0] - logs[:, 1] <= within)


def check(member_attributes: Sequence[tuple[str, ...]]) -> None:
    """Raise MaskgateError where fewer than two members predict all attributes."""
    complete = [set(attributes) == set(labels.ATTRIBUTES) for attributes in member_attributes]
    if sum(complete) < 2:
        raise MaskgateError(
            "adjust near_tie compares the two best members that predict all attributes, and fewer"
            " than two do; remove it"
        )
