"""Every class loss against the formula of its paper, in value and gradient."""

import itertools
import math

import pytest
import torch
from torch.nn import functional

from maskgate.errors import MaskgateError
from maskgate.model.losses.class_losses import CLASS_LOSSES
from tests.model.losses.naive_class_losses import (
    BATCHES,
    COUNTS,
    EVERY,
    NAIVE,
    Photo,
    agreeing,
    tensor,
)

WEIGHTED: list[dict[str, object]] = [{"weights": "inverse"}, {"weights": "effective", "beta": 0.99}]

ARGUMENTS: dict[str, list[dict[str, object]]] = {
    "cross_entropy": WEIGHTED,
    "label_smoothing": [{"smoothing": 0.3}, *WEIGHTED],
    "focal": [{"gamma": 0.5}, {"gamma": 0.0}, *WEIGHTED],
    "ldam": [{"max_margin": 2.0, "scale": 5.0}, {"defer": 0.0}, {"defer": 0.0, "scale": 3.0}],
    "logit_adjusted": [{"tau": 0.4}],
}

CASES = [(name, more) for name in CLASS_LOSSES for more in [{}, *ARGUMENTS.get(name, [])]]

IDS = [f"{name} {more}" for name, more in CASES]

case = pytest.mark.parametrize(("name", "arguments"), CASES, ids=IDS)


def test_every_loss_is_derived_a_second_time() -> None:
    assert set(NAIVE) == set(CLASS_LOSSES)


