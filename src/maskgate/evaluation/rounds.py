"""Rounds of pseudo labels, each compared with the one before by out-of-fold score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core.score import Score
from maskgate.data.column_values import TRAINED
from maskgate.evaluation import compare
from maskgate.runs import Run, tables


@dataclass(frozen=True)
class Round:
    """A round's run, its score, and the `difference` from the round before (None in the first).

    `labels` are the pseudo labels that its folds were trained with, one table a fold; empty in a
    round without pseudo labels.
    """

    number: int
    run: Run
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
    """Rounds in their order, on the same people in the same folds; `score_of` names their score."""

    rounds: list[Round]
    score_of: str
    people: int
    truth: str

    @property
    def best(self) -> Round:
        """The round with the highest score; on a tie the first."""
        return max(self.rounds, key=lambda each: (each.score.value, -each.number))


def judge(runs: Sequence[Run]) -> Rounds:
    """The runs of rounds, each compared with the one before on the same resamples of people.

    Raises MaskgateError where they cannot be compared; see `compare`.
    """
    rounds = []
    for number, run in enumerate(runs):
        difference = None
        if number:
            comparisons = compare.compare([runs[number - 1].path, run.path]).comparisons
            difference = comparisons[0].score
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
    return Rounds(rounds, first.score_of, first.people, runs[0].status().truth)


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
