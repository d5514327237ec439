"""The majority-class baseline: the scores of always answering the most frequent value.

A model that scores no better has learned nothing. The intervals are over people, on the same
resamples as those of a model's scores (see `bootstrap`); the people borrowed for small groups get
the most frequent value too.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import confusions
from maskgate.core.score import Score
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Floats, Resamples


@dataclass(frozen=True)
class Majority:
    """The scores of always answering `value`, the most frequent one, in words."""

    value: str
    macro_f1: Score
    accuracy: Score


def scores(
    table: pd.DataFrame, attributes: Collection[str] = tuple(labels.ATTRIBUTES)
) -> dict[str, Majority]:
    """The baseline of each of the `attributes` with labels in a photo table, and as `label` that of
    the 18 classes where photos have all labels."""
    table = metrics.keep_labels(table, attributes)
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    baselines = {}
    for name in _labelled([*labels.ATTRIBUTES, "label"], table):
        names = labels.ATTRIBUTES.get(name, labels.CLASSES)
        confusion, drawn = _confusions(name, table, weights)
        baselines[name] = Majority(
            value=names[int(confusion.sum(0).argmax())],
            macro_f1=metrics.interval(confusions.macro_f1(confusion), confusions.macro_f1(drawn)),
            accuracy=metrics.interval(confusions.accuracy(confusion), confusions.accuracy(drawn)),
        )
    return baselines


def main_score(
    table: pd.DataFrame, attributes: Collection[str] = tuple(labels.ATTRIBUTES)
) -> Score:
    """The baseline of `metrics.main_score`: macro F1 over the 18 classes, or where no photo has all
    labels the mean macro F1 of the attributes that have some."""
    table = metrics.keep_labels(table, attributes)
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    parts = [
        [confusions.macro_f1(each) for each in _confusions(name, table, weights)]
        for name in _labelled(["label"], table) or _labelled(labels.ATTRIBUTES, table)
    ]
    value, drawn = (np.mean(each, axis=0) for each in zip(*parts, strict=True))
    return metrics.interval(value, drawn)


def _labelled(names: Collection[str], table: pd.DataFrame) -> list[str]:
    return [name for name in names if (table[name] != labels.UNKNOWN).any()]


def _confusions(name: str, table: pd.DataFrame, weights: Resamples) -> tuple[Floats, Floats]:
    """The confusion (C, C) of the most frequent value, and those of the resamples (R, C, C)."""
    truth = table[name].to_numpy()
    size = len(labels.ATTRIBUTES.get(name, labels.CLASSES))
    counts = np.diagonal(confusions.confusion(truth, truth, size))
    # The diagonal of a perfect prediction is how often each value is true in a resample.
    drawn = np.diagonal(weights.confusions(name, truth, truth), axis1=1, axis2=2)
    answer = int(counts.argmax())
    return _of_constant(counts, answer), _of_constant(drawn, answer)


def _of_constant(counts: npt.NDArray[np.floating], answer: int) -> Floats:
    """The confusions (…, C, C) of one answer for all, of counts (…, C) of the true values."""
    confusion = np.zeros((*counts.shape, counts.shape[-1]))
    confusion[..., answer] = counts
    return confusion
