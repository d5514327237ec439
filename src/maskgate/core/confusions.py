"""Confusion matrices, and the scores that are taken of them."""

import numpy as np
import numpy.typing as npt

from maskgate import labels

Floats = npt.NDArray[np.float64]


def confusion(truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> Floats:
    """Counts (classes, classes), true class down, predicted class across; unknown truth dropped."""
    truth, predicted = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    known = truth != labels.UNKNOWN
    cells = truth[known] * classes + predicted[known]
    counts = np.bincount(cells, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)


def f1(confusion: Floats) -> Floats:
    """F1 of every class (…, C) of confusions (…, C, C); 0 for one never true nor predicted."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    total = confusion.sum(-1) + confusion.sum(-2)
    return np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)


def macro_f1(confusion: Floats) -> Floats:
    """Mean F1 (…) over all classes of confusions (…, C, C)."""
    return f1(confusion).mean(-1)


def accuracy(confusion: Floats) -> Floats:
    """Share of photos on the diagonal, (…), of confusions (…, C, C); 0 of no photos."""
    total = confusion.sum((-2, -1))
    hits = np.trace(confusion, axis1=-2, axis2=-1)
    return np.divide(hits, total, out=np.zeros_like(hits), where=total > 0)


def recall(confusion: Floats) -> Floats:
    """Share of each true class found, (…, C)."""
    return _share(confusion, confusion.sum(-1))


def precision(confusion: Floats) -> Floats:
    """Share of each predicted class that is right, (…, C)."""
    return _share(confusion, confusion.sum(-2))


def _share(confusion: Floats, total: Floats) -> Floats:
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.divide(hits, total, out=np.zeros_like(hits), where=total > 0)
