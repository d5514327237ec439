"""F1 as a loss against the F1 of counts."""

import pytest
import torch
from torch.nn import functional

from maskgate.core import confusions
from maskgate.model.losses.class_losses import CLASS_LOSSES
from tests.model.losses.naive_class_losses import COUNTS


def test_f1_is_the_usual_one_over_the_classes_that_occur() -> None:
    """The F1 loss that circulates takes the mean over all classes, absent ones counting 0."""
    log_p, code = torch.randn(9, 18).log_softmax(1), torch.tensor([0, 1, 1, 5, 7, 7, 7, 16, 16])
    true, p = functional.one_hot(code, 18).float(), log_p.exp()
    hits, false, missed = (true * p).sum(0), ((1 - true) * p).sum(0), (true * (1 - p)).sum(0)
    precision, recall = hits / (hits + false + 1e-7), hits / (hits + missed + 1e-7)
    usual = 1 - (2 * precision * recall / (precision + recall + 1e-7)).clamp(1e-7, 1 - 1e-7).mean()
    value = CLASS_LOSSES["f1"](COUNTS[18])(log_p, true.bool())
    torch.testing.assert_close((1 - value) * 5 / 18, 1 - usual, rtol=1e-4, atol=1e-6)


def test_f1_of_sure_answers_is_the_macro_f1_of_counts() -> None:
    answers, code = torch.randint(3, (60,)), torch.randint(3, (60,))
    log_p = (200.0 * functional.one_hot(answers, 3)).log_softmax(1)
    value = CLASS_LOSSES["f1"](COUNTS[3])(log_p, functional.one_hot(code, 3).bool())
    expected = confusions.macro_f1(confusions.confusion(code.numpy(), answers.numpy(), 3))
    assert 1 - value.item() == pytest.approx(expected, abs=1e-6)
