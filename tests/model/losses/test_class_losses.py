"""Every class loss against the formula of its paper, photo by photo and class by class."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from maskgate import confusions, labels
from maskgate.errors import MaskgateError
from maskgate.model.losses.class_losses import CLASS_LOSSES
from maskgate.model.losses.class_weights import ClassWeights

# What is known of a photo: the classes that agree, or the probability of every class.
Photo = set[int] | list[float]

RANDOM = np.random.default_rng(3)
COUNTS = {  # classes without a training photo, and rare ones
    18: np.array([300, 200, 30, 250, 260, 0, 60, 40, 5, 50, 70, 1, 55, 45, 0, 61, 48, 9]),
    3: np.array([50, 0, 7]),
}


def agreeing(mask: int, gender: int, band: int) -> set[int]:
    """Classes that agree with three codes, -1 where one is unknown."""
    found = set()
    for number, parts in enumerate(itertools.product(range(3), range(2), range(3))):
        if all(a in (-1, b) for a, b in zip((mask, gender, band), parts, strict=True)):
            found.add(number)
    return found


def drawn(count: int, classes: int) -> list[Photo]:
    return [list(row) for row in RANDOM.dirichlet(np.full(classes, 0.3), count)]


EVERY = {18: set(range(18)), 3: {0, 1, 2}}
BATCHES: dict[str, tuple[int, list[Photo]]] = {
    "full": (18, [{0}, {17}, {7}, {7}, {0}]),
    "of classes without a training photo": (18, [{5}, {14}, {0}]),
    "partial": (18, [agreeing(0, -1, -1), agreeing(-1, 1, 2), {7}, agreeing(-1, -1, 2)]),
    "all partial": (18, [agreeing(-1, 1, -1), agreeing(2, -1, -1), agreeing(1, 0, -1)]),
    "partly of nothing": (18, [{3}, EVERY[18], agreeing(1, -1, 0), EVERY[18]]),
    "of nothing": (18, [EVERY[18], EVERY[18]]),
    "one photo": (18, [{4}]),
    "one photo of nothing": (18, [EVERY[18]]),
    "one photo, partial": (18, [agreeing(2, -1, 0)]),
    "soft": (18, drawn(5, 18)),
    "cut and mixed": (18, [[0.7 * (c == 2) + 0.3 * (c == 16) for c in range(18)]]),
    "one attribute": (3, [{0}, {2}, {0}, {0}]),
    "one attribute, absent from training": (3, [{1}, {1}]),
    "one attribute, two of three": (3, [{0, 1}, {1}, {1, 2}, EVERY[3]]),
    "one attribute, soft": (3, drawn(4, 3)),
}


def tensor(photos: list[Photo], classes: int, dtype: torch.dtype = torch.float64) -> Tensor:
    if isinstance(photos[0], list):
        return torch.tensor(photos, dtype=dtype)
    rows = [[c in photo for c in range(classes)] for photo in photos]
    return torch.tensor(rows)


# ------------------------------------------------------------------- a second, naive way


def naive_weights(counts: np.ndarray, how: str | None, beta: float) -> list[float]:
    raw = []
    for n in counts.tolist():
        n = max(n, 1)
        effective = (1 - beta**n) / (1 - beta)
        raw.append({None: 1.0, "inverse": 1 / n, "effective": 1 / effective}[how])
    photos = [raw[c] for c, n in enumerate(counts) for _ in range(n)]
    mean = sum(photos) / len(photos) if photos else 1.0
    return [weight / mean for weight in raw]


def photo_weight(weights: list[float], counts: np.ndarray, photo: Photo) -> float:
    if isinstance(photo, list):
        return sum(t * w for t, w in zip(photo, weights, strict=True))
    theirs = [weights[c] for c in photo for _ in range(counts[c])]
    theirs = theirs or [weights[c] for c in photo]
    return sum(theirs) / len(theirs)


def nothing(photo: Photo, p: Tensor) -> bool:
    return isinstance(photo, set) and len(photo) == p.shape[1]


def by_class(
    p: Tensor,
    photos: list[Photo],
    counts: np.ndarray,
    term: Callable[[Tensor], Tensor],
    weights: str | None = None,
    beta: float = 0.999,
) -> Tensor:
    """Mean over photos of a term of the probability that what is known is so."""
    each = naive_weights(counts, weights, beta)
    total = p.sum() * 0
    for row, photo in zip(p, photos, strict=True):
        if isinstance(photo, list):
            for c, share in enumerate(photo):
                total = total + share * each[c] * term(row[c])
        elif not nothing(photo, p):
            whole = sum((row[c] for c in photo), start=torch.zeros((), dtype=p.dtype))
            total = total + photo_weight(each, counts, photo) * term(whole)
    return total / len(photos)


def cross_entropy(p, photos, counts, **arguments):
    return by_class(p, photos, counts, lambda q: -q.log(), **arguments)


def focal(p, photos, counts, gamma=2.0, **arguments):
    return by_class(p, photos, counts, lambda q: -((1 - q) ** gamma) * q.log(), **arguments)


def label_smoothing(p, photos, counts, smoothing=0.1, weights=None, beta=0.999):
    each = naive_weights(counts, weights, beta)
    kept = by_class(p, photos, counts, lambda q: -q.log(), weights, beta)
    spread = p.sum() * 0
    for row, photo in zip(p, photos, strict=True):
        if not nothing(photo, p):
            for q in row:
                spread = spread - photo_weight(each, counts, photo) * q.log() / len(row)
    return (1 - smoothing) * kept + smoothing * spread / len(photos)


def truth(row: Tensor, photo: Photo) -> list[float]:
    """The target of each class; where several agree, the network's own belief among them."""
    if isinstance(photo, list):
        return photo
    belief = row.detach().tolist()
    whole = sum(belief[c] for c in photo)
    return [belief[c] / whole if c in photo else 0.0 for c in range(len(row))]


