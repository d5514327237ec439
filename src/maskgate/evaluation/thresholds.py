"""The lowest confidence at which answers are accepted, for a stated share of wrong ones among them.

The confidence in an attribute is the probability of its likeliest value; a photo with a lower one
than the threshold is sent for another look. The threshold is the lowest at which the accepted
photos have at most the stated error (Geifman and El-Yaniv, Selective classification for deep neural
networks, NeurIPS 2017, whose risk and coverage these are). It is never below one half: there the
answer is more likely wrong than right, if probabilities are calibrated. And it is fitted only to
photos of enough people: a share of 1% cannot be seen among fewer than 100.

The photos that a threshold is fitted to say too little of its error: it was chosen because they
have few. So people are scored with thresholds that were fitted to others. These are the folds, as
in `ensemble.learning.groups`. Intervals come from a bootstrap over people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.bundle.thresholds import Curve, Selection, Threshold
from maskgate.core.score import Score
from maskgate.ensemble.learning import groups
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Floats, Resamples
from maskgate.runs.records.results import Attribute, Figure

LEAST: Final = 0.5
"""The lowest threshold: an answer below it is more likely wrong than right."""
_POINTS: Final = 30  # of a curve
_DIGITS: Final = 5
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """A model's answers on one attribute: their `confidence` (N,), whether each `is_right` (N,),
    and the photo `table` (N rows)."""

    confidence: Floats
    is_right: Flags
    table: pd.DataFrame

    def take(self, rows: Flags) -> "Answers":
        """Some rows."""
        table = self.table[rows].reset_index(drop=True)
        return Answers(self.confidence[rows], self.is_right[rows], table)


def answers(name: str, probabilities: npt.NDArray[np.floating], table: pd.DataFrame) -> Answers:
    """The answers on an attribute of the photos whose label of it is known, from the probabilities
    (N, 18) of the photos of a table (N rows)."""
    known = (table[name] != labels.UNKNOWN).to_numpy()
    part = labels.marginals(probabilities[known].astype(np.float64))[name]
    rows = table[known].reset_index(drop=True)
    return Answers(part.max(1).clip(max=1), part.argmax(1) == rows[name].to_numpy(), rows)


def threshold(each: Answers, target: float) -> float | None:
    """The lowest confidence, at least LEAST, such that of the answers at or above it at most the
    share `target` is wrong; None where there is none that enough people reach: as many as can show
    such a share, 1 / `target`, and at least `metrics.FEW`."""
    order = np.argsort(-each.confidence, kind="stable")
    order = order[each.confidence[order] >= LEAST]
    confidence = each.confidence[order]
    person, _ = pd.factorize(each.table["person"].to_numpy()[order])
    people = np.maximum.accumulate(person) + 1  # they are numbered as they occur
    errors = np.cumsum(~each.is_right[order]) / np.arange(1, len(order) + 1)
    is_last = np.append(confidence[1:] < confidence[:-1], True)[: len(order)]
    is_met = is_last & (errors <= target) & (people >= max(metrics.FEW, 1 / target - 1e-9))
    places = np.flatnonzero(is_met)
    if not len(places):
        return None
    return LEAST if places[-1] == len(order) - 1 else float(confidence[places[-1]])


def of_others(each: Answers, target: float) -> Floats:
    """The threshold (N,) for each answer, fitted to other people; infinite where there is none.

    Raises MaskgateError where there are too few people to leave some out.
    """
    group = groups.of_people(each.table)
    lowest = np.full(len(group), np.inf)
    for number in np.unique(group):
        fitted = threshold(each.take(group != number), target)
        lowest[group == number] = np.inf if fitted is None else fitted
    return lowest


def fit(
    probabilities: npt.NDArray[np.floating], table: pd.DataFrame, targets: Mapping[Attribute, float]
) -> dict[Attribute, Threshold]:
    """The threshold of each attribute for its target, from probabilities (N, 18) of people whom the
    model was not trained on, and their photo table (N rows) with `fold` and `cluster`.

    An attribute without labels is left out. Raises MaskgateError where there are too few people to
    leave some out.
    """
    thresholds: dict[Attribute, Threshold] = {}
    for name, target in targets.items():
        each = answers(name, probabilities, table)
        if not len(each.confidence):
            continue
        confidence = threshold(each, target)
        lowest = np.zeros(len(each.confidence)) if confidence is None else of_others(each, target)
        thresholds[name] = Threshold(
            target=target,
            confidence=confidence,
            all=selection(each, lowest),
            groups=by_group(each, lowest),
        )
    return thresholds


def by_group(each: Answers, lowest: Floats) -> dict[str, Selection]:
    """The `selection` of each mask state, gender and age band that occurs."""
    parts = {}
    for name, values in labels.ATTRIBUTES.items():
        for code, value in enumerate(values):
            rows = (each.table[name] == code).to_numpy()
            if rows.any():
                parts[f"{name}: {value}"] = selection(each.take(rows), lowest[rows])
    return parts


def selection(each: Answers, lowest: Floats) -> Selection:
    """What thresholds (N,) do with the answers; only the counts of fewer than `metrics.FEW`
    people."""
    photos, people = len(each.confidence), int(each.table["person"].nunique())
    if people < metrics.FEW:
        return Selection(photos=photos, people=people)
    error, another_look = accepted_error(each, lowest)
    return Selection(
        photos=photos,
        people=people,
        another_look=Figure.from_score(another_look),
        curve=curve(each),
        **({} if error is None else {"error": Figure.from_score(error)}),
    )


def accepted_error(each: Answers, lowest: Floats) -> tuple[Score | None, Score]:
    """The share of wrong answers among those with at least the confidence `lowest` (N,), None
    where there are none, and the share of the others, with intervals.

    Where a share is 0 or 1, its interval is at least that of Clopper and Pearson (Biometrika 1934)
    for as many people: all resamples agree.
    """
    weights = Resamples(each.table, metrics.RESAMPLES, seed=0)
    is_sure = each.confidence >= lowest
    columns = np.stack([is_sure & ~each.is_right, is_sure, ~is_sure], 1).astype(np.float64)
    wrong, sure, unsure = columns.sum(0)
    drawn_wrong, drawn_sure, drawn_unsure = weights.sums(columns).T
    another_look = metrics.interval(
        unsure / len(columns), drawn_unsure / (drawn_sure + drawn_unsure)
    )
    another_look = metrics.at_least_exact(another_look, weights.people)
    if not sure:
        return None, another_look
    error = metrics.interval(wrong / sure, drawn_wrong / drawn_sure)
    return metrics.at_least_exact(error, len(np.unique(weights.person[is_sure]))), another_look


def curve(each: Answers) -> Curve:
    """The risk–coverage curve of the answers, of which there is at least one."""
    order = np.argsort(-each.confidence, kind="stable")
    confidence, count = each.confidence[order], len(order)
    errors = np.cumsum(~each.is_right[order]) / np.arange(1, count + 1)
    steps = np.ceil(np.linspace(0, count, _POINTS + 1)[1:]).astype(np.int64)
    values = np.unique(confidence[steps - 1])[::-1]
    places = np.searchsorted(-confidence, -values, side="right") - 1  # the last of equal ones
    return Curve(
        confidence=rounded(values.clip(0, 1)),
        coverage=rounded((places + 1) / count),
        error=rounded(errors[places]),
    )


def rounded(values: Floats) -> list[float]:
    """The values (K,) of a curve, with as many digits as a manifest keeps."""
    return [round(float(value), _DIGITS) for value in values]
