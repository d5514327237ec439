"""Classifier two-sample test (Lopez-Paz and Oquab, Revisiting classifier two-sample tests, ICLR
2017): can a classifier tell from a photo's features which of two sets it is from?

The classifier is linear: ridge regression of the set on principal components of the features. It
is trained on some people and scored on others, in folds that do not depend on the sets. The score
is the AUC over pairs of photos of one fold; .5 is chance. Ridge regression is linear in the labels,
so it is trained anew for each permutation of people, which makes the p-value exact.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate.core.progress import say, track
from maskgate.dataset_shift import effects
from maskgate.dataset_shift.effects import Effect
from maskgate.dataset_shift.units import PERMUTATIONS, Codes, Floats, Units

FOLDS: Final = 5
LEAST: Final = 10  # people of each set
_COMPONENTS: Final = 50  # that the classifier gets
_RIDGE: Final = 0.1  # of the mean variance of a component


def find(
    features: npt.NDArray[np.floating], groups: Codes, units: Units, seed: int
) -> Effect | None:
    """The effect 2 * AUC - 1 of a classifier on the features (N, F). `groups` (N,) are people who
    are held out together: those of both sets are one. None where a set has fewer than LEAST
    people."""
    if min(units.is_b.sum(), (~units.is_b).sum()) < LEAST:
        return None
    say(f"telling the sets apart by {features.shape[1]} features")
    fold = _folds(groups, seed)
    smoother = _smoother(_components(features), fold)
    scores = smoother @ units.is_b[units.unit].astype(float)
    in_folds = Units(units.unit.tolist(), units.is_b[units.unit], seed, fold)
    effect = effects.cliffs_delta(scores, in_folds)
    if effect is None:
        return None
    null = _permuted(smoother, fold, units)
    p = (1 + int((null >= effect.value - 1e-9).sum())) / (1 + len(null))
    return Effect(effect.value, effect.low, effect.high, p)


def _folds(groups: Codes, seed: int) -> Codes:
    """The fold (N,) of each photo: groups in random order, dealt out."""
    random = np.random.default_rng([seed, 3])
    count = int(groups.max()) + 1
    return np.asarray(random.permutation(np.arange(count) % FOLDS)[groups], dtype=np.int64)


def _components(features: npt.NDArray[np.floating]) -> Floats:
    """The first principal components (N, K) of the scaled features."""
    spread = features.std(0)
    scaled = (features - features.mean(0))[:, spread > 0] / spread[spread > 0]
    left, values, _ = np.linalg.svd(scaled.astype(np.float64), full_matrices=False)
    size = min(_COMPONENTS, len(features) // 4)
    components: Floats = left[:, :size] * values[:size] / np.sqrt(len(features))
    return components


@dataclass(frozen=True)
class _Smoother:
    """Makes held-out scores (N,) of which photos are in B (N,): of each fold the rows that are held
    out and that it is trained on, and the two factors of the matrix between them."""

    parts: list[tuple[Codes, Codes, Floats, Floats]]

    def __matmul__(self, is_b: Floats) -> Floats:
        scores = np.empty(len(is_b))
        for held_out, train, outer, inner in self.parts:
            scores[held_out] = outer @ (inner @ is_b[train])
        return scores


def _smoother(components: Floats, fold: Codes) -> _Smoother:
    """The smoother of a ridge regression in each fold."""
    parts = []
    for number in range(FOLDS):
        train, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        centre = components[train].mean(0)
        x = components[train] - centre
        gram = x.T @ x
        gram += _RIDGE * np.trace(gram) / max(1, len(gram)) * np.eye(len(gram))
        weights = np.linalg.solve(gram, x.T)
        parts.append((held_out, train, components[held_out] - centre, weights))
    return _Smoother(parts)


def _permuted(smoother: _Smoother, fold: Codes, units: Units) -> Floats:
    """The effect (PERMUTATIONS,) for the permutations of people."""
    effect = np.empty(PERMUTATIONS)
    weight = units.shares(units.unit)
    fold_of_unit = np.zeros(units.count, dtype=np.int64)
    fold_of_unit[units.unit] = fold
    for number in track(range(PERMUTATIONS), "permuting people", PERMUTATIONS):
        is_b = units.permuted[number] > 0
        scores = smoother @ is_b[units.unit].astype(float)
        levels = effects.mid_levels(scores, weight, fold)
        level = units.sums_of((weight * levels)[:, None], units.unit)[:, 0]
        count_b = np.bincount(fold_of_unit, is_b, FOLDS)
        count_a = np.bincount(fold_of_unit, ~is_b, FOLDS)
        b = np.bincount(fold_of_unit, level * is_b, FOLDS) / np.maximum(count_b, 1)
        a = np.bincount(fold_of_unit, level * ~is_b, FOLDS) / np.maximum(count_a, 1)
        pairs = count_a * count_b
        effect[number] = 2 * float(pairs @ (b - a)) / max(1.0, float(pairs.sum()))
    return effect


def auc(effect: Effect) -> tuple[float, float, float]:
    """The AUC with its interval."""
    value, low, high = ((each + 1) / 2 for each in (effect.value, effect.low, effect.high))
    return value, low, high
