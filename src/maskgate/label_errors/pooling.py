"""The evidence about a person: all photos speak together.

The photos of a person are not independent, least of all those with masks drawn on one photo. So the
sum of the log-probabilities of n photos is divided by the root of n. Photos with a mask, with a
mask worn incorrectly, and without one are pooled apart: a bare face says more about age and gender.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, logsumexp

from maskgate import labels
from maskgate.label_errors.evidence import Evidence, Floats

Rows = npt.NDArray[np.integer]

_LEAST: Final = 1e-4  # no photo alone is surer than that
_OFTEN: Final = 0.02  # share of the groups
_COMMON: Final = 0.2  # share of the groups that have photos of a kind


def log_probabilities(evidence: Evidence, attribute: str) -> Floats:
    """Of N photos, the logarithms (N, k) of the probabilities; NaN where nothing is known."""
    return np.log(evidence.probabilities[attribute].clip(_LEAST))


def kinds(sources: Sequence[Evidence], photos: int) -> Rows:
    """The mask state (N,) that is likeliest by the first source that knows it; else all are 0."""
    for source in sources:
        if "mask" in source.probabilities:
            return np.nan_to_num(source.probabilities["mask"], nan=-1).argmax(1)
    return np.zeros(photos, dtype=np.int64)


def by_group(values: Floats, group: Rows, count: int, power: float) -> Floats:
    """The sums of values (N, ...) of each of `count` groups, divided by their number to a power; 0
    for a group without any. `group` (N,) are numbers; rows that are NaN are left out."""
    known = np.isfinite(values.reshape(len(values), -1)).all(1)
    numbers = np.bincount(group[known], minlength=count)
    sums = np.zeros((count, *values.shape[1:]))
    np.add.at(sums, group[known], values[known])
    scale = np.maximum(numbers, 1).astype(np.float64) ** power
    return sums / scale.reshape(-1, *[1] * (values.ndim - 1))


def by_kind(values: Floats, group: Rows, count: int, kind: Rows) -> list[Floats]:
    """Values (N, ...) of the photos of each kind alone, NaN for the others. A kind that fewer than
    `_COMMON` of the groups have counts as the most common one."""
    known = np.isfinite(values.reshape(len(values), -1)).all(1)
    groups = [np.unique(group[known & (kind == code)]).size for code in range(len(labels.MASKS))]
    common = int(np.argmax(groups))
    is_rare = np.array(groups) < _COMMON * count
    kind = np.where(is_rare[kind], common, kind)
    if not known.any():
        return []
    shape = (-1, *[1] * (values.ndim - 1))
    return [
        np.where((kind == code).reshape(shape), values, np.nan)
        for code in range(len(labels.MASKS))
        if code == common or not is_rare[code]
    ]


def pooled(
    sources: Sequence[Evidence], attribute: str, group: Rows, count: int, kind: Rows
) -> Floats:
    """Pooled log-probabilities (F, count, k) of an attribute, for each source and each kind of
    photo; zeros for a group without evidence."""
    parts = [
        by_group(of_kind, group, count, power=0.5)
        for source in sources
        if attribute in source.probabilities
        for of_kind in by_kind(log_probabilities(source, attribute), group, count, kind)
    ]
    size = len(labels.ATTRIBUTES[attribute])
    return np.stack(parts) if parts else np.zeros((0, count, size))


def log_odds(pooled_logs: Floats, label: Rows) -> Floats:
    """Of pooled log-probabilities (F, U, k), the log-odds of the labels (U,) against all other
    values, 0 without evidence; and where that is so for some labels only, whether it is (U, ≥F)."""
    units = np.arange(len(label))
    others = pooled_logs.copy()
    others[:, units, label] = -np.inf
    odds: Floats = pooled_logs[:, units, label] - logsumexp(others, axis=2)
    silent = (pooled_logs == 0).all(2)  # no evidence, neither for the label nor against it
    often = silent[np.abs(silent.mean(1) - 0.5) <= 0.5 - _OFTEN]
    return np.column_stack([np.where(silent, 0.0, odds).T, often.T.astype(np.float64)])


def probabilities(sources: Sequence[Evidence], attribute: str, group: Rows, count: int) -> Floats:
    """The probabilities (count, k) of the values of an attribute for each group, all photos and
    sources together: the mean of the sources' pooled logarithms, normalised."""
    logs = [
        by_group(log_probabilities(source, attribute), group, count, power=0.5)
        for source in sources
        if attribute in source.probabilities
    ]
    voices = np.sum([(each != 0).any(1) for each in logs], axis=0)
    total = np.sum(logs, axis=0) / np.maximum(voices, 1)[:, None]
    return np.exp(log_softmax(total, axis=1))
