"""LDAM: margins by rarity, and weights in the last epochs."""

from typing import Any

import numpy as np
import pytest
import torch

from maskgate.model.losses.class_losses import CLASS_LOSSES
from tests.model.losses.naive_class_losses import BATCHES, COUNTS, ldam, tensor


def test_ldam_weighs_classes_once_its_share_of_the_epochs_is_done() -> None:
    loss: Any = CLASS_LOSSES["ldam"](COUNTS[18], defer=0.5).double()
    photos = BATCHES["full"][1]
    p = torch.randn(5, 18, dtype=torch.float64).softmax(1)
    values = {}
    for done in (0.0, 0.49, 0.5, 1.0):
        loss.share_done = done
        values[done] = loss(p.log(), tensor(photos, 18)).item()
        again = ldam(p, photos, COUNTS[18], defer=0.5, done=done).item()
        assert values[done] == pytest.approx(again, rel=1e-6)
    assert values[0.0] == values[0.49] != values[0.5] == values[1.0]


def test_ldam_gives_rare_classes_the_wider_margin() -> None:
    margins = CLASS_LOSSES["ldam"](np.array([10_000, 16, 1]), max_margin=0.5).margins
    torch.testing.assert_close(margins, torch.tensor([0.05, 0.25, 0.5]))
