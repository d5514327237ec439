"""Rounds of pseudo labels, judged: what each made of the out-of-fold score of the one before."""

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
    """A round's run, its score, and by how much that differs from the round's before.

    Without one before, `difference` is None. `labels` are the photos without labels as its folds
    were told, one table a fold; none in a round that trained without them.
    """

    number: int
    run: Run
    score: Score
    difference: Score | None
    labels: list[pd.DataFrame]

    @property
    def lowered(self) -> bool:
        """Whether the score is lower than the round's before, be it by chance."""
        return self.difference is not None and self.difference.value < 0

    @property
    def certain(self) -> bool:
        """Whether the difference's interval leaves out zero."""
        return self.difference is not None and self.difference.low * self.difference.high > 0

    @property
    def trained(self) -> float:
        """Photos with pseudo labels that were trained on, mean of the folds."""
        counts = [int((each["use"] == TRAINED).sum()) for each in self.labels]
        return float(np.mean(counts)) if counts else 0.0

    def classes(self) -> "pd.Series[float]":
        """By what they were labelled as (CLASSES, or what is known of it), the photos trained on;
        means of the folds."""
        named = [_named(each[each["use"] == TRAINED]) for each in self.labels]
        counted = pd.concat([each.value_counts() for each in named], axis=1)
        return counted.fillna(0).mean(axis=1)


@dataclass(frozen=True)
class Rounds:
    """Rounds in their order, on the same people in the same folds; `score_of` is what they are
    judged by."""

    rounds: list[Round]
    score_of: str
    people: int
    truth: str

    @property
    def best(self) -> Round:
        """The round with the highest score; of several the first."""
        return max(self.rounds, key=lambda each: (each.score.value, -each.number))


def judge(runs: Sequence[Run]) -> Rounds:
    """The runs of rounds, each compared with the one before on the same draws of people.

    Raises MaskgateError where they cannot be compared; see `compare`.
    """
    rounds = []
    for number, run in enumerate(runs):
        difference = None
        if number:
            found = compare.compare([runs[number - 1].path, run.path])
            difference = found.comparisons[0].score
        score = run.metrics().score
        assert score is not None  # it was compared, or will be
        labelled = [tables.pseudo(run, fold)[0] for fold in run.folds] if number else []
        rounds.append(
            Round(
                number=number,
                run=run,
                score=score.as_score(),
                difference=difference,
                labels=labelled,
            )
        )
    first = runs[0].metrics()
    return Rounds(rounds, first.score_of, first.people, runs[0].status().truth)


def _named(table: pd.DataFrame) -> "pd.Series[str]":
    """What each photo was labelled as, in words; what is unknown is a dash."""
    words = pd.DataFrame(
        {
            name: table[name].map(dict(enumerate(values)) | {labels.UNKNOWN: "–"})
            for name, values in labels.ATTRIBUTES.items()
        },
        dtype="str",
    )
    return words.agg(" ".join, axis=1).astype("str") if len(words) else pd.Series(dtype="str")