def f1(p, photos, counts):
    found = []
    for c in range(p.shape[1]):
        hits, false, missed, occurs = (torch.zeros((), dtype=p.dtype) for _ in range(4))
        for row, photo in zip(p, photos, strict=True):
            if nothing(photo, p):
                continue
            true = truth(row, photo)[c]
            hits, occurs = hits + true * row[c], occurs + true
            false, missed = false + (1 - true) * row[c], missed + true * (1 - row[c])
        if occurs > 0:
            precision, recall = hits / (hits + false), hits / (hits + missed)
            found.append(2 * precision * recall / (precision + recall))
    return 1 - sum(found) / len(found) if found else p.sum() * 0


def ldam(p, photos, counts, max_margin=0.5, scale=1.0, defer=0.8, beta=0.9999, done=0.0):
    margins = [1 / math.sqrt(math.sqrt(max(n, 1))) for n in counts.tolist()]
    margins = [margin * max_margin / max(margins) for margin in margins]
    each = naive_weights(counts, "effective" if done >= defer else None, beta)
    total = p.sum() * 0
    for row, photo in zip(p, photos, strict=True):
        wanted = truth(row, photo)
        odds = [
            ((q.log() - m * t) * scale).exp() for q, m, t in zip(row, margins, wanted, strict=True)
        ]
        among = sum(odds, start=torch.zeros((), dtype=p.dtype))
        if isinstance(photo, list):
            for c, share in enumerate(photo):
                total = total - share * each[c] * (odds[c] / among).log()
        elif not nothing(photo, p):
            right = sum((odds[c] for c in photo), start=torch.zeros((), dtype=p.dtype))
            total = total - photo_weight(each, counts, photo) * (right / among).log()
    return total / len(photos)


def logit_adjusted(p, photos, counts, tau=1.0):
    shares = [max(n, 1) / sum(max(m, 1) for m in counts.tolist()) for n in counts.tolist()]
    rows = []
    for row in p:
        adjusted = [q * share**tau for q, share in zip(row, shares, strict=True)]
        among = sum(adjusted, start=torch.zeros((), dtype=p.dtype))
        rows.append(torch.stack([q / among for q in adjusted]))
    return cross_entropy(torch.stack(rows), photos, counts)


NAIVE: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "label_smoothing": label_smoothing,
    "focal": focal,
    "f1": f1,
    "ldam": ldam,
    "logit_adjusted": logit_adjusted,
}
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
    made = CLASS_LOSSES["cross_entropy"](counts)
    torch.testing.assert_close(made(log_p, hard), functional.cross_entropy(log_p, code))
    torch.testing.assert_close(made(log_p, soft), functional.cross_entropy(log_p, soft))
    smooth = CLASS_LOSSES["label_smoothing"](counts, 0.2)
    for target, known in ((hard, code), (soft, soft)):
        expected = functional.cross_entropy(log_p, known, label_smoothing=0.2)
        torch.testing.assert_close(smooth(log_p, target), expected)


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


# --------------------------------------------------------------------------------- weights


@pytest.mark.parametrize(("how", "beta"), [("inverse", 0.9), ("effective", 0.9), (None, 0.9)])
def test_weights_have_mean_one_over_the_training_photos(how, beta) -> None:
    for counts in COUNTS.values():
        made = ClassWeights(counts, how, beta)
        photos = torch.eye(len(counts)).bool()[np.repeat(np.arange(len(counts)), counts)]
        assert made(photos).mean().item() == pytest.approx(1, abs=1e-5)
        each = made(torch.eye(len(counts)).bool()).tolist()
        assert each == pytest.approx(naive_weights(counts, how, beta), rel=1e-5)


def test_partial_labels_weigh_as_those_who_agree() -> None:
    counts = np.array([30, 10, 0])
    made = ClassWeights(counts, "inverse")
    target = torch.tensor([[True, True, False], [False, True, True], [False, False, True]])
    one, ten = made(torch.eye(3).bool())[:2].tolist()
    assert made(target).tolist() == pytest.approx([0.75 * one + 0.25 * ten, ten, 20], rel=1e-5)
    assert ten == pytest.approx(3 * one)


@pytest.mark.parametrize("how", ["inverse", "effective"])
def test_weights_are_alike_where_no_training_photo_has_its_class_known(how) -> None:
    made = ClassWeights(np.zeros(18, dtype=np.int64), how)
    target = torch.from_numpy(labels.agrees(*np.array([[0, -1, 2], [1, 1, 1], [-1, 0, 1]], "i1")))
    torch.testing.assert_close(made(target), torch.ones(3))


def test_every_loss_teaches_where_no_training_photo_has_its_class_known() -> None:
    target = tensor([agreeing(0, -1, -1), agreeing(-1, 1, 2)], 18)
    for name, arguments in CASES:
        logits = torch.randn(2, 18, requires_grad=True)
        CLASS_LOSSES[name](COUNTS[18] * 0, **arguments)(logits.log_softmax(1), target).backward()
        assert logits.grad is not None and logits.grad.abs().sum() > 1e-3, (name, arguments)


# ---------------------------------------------------------------------------- deferral, faults


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
    with pytest.raises(MaskgateError) as told:
        CLASS_LOSSES[name](COUNTS[18], **arguments)
    assert next(iter(arguments)) in str(told.value) and "\n" not in str(told.value)


def test_no_tensor_is_of_64_bits_which_some_devices_lack() -> None:
    for name in CLASS_LOSSES:
        for buffer in CLASS_LOSSES[name](COUNTS[18]).buffers():
            assert buffer.dtype == torch.float32
