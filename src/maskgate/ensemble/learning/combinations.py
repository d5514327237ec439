"""Learns a combination and its adjustments of out-of-fold probabilities.

`out_of_fold` tells honestly what that is worth: each group of people is answered by what was
learned of the others.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core.progress import track
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.ensemble.learning import groups, near_tie, offsets, stacking, weights
from maskgate.ensemble.votes import Floats, Voice

# For each combination what learns of (voices, truth), and for each adjustment what learns of
# (probabilities, voices, truth).
LEARNERS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "weights": weights.learn,
    "stacking": stacking.learn,
    "near_tie": near_tie.learn,
    "offsets": offsets.learn,
}


def learn(wanted: EnsembleSpec, voices: Sequence[Voice], truth: pd.DataFrame) -> Combination:
    """The combination, learned of voices (N) whose `truth` a photo table (N rows) tells.

    It has the columns `fold` and `cluster` of people. Each adjustment learns of what comes out of
    those before it.
    """
    learned: dict[str, Any] = {}
    combination = Combination(EnsembleSpec(wanted.combine), learned)
    if wanted.combine.name in LEARNERS:
        learned[wanted.combine.name] = LEARNERS[wanted.combine.name](voices, truth)
    for count, named in enumerate(wanted.adjust, 1):
        if named.name in LEARNERS:
            told = combination(voices)
            learned[named.name] = LEARNERS[named.name](told, voices, truth)
        combination = Combination(EnsembleSpec(wanted.combine, wanted.adjust[:count]), learned)
    return combination


def out_of_fold(
    wanted: EnsembleSpec,
    voices: Sequence[Voice],
    truth: pd.DataFrame,
    combined: Sequence[Voice] | None = None,
) -> list[Floats]:
    """The probabilities (N, 18) after the combination, and after each adjustment, of photos whose
    people nothing was learned of: a group of people in turn is left out of the learning.

    Where other voices of the same photos are to be `combined`, it is still `voices` that are
    learned of.
    The groups are the folds of `truth` where it has several. Raises MaskgateError where there are
    too few people to leave some out.
    """
    combined = voices if combined is None else combined
    if not wanted.learns:
        return Combination(wanted, {}).steps(combined)
    group = groups.of_people(truth)
    truth = truth.assign(fold=group)
    found: list[Floats] = [np.empty((len(truth), labels.COUNT)) for _ in wanted.names]
    numbers = np.unique(group).tolist()
    for number in track(numbers, f"learning {', '.join(wanted.names)}", len(numbers)):
        out = group == number
        others = truth[~out].reset_index(drop=True)
        combination = learn(wanted, [voice.of(~out) for voice in voices], others)
        steps = combination.steps([voice.of(out) for voice in combined])
        for whole, part in zip(found, steps, strict=True):
            whole[out] = part
    return found
