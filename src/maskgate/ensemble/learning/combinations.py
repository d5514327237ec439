"""Fits a combination and its adjustments to out-of-fold probabilities.

`out_of_fold` gives an honest estimate of their score: the probabilities of each group of people
come from a combination that was fitted to the other people.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core.progress import track
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.ensemble.learning import calibration, groups, near_tie, offsets, stacking, weights
from maskgate.ensemble.votes import Floats, MemberProbabilities

# A combination is fitted to (members, truth), an adjustment to (probabilities, members, truth).
LEARNERS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "weights": weights.learn,
    "stacking": stacking.learn,
    "near_tie": near_tie.learn,
    "offsets": offsets.learn,
    "calibrate": calibration.learn,
    "calibrate_vector": calibration.learn_vector,
}


def learn(
    spec: EnsembleSpec, members: Sequence[MemberProbabilities], truth: pd.DataFrame
) -> Combination:
    """The combination, fitted to members' probabilities of N photos and their labels.

    `truth` is a photo table (N rows) with the columns `fold` and `cluster`. Each adjustment is
    fitted to the output of the steps before it.
    """
    learned: dict[str, Any] = {}
    combination = Combination(EnsembleSpec(spec.combine), learned)
    if spec.combine.name in LEARNERS:
        learned[spec.combine.name] = LEARNERS[spec.combine.name](members, truth)
    for count, method in enumerate(spec.adjust, 1):
        if method.name in LEARNERS:
            probabilities = combination(members)
            learned[method.name] = LEARNERS[method.name](probabilities, members, truth)
        combination = Combination(EnsembleSpec(spec.combine, spec.adjust[:count]), learned)
    return combination


def out_of_fold(
    spec: EnsembleSpec,
    members: Sequence[MemberProbabilities],
    truth: pd.DataFrame,
    combined: Sequence[MemberProbabilities] | None = None,
) -> list[Floats]:
    """The probabilities (N, 18) after the combination, and after each adjustment.

    Each group of people is left out of the fit in turn, so that no photo is predicted by a
    combination that was fitted to its person. The groups are the folds of `truth` where it has
    several. The probabilities that are `combined` are those of the members, or others of the same
    photos, to which nothing is fitted. Raises MaskgateError where there are too few people to leave
    some out.
    """
    combined = members if combined is None else combined
    if not spec.learns:
        return Combination(spec, {}).steps(combined)
    group = groups.of_people(truth)
    truth = truth.assign(fold=group)
    steps: list[Floats] = [np.empty((len(truth), labels.COUNT)) for _ in spec.names]
    numbers = np.unique(group).tolist()
    for number in track(numbers, f"learning {', '.join(spec.names)}", len(numbers)):
        held_out = group == number
        others = truth[~held_out].reset_index(drop=True)
        combination = learn(spec, [member.select(~held_out) for member in members], others)
        group_steps = combination.steps([member.select(held_out) for member in combined])
        for probabilities, group_probabilities in zip(steps, group_steps, strict=True):
            probabilities[held_out] = group_probabilities
    return steps
