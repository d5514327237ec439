import itertools
import math

import numpy as np
import pytest
import torch

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.model import heads, losses
from maskgate.config import Named

UNKNOWN = labels.UNKNOWN


def naive(probabilities: np.ndarray, photos: list[tuple[int, int, int]]) -> float:
    """−log of the summed probability of all agreeing classes, class by class."""
    total = 0.0
    for row, known in zip(probabilities, photos, strict=True):
        agreeing = 0.0
        for mask, gender, band in itertools.product(range(3), range(2), range(3)):
            parts = zip(known, (mask, gender, band), strict=True)
            if all(a in (UNKNOWN, b) for a, b in parts):
                agreeing += row[mask * 6 + gender * 3 + band]
        total -= math.log(agreeing)
    return total / len(photos)


BATCHES = {
    "full": [(0, 0, 0), (2, 1, 2), (1, 0, 1)],
    "partial": [(0, UNKNOWN, UNKNOWN), (UNKNOWN, 1, 2), (1, 0, 1)],
    "all partial": [(UNKNOWN, 1, UNKNOWN), (2, UNKNOWN, UNKNOWN)],
    "nothing known": [(UNKNOWN, UNKNOWN, UNKNOWN)],
}


@pytest.mark.parametrize("photos", BATCHES.values(), ids=BATCHES.keys())
@pytest.mark.parametrize("head", heads.HEADS.values(), ids=heads.HEADS.keys())
def test_cross_entropy_is_the_naive_sum(photos, head) -> None:
    torch.manual_seed(0)
    log_probabilities = head(10)(torch.randn(len(photos), 10, requires_grad=True))
    targets = torch.from_numpy(labels.agrees(*np.array(photos, dtype=np.int8).T))
    loss = losses.create(Named(name="cross_entropy"))(log_probabilities, targets)
    probabilities = log_probabilities.detach().double().exp().numpy()
    assert loss.item() == pytest.approx(naive(probabilities, photos), abs=1e-5)
    loss.backward()


def test_factored_loss_is_the_sum_of_the_known_attributes() -> None:
    torch.manual_seed(0)
    head, features = heads.Factored(6), torch.randn(4, 6)
    mask, gender, band = (head.linear(features)[:, part] for part in ([0, 1, 2], [3, 4], [5, 6, 7]))
    gender_of = torch.tensor([1, 0, 1, 1])
    band_of = torch.tensor([0, 2, 1, 1])
    unknown = np.full(4, UNKNOWN, dtype=np.int8)
    targets = labels.agrees(
        unknown, gender_of.numpy().astype(np.int8), band_of.numpy().astype("i1")
    )
    expected = torch.nn.functional.cross_entropy(gender, gender_of)
    expected = expected + torch.nn.functional.cross_entropy(band, band_of)
    loss = losses.CrossEntropy()(head(features), torch.from_numpy(targets))
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    (gradient,) = torch.autograd.grad(loss, mask, allow_unused=True)
    assert gradient is None or gradient.abs().max() < 1e-6


def test_gradients_stay_finite_where_a_class_is_next_to_impossible() -> None:
    logits = torch.full((2, 18), -80.0)
    logits[:, 0] = 80
    logits.requires_grad_()
    targets = torch.zeros(2, 18, dtype=torch.bool)
    targets[:, 5] = True
    losses.CrossEntropy()(logits.log_softmax(1), targets).backward()
    assert torch.isfinite(logits.grad).all()


def test_unknown_loss_suggests_the_near_one() -> None:
    with pytest.raises(MaskgateError, match="did you mean cross_entropy"):
        losses.create(Named(name="cros_entropy"))
    with pytest.raises(MaskgateError, match="gamma"):
        losses.create(Named(name="cross_entropy", gamma=2))
