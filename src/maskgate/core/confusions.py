"""Confusion matrices, and scores computed from them."""

import numpy as np
import numpy.typing as npt

from maskgate import labels

Floats = npt.NDArray[np.float64]


def confusion(truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> Floats:
    """Counts (classes, classes), rows are true classes, columns predicted; unknown truth is left
    out."""
    truth, predicted = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    known = truth != labels.UNKNOWN
    cells = truth[known] * classes + predicted[known]
    counts = np.bincount(cells, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)


def f1(confusion: Floats) -> Floats:
    """F1 of every class (…, C) from confusions (…, C, C); 0 for a class neither true nor
    predicted."""
    true_positives = np.diagonal(confusion, axis1=-2, axis2=-1)
    total = confusion.sum(-1) + confusion.sum(-2)
    return np.divide(2 * true_positives, total, out=np.zeros_like(true_positives), where=total > 0)


def macro_f1(confusion: Floats) -> Floats:
    """Mean F1 (…) over all classes of confusions (…, C, C)."""
    return f1(confusion).mean(-1)


def accuracy(confusion: Floats) -> Floats:
    """The share of correct photos (…) from confusions (…, C, C); 0 without photos."""
    total = confusion.sum((-2, -1))
    correct = np.trace(confusion, axis1=-2, axis2=-1)
    return np.divide(correct, total, out=np.zeros_like(correct), where=total > 0)


def recall(confusion: Floats) -> Floats:
    """The share of each true class that is predicted correctly, (…, C)."""
    return _share(confusion, confusion.sum(-1))


def precision(confusion: Floats) -> Floats:
    """The share of each predicted class that is correct, (…, C)."""
    return _share(confusion, confusion.sum(-2))


def _share(confusion: Floats, total: Floats) -> Floats:
    true_positives = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.divide(true_positives, total, out=np.zeros_like(true_positives), where=total > 0)
