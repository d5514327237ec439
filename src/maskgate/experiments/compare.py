"""What a change of the recipe changes: the paired difference of out-of-fold scores.

All runs are scored on the same resamples of people (`metrics.Resamples`), so that people who are
hard for every model do not blur the difference. How its interval is made, and corrected where
several sides are compared with one reference, stands in `differences`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels, metrics
from maskgate.experiments import sides
from maskgate.experiments.differences import Difference, Scored, differences
from maskgate.experiments.sides import Entry, Side
from maskgate.metrics import Floats, Score
from maskgate.progress import track

Predicted = npt.NDArray[np.int64]

SCORE: Final = "score"
RESAMPLES: Final = 2000
_NUMBERS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Comparison:
    """A side against the reference; `differences`, of the side less the reference, by measure."""

    reference: Side
    side: Side
    differences: dict[str, Difference]

    @property
    def score(self) -> Score:
        """The difference of the score, its interval corrected for the other comparisons."""
        return self.differences[SCORE].corrected

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the score's corrected interval leaves out zero, else
        `undecided`."""
        score = self.score
        return "better" if score.low > 0 else "worse" if score.high < 0 else "undecided"

    @property
    def speaks_of(self) -> str:
        """`these recipes` where both sides have several seeds, else `these two models`."""
        counts = [len(side.entries) for side in (self.reference, self.side)]
        if min(counts) > 1:
            return "these recipes"
        models = sum(counts)
        return f"these {_NUMBERS[models - 2] if models - 2 < len(_NUMBERS) else models} models"


@dataclass(frozen=True)
class Comparisons:
    """Every side, the first being the reference, and what differs in their scores."""

    sides: list[Side]
    scores: list[dict[str, Scored]]  # of each side, by measure
    comparisons: list[Comparison]  # of every side but the first
    score_of: str
    photos: int
    people: int
    truth: str
    resamples: int

    @property
    def measures(self) -> dict[str, str]:
        """Title of each measure: the score, then macro F1 of the attributes."""
        names = {name: name.replace("_", " ") for name in self.scores[0]}
        return names | {SCORE: self.score_of}

    @property
    def notes(self) -> list[str]:
        """What a reader must know to read the verdicts aright, a sentence each."""
        told = []
        if any(each.speaks_of != "these recipes" for each in self.comparisons):
            told.append(
                "A side with one seed is one model: whether its recipe is better, only further"
                " seeds can tell."
            )
        if len(self.comparisons) > 1:
            told.append(
                f"{len(self.comparisons)} comparisons were made, and intervals are corrected for"
                " that: where nothing differs, the chance that any of them is called better or"
                " worse is one in twenty."
            )
        selected = [
            side.name for side in self.sides if any(entry.selected for entry in side.entries)
        ]
        if selected:
            told.append(
                "The epoch was selected on the validation photos themselves, which flatters the"
                f" score, in {', '.join(selected)}."
            )
        return told


def compare(paths: Sequence[Path], resamples: int = RESAMPLES) -> Comparisons:
    """Compare the runs at `paths`, run folders or folders of them, with the side of the first.

    Raises MaskgateError where they cannot be compared; see `sides.gather`.
    """
    found = sides.gather(paths)
    first = found[0].entries[0]
    person, people = pd.factorize(first.table["person"])
    weights = metrics.Resamples(person, len(people), first.table, resamples, seed=0)
    entries = [entry for side in found for entry in side.entries]
    knows = [
        name
        for name in labels.ATTRIBUTES
        if all(name in entry.results["attributes"] for entry in entries)
    ]
    each = track(entries, "scoring runs", len(entries))
    told = {entry.run.path: _scores(entry, knows, weights) for entry in each}
    scores = [_of_side([told[entry.run.path] for entry in side.entries]) for side in found]
    names = [side.name for side in found]
    by_measure = {
        name: differences(dict(zip(names, (own[name] for own in scores), strict=True)))
        for name in scores[0]
    }
    comparisons = [
        Comparison(found[0], side, {name: those[side.name] for name, those in by_measure.items()})
        for side in found[1:]
    ]
    return Comparisons(
        sides=found,
        scores=scores,
        comparisons=comparisons,
        score_of=first.results["score_of"],
        photos=len(first.table),
        people=len(people),
        truth=first.truth,
        resamples=resamples,
    )


def _scores(
    entry: Entry, names: list[str], weights: metrics.Resamples
) -> dict[str, tuple[float, Floats]]:
    """By measure a run's value and its resamples (R,), as `metrics.evaluate` scores."""
    found = {}
    parts = labels.marginals(entry.probabilities)
    for name in names:
        predicted, size = parts[name].argmax(1), parts[name].shape[1]
        found[name] = _macro_f1(entry.table[name], predicted, weights, size)
    if entry.results["score_of"] == metrics.ALL_CLASSES:
        predicted = entry.probabilities.argmax(1)
        score = _macro_f1(entry.table["label"], predicted, weights, labels.COUNT)
    else:
        values, drawn = zip(*found.values(), strict=True)
        score = float(np.mean(values)), np.mean(drawn, axis=0)
    return {SCORE: score, **found}


def _macro_f1(
    truth: "pd.Series[int]", predicted: Predicted, weights: metrics.Resamples, size: int
) -> tuple[float, Floats]:
    codes = np.asarray(truth, dtype=np.int8)
    value = float(metrics.macro_f1(metrics.confusion(codes, predicted, size)))
    return value, metrics.macro_f1(weights.confusions(codes, predicted, size))


def _of_side(runs: list[dict[str, tuple[float, Floats]]]) -> dict[str, Scored]:
    return {
        name: Scored(
            np.array([run[name][0] for run in runs]), np.stack([run[name][1] for run in runs])
        )
        for name in runs[0]
    }