@pytest.mark.parametrize("batch", BATCHES)
@case
def test_value_and_gradient_are_the_naive_ones(name, arguments, batch) -> None:
    classes, photos = BATCHES[batch]
    counts = COUNTS[classes]
    torch.manual_seed(1)
    logits = (2 * torch.randn(len(photos), classes, dtype=torch.float64)).requires_grad_()
    loss = CLASS_LOSSES[name](counts, **arguments).double()
    value = loss(logits.log_softmax(1), tensor(photos, classes))
    again = NAIVE[name](logits.softmax(1), photos, counts, **arguments)
    assert value.item() == pytest.approx(again.item(), rel=1e-6, abs=1e-9)
    (slope,) = torch.autograd.grad(value, logits)
    (slope_again,) = torch.autograd.grad(again, logits)
    torch.testing.assert_close(slope, slope_again, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("batch", ["full", "soft", "one attribute"])
@pytest.mark.parametrize("name", ["cross_entropy", "focal", "f1", "ldam"])
def test_gradients_are_those_of_finite_differences(name, batch) -> None:
    classes, photos = BATCHES[batch]
    loss, target = CLASS_LOSSES[name](COUNTS[classes]).double(), tensor(photos, classes)
    logits = torch.randn(len(photos), classes, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: loss(z.log_softmax(1), target), logits)


@case
def test_gradients_are_finite_where_probabilities_vanish(name, arguments) -> None:
    for (classes, photos), height in itertools.product(BATCHES.values(), (50.0, 1e4)):
        target = tensor(photos, classes, torch.float32)
        loss = CLASS_LOSSES[name](COUNTS[classes], **arguments)
        for sure in range(0, classes, 5):  # right for some photos, hopelessly wrong for others
            logits = torch.full((len(photos), classes), -height)
            logits[:, sure] = height
            logits.requires_grad_()
            value = loss(logits.log_softmax(1), target)
            value.backward()
            assert value.isfinite() and value >= 0
            assert logits.grad is not None and logits.grad.isfinite().all()


@case
def test_a_photo_of_which_nothing_is_known_adds_exactly_nothing(name, arguments) -> None:
    loss = CLASS_LOSSES[name](COUNTS[18], **arguments)
    torch.manual_seed(2)
    logits = (3 * torch.randn(4, 18)).requires_grad_()
    log_p = logits.log_softmax(1)
    photos: list[Photo] = [{3}, agreeing(1, -1, -1), EVERY[18], EVERY[18]]
    value = loss(log_p, tensor(photos, 18))
    share = 1 if name == "f1" else 2  # a mean over classes, the others over photos
    torch.testing.assert_close(value * share, loss(log_p[:2], tensor(photos[:2], 18)))
    (slope,) = torch.autograd.grad(value, logits)
    assert (slope[2:] == 0).all() and (slope[:2] != 0).any()
    value = loss(logits.log_softmax(1), tensor([EVERY[18]] * 4, 18))
    assert value == 0 and (torch.autograd.grad(value, logits)[0] == 0).all()


@case
def test_a_sure_probability_is_a_label(name, arguments) -> None:
    loss = CLASS_LOSSES[name](COUNTS[18], **arguments)
    log_p, hard = torch.randn(3, 18).log_softmax(1), tensor([{0}, {5}, {11}], 18)
    torch.testing.assert_close(loss(log_p, hard.float()), loss(log_p, hard))


@case
def test_mixed_targets_are_mixed_losses(name, arguments) -> None:
    if name in ("f1", "ldam"):  # a ratio over the batch; a margin within the softmax
        return
    loss = CLASS_LOSSES[name](COUNTS[18], **arguments)
    log_p = torch.randn(3, 18).log_softmax(1)
    one, other = tensor([{0}, {5}, {11}], 18), tensor([{2}, {5}, {8}], 18)
    mixed = loss(log_p, 0.3 * one.float() + 0.7 * other.float())
    torch.testing.assert_close(mixed, 0.3 * loss(log_p, one) + 0.7 * loss(log_p, other))


def test_those_that_torch_has_are_torch_s() -> None:
    log_p, code = torch.randn(40, 18).log_softmax(1), torch.randint(18, (40,))
    hard, soft = functional.one_hot(code, 18).bool(), torch.rand(40, 18).softmax(1)
    counts = COUNTS[18]
    cross_entropy = CLASS_LOSSES["cross_entropy"](counts)
    torch.testing.assert_close(cross_entropy(log_p, hard), functional.cross_entropy(log_p, code))
    torch.testing.assert_close(cross_entropy(log_p, soft), functional.cross_entropy(log_p, soft))
    smooth = CLASS_LOSSES["label_smoothing"](counts, 0.2)
    for target, known in ((hard, code), (soft, soft)):
        expected = functional.cross_entropy(log_p, known, label_smoothing=0.2)
        torch.testing.assert_close(smooth(log_p, target), expected)


def test_every_loss_teaches_where_no_training_photo_has_its_class_known() -> None:
    target = tensor([agreeing(0, -1, -1), agreeing(-1, 1, 2)], 18)
    for name, arguments in CASES:
        logits = torch.randn(2, 18, requires_grad=True)
        CLASS_LOSSES[name](COUNTS[18] * 0, **arguments)(logits.log_softmax(1), target).backward()
        assert logits.grad is not None and logits.grad.abs().sum() > 1e-3, (name, arguments)


FAULTS: dict[str, list[dict[str, object]]] = {
    "cross_entropy": [{"weights": "inverted"}, {"weights": "effective", "beta": 1.0}],
    "label_smoothing": [{"smoothing": 1.1}, {"smoothing": -0.1}, {"smoothing": math.nan}],
    "focal": [{"gamma": -1}, {"gamma": math.nan}, {"gamma": math.inf}],
    "ldam": [
        {"max_margin": -1},
        {"max_margin": math.nan},
        {"scale": 0},
        {"scale": math.nan},
        {"defer": 2},
    ],
    "logit_adjusted": [{"tau": -1}, {"tau": math.nan}],
}


@pytest.mark.parametrize(
    ("name", "arguments"), [(n, a) for n, all_ in FAULTS.items() for a in all_]
)
def test_nonsense_is_refused_in_a_sentence(name, arguments) -> None:
    with pytest.raises(MaskgateError) as error:
        CLASS_LOSSES[name](COUNTS[18], **arguments)
    assert next(iter(arguments)) in str(error.value) and "\n" not in str(error.value)


def test_no_tensor_is_of_64_bits_which_some_devices_lack() -> None:
    for name in CLASS_LOSSES:
        for buffer in CLASS_LOSSES[name](COUNTS[18]).buffers():
            assert buffer.dtype == torch.float32
