"""Weights of photos by the rarity of their class."""

import numpy as np
import pytest
import torch

from maskgate import labels
from maskgate.model.losses.class_weights import ClassWeights
from tests.model.losses.naive_class_losses import COUNTS, naive_weights


@pytest.mark.parametrize(("how", "beta"), [("inverse", 0.9), ("effective", 0.9), (None, 0.9)])
def test_weights_have_mean_one_over_the_training_photos(how, beta) -> None:
    for counts in COUNTS.values():
        weights = ClassWeights(counts, how, beta)
        photos = torch.eye(len(counts)).bool()[np.repeat(np.arange(len(counts)), counts)]
        assert weights(photos).mean().item() == pytest.approx(1, abs=1e-5)
        each = weights(torch.eye(len(counts)).bool()).tolist()
        assert each == pytest.approx(naive_weights(counts, how, beta), rel=1e-5)


def test_partial_labels_weigh_as_those_who_agree() -> None:
    counts = np.array([30, 10, 0])
    weights = ClassWeights(counts, "inverse")
    target = torch.tensor([[True, True, False], [False, True, True], [False, False, True]])
    one, ten = weights(torch.eye(3).bool())[:2].tolist()
    assert weights(target).tolist() == pytest.approx([0.75 * one + 0.25 * ten, ten, 20], rel=1e-5)
    assert ten == pytest.approx(3 * one)


@pytest.mark.parametrize("how", ["inverse", "effective"])
def test_weights_are_alike_where_no_training_photo_has_its_class_known(how) -> None:
    weights = ClassWeights(np.zeros(18, dtype=np.int64), how)
    target = torch.from_numpy(labels.agrees(*np.array([[0, -1, 2], [1, 1, 1], [-1, 0, 1]], "i1")))
    torch.testing.assert_close(weights(target), torch.ones(3))
