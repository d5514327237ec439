"""The probability that a label is wrong, learned from planted errors.

The true errors are not known, so errors are planted in a copy of the labels: each label is replaced
by a wrong one. A logistic regression learns to tell these from the labels as they are. Of its
log-odds, those of a person are always by a regression that was fitted on other people. The labels
as they are contain errors too, so each of them, and its copies, has the probability that it is
right as its weight, and the fit is repeated. The share of wrong labels is then the likeliest one
(Saerens et al., Adjusting the Outputs of a Classifier to New a Priori Probabilities, Neural
Computation 2002), with a weak prior.

The networks are not trained again with the planted errors. Out-of-fold probabilities come from
networks that never saw the person's own label, so a planted error changes little in them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from maskgate.core import seeding
from maskgate.core.progress import track
from maskgate.label_errors.evidence import Floats

FOLDS: Final = 5
PLANTED_SHARE: Final = 0.03  # of the labels, where the calibration is scored
_ROUNDS: Final = 60
_CLOSE: Final = 1e-3  # a probability that changes less is final
_SEED: Final = 0
_INVERSE_REGULARISATION: Final = 3.0
_PRIOR: Final = (1.0, 49.0)  # wrong and right labels that were seen before: 2% are wrong
_BINS: Final = 10


@dataclass(frozen=True)
class Calibration:
    """How the probabilities fare where a share of PLANTED_SHARE of the labels is wrong: their
    expected calibration `error`, and the largest `recall` of wrong labels at a precision of at
    least one half. Each planted error is judged by a regression fitted on other people."""

    error: float
    recall: float


@dataclass(frozen=True)
class Estimate:
    """Of U labels, the `probability` (U,) that each is wrong, the estimated `share` of wrong ones,
    and the `calibration`."""

    probability: Floats
    share: float
    calibration: Calibration


def folds_of(cluster: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Folds (U,) of people in clusters (U,), whose members stay together."""
    random = np.random.default_rng(seeding.derive(_SEED, "suspects", "folds"))
    clusters, place = np.unique(cluster, return_inverse=True)
    return (random.permutation(len(clusters)) % min(FOLDS, len(clusters)))[place]


def estimate(
    features: Floats,
    planted: Floats,
    fold: npt.NDArray[np.integer],
    evidence: tuple[Floats, Floats] | None = None,
    what: str = "labels",
) -> Estimate:
    """The estimate for U labels with `features` (U, F), and in R copies with planted errors those
    of `planted` (R, U, F). `evidence` are more log-likelihood ratios of wrong to right labels, as
    they are (U,) and planted (U,); `what` names the labels in the progress."""
    more, more_planted = (
        (np.zeros(len(fold)), np.zeros(len(fold))) if evidence is None else evidence
    )
    weight = np.ones(len(fold))
    for _ in track(range(_ROUNDS), f"weighing {what}", _ROUNDS):
        ratio, ratio_planted = _cross_fitted(features, planted, fold, weight)
        ratio, ratio_planted = ratio + more, ratio_planted + more_planted
        share = _share(ratio)
        probability = _probability(ratio, share)
        change = np.abs(probability - (1 - weight)).max()
        weight = 1 - probability
        if change < _CLOSE:
            break
    return Estimate(probability, share, _calibration(ratio, ratio_planted, weight))


def _cross_fitted(
    features: Floats, planted: Floats, fold: npt.NDArray[np.integer], weight: Floats
) -> tuple[Floats, Floats]:
    """The log-likelihood ratios of wrong to right labels, as they are (U,) and planted (R, U)."""
    ratio, ratio_planted = np.zeros(len(fold)), np.zeros(planted.shape[:2])
    for number in np.unique(fold):
        held_out = fold == number
        model = _fitted(features[~held_out], planted[:, ~held_out], weight[~held_out])
        ratio[held_out] = model.decision_function(features[held_out])
        for copy, of_copy in zip(planted, ratio_planted, strict=True):
            of_copy[held_out] = model.decision_function(copy[held_out])
    return ratio, ratio_planted


def _fitted(features: Floats, planted: Floats, weight: Floats) -> Pipeline:
    """A regression that gives right and wrong labels the same total weight."""
    copies, count, _ = planted.shape
    inputs = np.concatenate([features, *planted])
    is_wrong = np.repeat([False, True], [count, copies * count])
    weights = np.concatenate([weight, np.tile(weight, copies) / copies])
    # Of the solvers, the fastest for many labels and few features.
    regression = LogisticRegression(
        C=_INVERSE_REGULARISATION, solver="newton-cholesky", max_iter=1000
    )
    model = make_pipeline(StandardScaler(), regression)
    return model.fit(inputs, is_wrong, logisticregression__sample_weight=weights)


def _share(ratio: Floats) -> float:
    """The likeliest share of wrong labels by expectation and maximisation, with the prior."""
    wrong, right = _PRIOR
    share = wrong / (wrong + right)
    for _ in range(500):
        total = _probability(ratio, share).sum() + wrong
        updated = float(total / (len(ratio) + wrong + right))
        if abs(updated - share) < 1e-7:
            break
        share = updated
    return updated


def _probability(ratio: Floats, share: float) -> Floats:
    """The probability of wrong labels of which there is such a share."""
    log_odds = ratio + np.log(share / (1 - share))
    return 1 / (1 + np.exp(-log_odds.clip(-500, 500)))


def _calibration(ratio: Floats, ratio_planted: Floats, weight: Floats) -> Calibration:
    """The calibration where PLANTED_SHARE of the labels are wrong. A label as it is counts as right
    with its `weight` (U,)."""
    log_ratios = np.concatenate([ratio, ratio_planted.ravel()])
    is_wrong = np.repeat([0.0, 1.0], [len(ratio), ratio_planted.size])
    weights = np.concatenate(
        [
            weight * ((1 - PLANTED_SHARE) / weight.sum()),
            np.tile(weight, len(ratio_planted))
            * (PLANTED_SHARE / weight.sum() / len(ratio_planted)),
        ]
    )
    probability = _probability(log_ratios, PLANTED_SHARE)
    bins = np.minimum((probability * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, weights * (probability - is_wrong), minlength=_BINS)
    order = np.argsort(-log_ratios, kind="stable")
    hits = np.cumsum((weights * is_wrong)[order])
    precision = hits / np.cumsum(weights[order])
    enough = precision >= 0.5
    recall = hits[enough].max() / PLANTED_SHARE if enough.any() else 0.0
    return Calibration(error=float(np.abs(gaps).sum()), recall=float(recall))
