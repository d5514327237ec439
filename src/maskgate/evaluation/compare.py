"""What a change of the recipe changes: the paired difference of out-of-fold scores.

All runs are scored on the same resamples of people (`bootstrap.Resamples`), so that people who are
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

from maskgate import labels
from maskgate.core import confusions
from maskgate.core.progress import track
from maskgate.core.score import Score
from maskgate.errors import listed
from maskgate.evaluation import groups, metrics
from maskgate.evaluation.bootstrap import Floats, Resamples
from maskgate.evaluation.differences import Difference, Scored, differences
from maskgate.evaluation.groups import Entry, Side

Predicted = npt.NDArray[np.int64]

SCORE: Final = "score"
RESAMPLES: Final = 2000
FEWEST: Final = 4  # people of every class that a verdict needs: of fewer, who they are decides
_NUMBERS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Comparison:
    """A side against the reference; `differences`, of the side less the reference, by measure."""

    reference: Side
    side: Side
    differences: dict[str, Difference]
    scarce: dict[str, int]  # people of each class that has some, but too few for a verdict

    @property
    def score(self) -> Score:
        """The difference of the score, its interval corrected for the other comparisons."""
        return self.score_difference.corrected

    @property
    def score_difference(self) -> Difference:
        """The difference of the score."""
        return self.differences[SCORE]

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the score's corrected interval leaves out zero, else
        `undecided`, as it always is where a class has fewer than FEWEST people."""
        if self.scarce:
            return "undecided"
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
        if scarce := next((each.scarce for each in self.comparisons if each.scarce), None):
            counts = listed([f"{name} ({count})" for name, count in scarce.items()], 3)
            told.append(
                f"Too few people for a verdict: {counts}. Where a class has fewer than {FEWEST}"
                " people, who they are decides; the intervals are given all the same."
            )
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
    found = groups.gather(paths)
    first = found[0].entries[0]
    weights = Resamples(first.table, resamples, seed=0)
    entries = [entry for side in found for entry in side.entries]
    attributes = [
        name
        for name in labels.ATTRIBUTES
        if all(name in entry.results.attributes for entry in entries)
    ]
    each = track(entries, "scoring runs", len(entries))
    told = {entry.run.path: _scores(entry, attributes, weights) for entry in each}
    scores = [_of_side([told[entry.run.path] for entry in side.entries]) for side in found]
    names = [side.name for side in found]
    by_measure = {
        name: differences(dict(zip(names, (own[name] for own in scores), strict=True)))
        for name in scores[0]
    }
    scarce = _scarce(metrics.keep_labels(first.table, attributes))
    comparisons = [
        Comparison(
            found[0],
            side,
            {name: those[side.name] for name, those in by_measure.items()},
            scarce,
        )
        for side in found[1:]
    ]
    return Comparisons(
        sides=found,
        scores=scores,
        comparisons=comparisons,
        score_of=first.results.score_of,
        photos=len(first.table),
        people=weights.people,
        truth=first.truth,
        resamples=resamples,
    )


def _scarce(table: pd.DataFrame) -> dict[str, int]:
    """How many people have each class that the score is taken over, where that is some, but fewer
    than FEWEST."""
    classes: dict[str, tuple[str, ...]] = {"label": labels.CLASSES}
    if not (table["label"] != labels.UNKNOWN).any():
        classes = labels.ATTRIBUTES
    return {
        value: count
        for name, values in classes.items()
        for code, value in enumerate(values)
        if 0 < (count := table.loc[table[name] == code, "person"].nunique()) < FEWEST
    }


def _scores(entry: Entry, names: list[str], weights: Resamples) -> dict[str, tuple[float, Floats]]:
    """By measure a run's value and its resamples (R,), as `metrics.evaluate` scores."""
    found = {}
    parts = labels.marginals(entry.probabilities)
    for name in names:
        found[name] = _macro_f1(name, entry.table, parts[name].argmax(1), weights)
    if entry.results.score_of == metrics.ALL_CLASSES:
        predicted = entry.probabilities.argmax(1)
        score = _macro_f1("label", entry.table, predicted, weights)
    else:
        values, drawn = zip(*found.values(), strict=True)
        score = float(np.mean(values)), np.mean(drawn, axis=0)
    return {SCORE: score, **found}


def _macro_f1(
    of: str, table: pd.DataFrame, predicted: Predicted, weights: Resamples
) -> tuple[float, Floats]:
    drawn = weights.confusions(of, table[of].to_numpy(), predicted)
    here = confusions.confusion(table[of], predicted, drawn.shape[-1])
    return float(confusions.macro_f1(here)), confusions.macro_f1(drawn)


def _of_side(runs: list[dict[str, tuple[float, Floats]]]) -> dict[str, Scored]:
    return {
        name: Scored(
            np.array([run[name][0] for run in runs]), np.stack([run[name][1] for run in runs])
        )
        for name in runs[0]
    }
