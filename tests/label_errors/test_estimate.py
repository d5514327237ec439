"""Probabilities learned from planted errors, against the true ones of drawn labels."""

import numpy as np
import pytest

from maskgate.label_errors import estimate


def drawn(share: float, count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """One feature of labels, N(2, 1) of right and N(-2, 1) of wrong ones; and which are wrong."""
    random = np.random.default_rng(4)
    wrong = random.random(count) < share
    return np.where(wrong, -1, 1) * random.normal(2, 1, count), wrong


@pytest.mark.parametrize("share", [0.02, 0.08])
def test_the_probability_is_that_of_the_drawn_distributions(share: float) -> None:
    feature, wrong = drawn(share)
    fold = estimate.folds_of(np.arange(len(feature)))
    result = estimate.estimate(feature[:, None], -feature[None, :, None], fold)
    assert result.share == pytest.approx(wrong.mean(), rel=0.25)
    expected = 1 / (1 + np.exp(4 * feature) * (1 - share) / share)  # by Bayes' theorem
    assert np.abs(result.probability - expected).mean() < 0.005
    assert result.probability[wrong].mean() > 0.8 > 0.05 > result.probability[~wrong].mean()
    assert result.calibration.error < 0.01
    assert result.calibration.recall > 0.9


def test_labels_that_nothing_tells_apart_are_all_as_probable() -> None:
    random = np.random.default_rng(0)
    feature, planted = random.normal(size=(400, 1)), random.normal(size=(2, 400, 1))
    fold = estimate.folds_of(np.arange(400))
    result = estimate.estimate(feature, planted, fold)
    assert result.probability.max() < 0.15
    assert result.calibration.recall < 0.2


def test_a_cluster_is_in_one_fold_and_every_fold_has_people() -> None:
    cluster = np.repeat(np.arange(30), 2)
    fold = estimate.folds_of(cluster)
    assert (fold[::2] == fold[1::2]).all()
    assert set(fold) == set(range(estimate.FOLDS))


def test_no_person_is_judged_by_a_regression_that_saw_them() -> None:
    feature, _ = drawn(0.0, 200)
    fold = estimate.folds_of(np.arange(200))
    weight = np.ones(200)
    before, _ = estimate._cross_fitted(feature[:, None], -feature[None, :, None], fold, weight)
    weight[fold == 0] = 1e-9  # as if they were not there
    after, _ = estimate._cross_fitted(feature[:, None], -feature[None, :, None], fold, weight)
    assert after[fold == 0] == pytest.approx(before[fold == 0])
    assert after[fold == 1] != pytest.approx(before[fold == 1])


def test_more_evidence_is_added_to_the_regression() -> None:
    feature, _ = drawn(0.0, 400)
    fold, more = estimate.folds_of(np.arange(400)), np.zeros(400)
    more[7] = 6.0
    plain = estimate.estimate(feature[:, None], -feature[None, :, None], fold)
    result = estimate.estimate(
        feature[:, None], -feature[None, :, None], fold, (more, np.zeros(400))
    )
    assert result.probability[7] > 5 * plain.probability[7]
