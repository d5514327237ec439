"""Rounds of pseudo labels, each compared with the one before by out-of-fold score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core.score import Score
from maskgate.data.column_values import TRAINED
from maskgate.evaluation import compare
from maskgate.evaluation.compare import Comparison
from maskgate.runs import RunFolder, tables


@dataclass(frozen=True)
class Round:
    """A round's run, its score, and the `difference` from the round before (None in the first).

    `labels` are the pseudo labels that its folds were trained with, one table a fold; empty in a
    round without pseudo labels.
    """

    number: int
    run: RunFolder
    score: Score
    difference: Score | None
    labels: list[pd.DataFrame]

    @property
    def lowered(self) -> bool:
        """Whether the score is lower than that of the round before, even if by chance."""
        return self.difference is not None and self.difference.value < 0

    @property
    def certain(self) -> bool:
        """Whether the difference's interval excludes zero."""
        return self.difference is not None and self.difference.low * self.difference.high > 0

    @property
    def trained(self) -> float:
        """Photos with pseudo labels that were trained on, mean of the folds."""
        counts = [int((each["use"] == TRAINED).sum()) for each in self.labels]
        return float(np.mean(counts)) if counts else 0.0

    def classes(self) -> "pd.Series[float]":
        """How many photos were trained on with each label (CLASSES, or the known part of it); means
        of the folds."""
        words = [_label_words(table[table["use"] == TRAINED]) for table in self.labels]
        counts = pd.concat([each.value_counts() for each in words], axis=1)
        return counts.fillna(0).mean(axis=1)


@dataclass(frozen=True)
class Rounds:
    """Rounds in their order, on the same people in the same folds; `score_of` names their score.

    `recommended` is the round to use: the first, or a later one that is better by the verdict of a
    comparison. If the round with the highest score is another one, `over_recommended` is that
    round's comparison with it.
    """

    rounds: list[Round]
    score_of: str
    people: int
    truth: str
    recommended: Round
    over_recommended: Comparison | None = None

    @property
    def best(self) -> Round:
        """The round with the highest score; on a tie the first."""
        return max(self.rounds, key=lambda each: (each.score.value, -each.number))


def judge(runs: Sequence[RunFolder]) -> Rounds:
    """The runs of rounds, each compared with the one before on the same resamples of people.

    Raises MaskgateError where they cannot be compared; see `compare`.
    """

    @cache
    def compared(reference: int, number: int) -> Comparison:
        return compare.compare([runs[reference].path, runs[number].path]).comparisons[0]

    rounds, chosen = [], 0
    for number, run in enumerate(runs):
        difference = compared(number - 1, number).score if number else None
        if number and compared(chosen, number).verdict == "better":
            chosen = number
        score = run.metrics().score
        assert score is not None  # it was compared, or will be
        pseudo_labels = [tables.pseudo(run, fold)[0] for fold in run.folds] if number else []
        rounds.append(
            Round(
                number=number,
                run=run,
                score=score.as_score(),
                difference=difference,
                labels=pseudo_labels,
            )
        )
    first = runs[0].metrics()
    truth = runs[0].status().truth
    judged = Rounds(rounds, first.score_of, first.people, truth, recommended=rounds[chosen])
    best = judged.best
    if best.number == chosen:
        return judged
    over = compared(chosen, best.number)
    if over.verdict == "better":
        return replace(judged, recommended=best)
    return replace(judged, over_recommended=over)


def _label_words(table: pd.DataFrame) -> "pd.Series[str]":
    """The label of each photo in words, with a dash for each unknown attribute."""
    words = pd.DataFrame(
        {
            name: table[name].map(dict(enumerate(values)) | {labels.UNKNOWN: "–"})
            for name, values in labels.ATTRIBUTES.items()
        },
        dtype="str",
    )
    return words.agg(" ".join, axis=1).astype("str") if len(words) else pd.Series(dtype="str")
