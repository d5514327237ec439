"""What a change of the recipe changes: the paired difference of out-of-fold scores.

All runs are scored on the same resamples of people (`metrics.Resamples`), so that people who are
hard for every model do not blur the difference. A side scores the mean over its seeds. By how
much it depends on them is added to every resample: its seeds are drawn with replacement, too.
What a seed makes of the very people it is scored on is in both parts, so that intervals err on
the wide side.

Seeds are drawn for each side on its own. The same seed in two recipes shares the order of photos
only as long as nothing changes how many random numbers are drawn; to count on it would make
intervals narrower on a hope.

A bootstrap over n seeds is too narrow by √((n-1)/n), and a quantile of the normal distribution
is too small for a spread known from few seeds (Hesterberg, What teachers should know about the
bootstrap, The American Statistician 2015). Deviations of drawn seeds are therefore multiplied
by √(n/(n-1)), and the interval by the quantile of Student's t over that of the normal, with
the degrees of freedom of Welch and Satterthwaite: few where seeds make up the spread, so many
that nothing changes where people do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri, stdtrit

from maskgate import labels, metrics
from maskgate.experiments import sides
from maskgate.experiments.sides import Entry, Side
from maskgate.metrics import Floats, Score
from maskgate.progress import track
from maskgate.randomness import derive

Predicted = npt.NDArray[np.int64]

SCORE: Final = "score"
RESAMPLES: Final = 2000
_NUMBERS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Scored:
    """Scores of a side's seeds: on all people (n,), and in each resample of them (n, R)."""

    value: Floats
    drawn: Floats

    @property
    def mean(self) -> float:
        return float(self.value.mean())

    @property
    def score(self) -> Score:
        """The mean over the seeds, with its interval over people and seeds."""
        nothing = Scored(np.zeros(1), np.zeros((1, self.drawn.shape[1])))
        found = difference(nothing, self, derive("score"))
        return Score(found.value, max(0.0, found.low), min(1.0, found.high))


@dataclass(frozen=True)
class Comparison:
    """A side against the reference; `differences`, of the side less the reference, by measure."""

    reference: Side
    side: Side
    differences: dict[str, Score]

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the score's interval leaves out zero, else `undecided`."""
        score = self.differences[SCORE]
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
                f"{len(self.comparisons)} comparisons were made: where nothing differs, one in"
                " twenty is called better or worse all the same."
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
    names = [
        name
        for name in labels.ATTRIBUTES
        if all(name in entry.results["attributes"] for entry in entries)
    ]
    each = track(entries, "scoring runs", len(entries))
    told = {entry.run.path: _scores(entry, names, weights) for entry in each}
    scores = [_of_side([told[entry.run.path] for entry in side.entries]) for side in found]
    comparisons = [
        Comparison(
            found[0],
            side,
            {
                name: difference(scores[0][name], own[name], derive("compare", side.name))
                for name in own
            },
        )
        for side, own in zip(found[1:], scores[1:], strict=True)
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


# ---------------------------------------------------------------------------- intervals


def difference(reference: Scored, other: Scored, seed: int) -> Score:
    """Mean score of `other` less that of `reference`, both on the same resamples of people."""
    random = np.random.default_rng(seed)
    value = other.mean - reference.mean
    of_people = other.drawn.mean(0) - reference.drawn.mean(0)
    drawn = of_people + _of_seeds(other, random) - _of_seeds(reference, random)
    wider = _widening(reference, other, float(of_people.var()))
    tail = (1 - metrics.LEVEL) / 2
    low, high = np.quantile(value + wider * (drawn - value), [tail, 1 - tail])
    return Score(value, float(low), float(high))


def _of_seeds(scored: Scored, random: np.random.Generator) -> Floats:
    """By how much drawing seeds moves a side's score, in each of R draws (R,)."""
    count, draws = scored.drawn.shape
    if count == 1:
        return np.zeros(draws)
    times = random.multinomial(count, np.full(count, 1 / count), size=draws)
    moved: Floats = times / count @ (scored.value - scored.value.mean())
    return np.sqrt(count / (count - 1)) * moved


def _widening(reference: Scored, other: Scored, of_people: float) -> float:
    """Student's quantile over the normal one; `of_people` is the variance that people make up."""
    total, weighted = of_people, 0.0
    for scored in (reference, other):
        count = len(scored.value)
        if count > 1:
            variance = float(scored.value.var(ddof=1)) / count
            total += variance
            weighted += variance**2 / (count - 1)
    if weighted == 0:
        return 1.0
    upper = (1 + metrics.LEVEL) / 2
    return float(stdtrit(total**2 / weighted, upper) / ndtri(upper))
