"""Pooling against loops over people and photos."""

import numpy as np
import pytest

from maskgate.label_errors import pooling
from maskgate.label_errors.evidence import Evidence

GROUP = np.array([0, 0, 0, 1, 1, 2])
KIND = np.array([0, 0, 1, 0, 1, 0])


@pytest.fixture
def evidence() -> Evidence:
    probabilities = np.random.default_rng(0).dirichlet([1, 1], len(GROUP))
    probabilities[4] = np.nan
    return Evidence("the run", {"gender": probabilities}, np.full(len(GROUP), np.nan))


def test_sums_are_divided_by_a_power_of_the_number(evidence: Evidence) -> None:
    logs = np.log(evidence.probabilities["gender"])
    for power in (0.5, 1.0):
        sums = pooling.by_group(logs, GROUP, 4, power)
        for group in range(4):
            rows = [row for row in range(6) if GROUP[row] == group and row != 4]
            expected = sum((logs[row] for row in rows), np.zeros(2)) / max(len(rows), 1) ** power
            assert sums[group] == pytest.approx(expected)


def test_each_kind_of_photo_is_pooled_alone_unless_it_is_rare(evidence: Evidence) -> None:
    logs = pooling.log_probabilities(evidence, "gender")
    pooled = pooling.pooled([evidence], "gender", GROUP, 3, KIND)
    assert pooled.shape == (2, 3, 2)
    assert pooled[0, 0] == pytest.approx((logs[0] + logs[1]) / np.sqrt(2))
    assert pooled[1, 0] == pytest.approx(logs[2])
    assert (pooled[1, 1:] == 0).all(), "of photo 4 nothing is known, and person 2 has none"
    rare = np.where(np.arange(6) == 5, 2, 0)
    ten = np.concatenate([GROUP, np.arange(3, 12)])
    kind = np.concatenate([rare, np.zeros(9, dtype=int)])
    more = np.concatenate([evidence.probabilities["gender"], np.full((9, 2), 0.5)])
    source = Evidence("", {"gender": more}, np.full(15, np.nan))
    assert len(pooling.pooled([source], "gender", ten, 12, kind)) == 1


def test_log_odds_are_of_the_label_against_all_others(evidence: Evidence) -> None:
    logs = np.log(np.random.default_rng(1).dirichlet([1, 1, 1], (2, 5)))
    logs[1, 3] = 0
    label = np.array([0, 1, 2, 0, 1])
    odds = pooling.log_odds(logs, label)
    for source in range(2):
        for unit in range(5):
            chances = np.exp(logs[source, unit])
            label_chance = chances[label[unit]]
            expected = (
                np.log(label_chance / (chances.sum() - label_chance))
                if (source, unit) != (1, 3)
                else 0
            )
            assert odds[unit, source] == pytest.approx(expected)
    assert odds[:, 2].tolist() == [0, 0, 0, 1, 0], "whether there is no evidence"


def test_all_sources_together_are_the_mean_of_their_logarithms(evidence: Evidence) -> None:
    other = Evidence("other", {"gender": np.full((6, 2), 0.5)}, np.full(6, np.nan))
    alone = pooling.probabilities([evidence], "gender", GROUP, 3)
    both = pooling.probabilities([evidence, other], "gender", GROUP, 3)
    assert alone.sum(1) == pytest.approx([1, 1, 1])
    odds, halved = np.log(alone[:, 0] / alone[:, 1]), np.log(both[:, 0] / both[:, 1])
    assert halved == pytest.approx(odds / 2)


def test_the_first_source_that_knows_masks_says_what_kind_a_photo_is() -> None:
    nothing = Evidence("", {}, np.full(2, np.nan))
    masks = Evidence("", {"mask": np.array([[0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])}, np.zeros(2))
    assert pooling.kinds([nothing, masks], 2).tolist() == [1, 2]
    assert pooling.kinds([nothing], 2).tolist() == [0, 0]
