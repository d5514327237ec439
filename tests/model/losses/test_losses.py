"""Losses by name: what they ask of heads, and every one derived a second time."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.model import losses
from maskgate.model.losses import LOSSES
from maskgate.model.losses.class_losses import CLASS_LOSSES
from maskgate.pipeline.target import Target
from tests.model.losses.naive_losses import (
    BATCHES_AND_SOFT,
    COUNTS,
    SIZES,
    F,
    age_regression,
    arcface,
    binary_cross_entropy,
    create_head,
    create_loss,
    distillation,
    drawn,
    f1_and_focal,
    fine_age,
    label_distribution,
    marginals,
    mean_variance,
    per_attribute,
    supervised_contrastive,
    triplet,
)

SUM = [{"name": "f1", "weight": 0.4}, {"name": "focal", "weight": 0.6}]
FOCAL = {"name": "focal", "gamma": 1.5}

# A loss, its arguments, a head, the naive twin, the arguments it shares.
CASES: list[tuple[str, dict[str, Any], dict[str, Any], Any, dict[str, Any]]] = [
    ("per_attribute", {}, {"name": "factored"}, per_attribute, {}),
    ("per_attribute", {}, {"name": "joint"}, per_attribute, {}),
    (
        "per_attribute",
        {"mask": FOCAL, "gender": FOCAL, "age_band": FOCAL},
        {"name": "joint"},
        per_attribute,
        {"gamma": 1.5},
    ),
    (
        "per_attribute",
        {},
        {"name": "one_attribute", "of": "age_band"},
        per_attribute,
        {"of": ["age_band"]},
    ),
    ("sum", {"parts": SUM}, {"name": "joint"}, f1_and_focal, {}),
    ("binary_cross_entropy", {}, {"name": "multi_label"}, binary_cross_entropy, {}),
    ("arcface", {}, {"name": "cosine"}, arcface, {}),
    ("arcface", {"margin": 1.2}, {"name": "cosine", "scale": 4}, arcface, {"margin": 1.2}),
    ("arcface", {"margin": 0}, {"name": "cosine"}, arcface, {"margin": 0}),
    ("arcface", {"of": ["age_band"]}, {"name": "cosine"}, arcface, {"of": ["age_band"]}),
    ("age_regression", {}, {"name": "factored", "regress_age": True}, age_regression, {}),
    ("fine_age", {}, {"name": "factored", "age": "fine"}, fine_age, {}),
    *(
        (name, arguments, {"age": "years", **head}, naive, arguments)
        for name, naive, more in (
            ("label_distribution", label_distribution, {"sigma": 0.5}),
            ("mean_variance", mean_variance, {"mean": 0.5, "variance": 0.0}),
        )
        for arguments in ({}, more)
        for head in ({"name": "factored"}, {"name": "one_attribute", "of": "age_band"})
    ),
    *(
        ("distillation", arguments, head, distillation, arguments)
        for arguments in ({}, {"temperature": 1.0})
        for head in ({"name": "factored"}, {"name": "joint"})
    ),
    *(
        (name, arguments, {"name": "factored"}, naive, arguments)
        for name, naive, more in (
            ("supervised_contrastive", supervised_contrastive, {"temperature": 0.5}),
            ("triplet", triplet, {"margin": 1.5}),
        )
        for arguments in ({}, more, {"of": "mask"}, {"of": "age_band"})
    ),
]

case = pytest.mark.parametrize(
    ("name", "arguments", "head", "naive", "shared"),
    CASES,
    ids=[f"{c[0]} {c[1]} {c[2]}" for c in CASES],
)


def test_every_loss_is_derived_a_second_time() -> None:
    """Those of classes in test_class_losses.py."""
    assert {name for name, *_ in CASES} | set(CLASS_LOSSES) == set(LOSSES)
    assert not {name for name, *_ in CASES} & set(CLASS_LOSSES)


@pytest.mark.parametrize("batch", BATCHES_AND_SOFT)
@case
def test_value_and_gradient_are_the_naive_ones(name, arguments, head, naive, shared, batch) -> None:
    network, (target, known) = create_head(head), drawn(batch)
    features = torch.randn(len(known), F, requires_grad=True)
    output = network(features)
    value = create_loss(name, network, **arguments)(output, target)
    again = naive(output, target, known, **shared)
    assert value.item() == pytest.approx(again.item(), rel=1e-4, abs=1e-5)
    (slope,) = torch.autograd.grad(value, features, retain_graph=True)
    (slope_again,) = torch.autograd.grad(again, features)
    torch.testing.assert_close(slope, slope_again, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [0.0, 1e-4, 50.0, 1e4])
@case
def test_gradients_are_finite_and_nothing_known_adds_nothing(
    name, arguments, head, naive, shared, size
) -> None:
    network = create_head(head)
    loss = create_loss(name, network, **arguments)
    for batch in BATCHES_AND_SOFT:
        target, known = drawn(batch)
        features = (size * torch.randn(len(known), F)).requires_grad_()
        features.data[-1] = features.data[0]  # two photos alike
        value = loss(network(features), target)
        value.backward()
        assert value.isfinite(), batch
        for tensor in (features, *network.parameters()):
            assert tensor.grad is None or tensor.grad.isfinite().all(), batch
        if name == "distillation":  # a teacher knows something of every photo
            continue
        if batch.endswith("of nothing") and not batch.startswith("partly"):
            assert value == 0 and (features.grad == 0).all()
        if batch == "partly of nothing":
            assert (features.grad[1] == 0).all()


@pytest.mark.parametrize("batch", BATCHES_AND_SOFT)
@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_class_losses_look_at_the_18_classes(name, batch) -> None:
    network, (target, known) = create_head(), drawn(batch)
    output = network(torch.randn(len(known), F))
    expected = CLASS_LOSSES[name](COUNTS["classes"])(output.log_probabilities, target.classes)
    torch.testing.assert_close(create_loss(name, network)(output, target), expected)


WITH_COUNTS: dict[str, dict[str, Any]] = {name: {} for name in CLASS_LOSSES} | {
    "cross_entropy": {"weights": "inverse"},
    "focal": {"weights": "effective"},
    "label_smoothing": {"weights": "inverse"},
    "ldam": {"defer": 0.0},
}


@pytest.mark.parametrize("batch", BATCHES_AND_SOFT)
@pytest.mark.parametrize("of", SIZES)
@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_a_head_of_one_attribute_learns_that_alone(name, of, batch) -> None:
    network, (target, known) = create_head({"name": "one_attribute", "of": of}), drawn(batch)
    features = torch.randn(len(known), F, requires_grad=True)
    output = network(features)
    rows = [torch.stack(marginals(row)[of]) for row in output.log_probabilities]
    class_targets = []
    for photo in known:
        code = photo[of]
        every = range(SIZES[of])
        class_targets.append(
            code if isinstance(code, list) else [True if code is None else code == k for k in every]
        )
    naive = CLASS_LOSSES[name](COUNTS[of], **WITH_COUNTS[name])
    again = naive(torch.stack(rows).float().log(), torch.tensor(class_targets))
    value = create_loss(name, network, **WITH_COUNTS[name])(output, target)
    torch.testing.assert_close(value, again, rtol=1e-4, atol=1e-5)
    value.backward()
    unknown = [photo[of] is None for photo in known]
    assert features.grad is not None and (features.grad[unknown] == 0).all()


def test_age_bands_without_years_teach_classes_but_no_ages() -> None:
    network = create_head({"name": "factored", "regress_age": True, "age": "fine"})
    target = Target(
        torch.from_numpy(labels.agrees(*np.array([[0], [0], [1]], "i1"))),
        torch.full((1, 2), torch.nan),
        torch.empty(1, 0),
    )
    output = network(torch.randn(1, F))
    assert create_loss("age_regression", network)(output, target) == 0
    assert create_loss("fine_age", network)(output, target) == 0
    assert create_loss("cross_entropy", network)(output, target) > 0


def test_an_exact_age_a_group_and_a_band_teach_their_years() -> None:
    """What each lowers the loss to: a narrow peak, any share within the group, or the band."""
    head: Any = create_head({"name": "factored", "age": "years"})
    loss = create_loss("label_distribution", head, sigma=1.0)
    agrees = torch.from_numpy(labels.agrees(*np.array([[0], [0], [0]], "i1")))
    for first, last, years in (
        (24.0, 24.0, {24}),
        (20.0, 29.0, {*range(20, 30)}),
        (math.nan,) * 2 + ({*range(30)},),
    ):
        target = Target(agrees, torch.tensor([[first, last]]), torch.empty(1, 0))
        features = torch.zeros(1, F)
        for at in (24, 20, 29, 19, 30, 0):
            with torch.no_grad():
                head.linear.weight.zero_()
                head.linear.bias.zero_()
                head.linear.bias[5 + at] = 20
            value = loss(head(features), target).item()
            assert (value < 1e-4 if len(years) > 1 else value < 16) == (at in years), (first, at)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_photo_without_soft_labels_adds_nothing_to_distillation(temperature: float) -> None:
    network, (target, known) = create_head(), drawn(BATCHES_AND_SOFT[0])
    without = torch.arange(len(known)) % 2 == 0
    target.soft_labels[without] = torch.nan
    features = torch.randn(len(known), F, requires_grad=True)
    value = create_loss("distillation", network, temperature=temperature)(network(features), target)
    value.backward()
    assert features.grad is not None and (features.grad[without] == 0).all()
    assert (features.grad[~without] != 0).any()
    again = distillation(
        network(features[~without]), target.take(~without), known[1::2], temperature
    )
    share = float((~without).float().mean())
    assert value.item() == pytest.approx(share * again.item(), rel=1e-4)


def test_a_teacher_and_a_loss_need_each_other() -> None:
    head = create_head()
    distil = create_loss("sum", head, parts=["cross_entropy", "distillation"])
    plain = create_loss("cross_entropy", head)
    losses.check_use(distil, head, has_teacher=True)
    losses.check_use(plain, head)
    with pytest.raises(MaskgateError, match="needs a teacher; set teacher to a run or a bundle"):
        losses.check_use(distil, head)
    with pytest.raises(MaskgateError, match="no loss uses it; add distillation to the loss"):
        losses.check_use(plain, head, has_teacher=True)


@pytest.mark.parametrize("batch", ["full", "partial", "all partial", "partly of nothing"])
def test_photos_mixed_with_a_partner_give_the_mixed_losses_of_both(batch) -> None:
    """λ·L(a) + (1−λ)·L(b), by hand, for photos of which different attributes are known."""
    network, (target, known) = create_head({"name": "factored"}), drawn(batch)
    output, partner = network(torch.randn(len(known), F)), torch.arange(len(known)).flip(0)
    loss = create_loss("cross_entropy", network)
    mixed = 0.7 * loss(output, target) + 0.3 * loss(output, target.take(partner))
    expected = 0.0
    for i, log_p in enumerate(output.log_probabilities):
        for share, photo in ((0.7, known[i]), (0.3, known[int(partner[i])])):
            for name, p in marginals(log_p).items():
                if photo[name] is not None:
                    expected -= share * p[photo[name]].log().item() / len(known)
    assert mixed.item() == pytest.approx(expected, abs=1e-5)


def test_deferred_weights_hear_of_the_progress_wherever_they_stand() -> None:
    network = create_head()
    late = {"name": "ldam", "defer": 0.5}
    plain = create_loss("ldam", network, defer=0.5)
    nested = create_loss("sum", network, parts=[{"name": "per_attribute", "age_band": late}, late])
    target, known = drawn("full")
    output = network(torch.randn(len(known), F))
    for loss in (plain, nested):
        values = []
        for share in (0.0, 0.4, 0.5, 1.0, 0.0):
            losses.set_progress(loss, share)
            values.append(loss(output, target).item())
        assert values[0] == values[1] == values[4] != values[2] == values[3]
    losses.set_progress(create_loss("f1", network), 0.5)  # one that does not care


@pytest.mark.parametrize(
    ("loss", "fault"),
    [
        ({"name": "cros_entropy"}, "did you mean cross_entropy"),
        ({"name": "cross_entropy", "gamma": 2}, "gamma"),
        ({"name": "focal", "gamma": "two"}, "focal"),
        ({"name": "sum"}, "parts"),
        ({"name": "sum", "parts": ["fokal"]}, "did you mean focal"),
        ({"name": "sum", "parts": [{"name": "focal", "gama": 2}]}, "gama"),
        ({"name": "per_attribute", "mask": "focl"}, "did you mean focal"),
        ({"name": "per_attribute", "mask": "sum"}, "unknown class loss sum"),
        ({"name": "per_attribute", "mask": 3}, r"loss\.mask"),
        ({"name": "per_attribute", "age": "focal"}, "age"),
        ({"name": "binary_cross_entropy"}, "gives logits"),
        ({"name": "arcface"}, "gives cosines"),
        ({"name": "age_regression"}, "gives age"),
        ({"name": "fine_age"}, "gives fine_age"),
        ({"name": "label_distribution"}, "gives age_distribution"),
        ({"name": "mean_variance"}, "gives age_distribution"),
        ({"name": "label_distribution", "sigma": 0}, "sigma"),
        ({"name": "label_distribution", "sigma": math.nan}, "sigma"),
        ({"name": "mean_variance", "variance": -1}, "mean and variance"),
        ({"name": "distillation", "temperature": 0}, "temperature"),
        ({"name": "distillation", "temperature": math.nan}, "temperature"),
        ({"name": "sum", "parts": ["f1", "age_regression"]}, "age_regression needs a head"),
        ({"name": "arcface", "margin": 2}, "margin"),
        ({"name": "arcface", "margin": math.nan}, "margin"),
        ({"name": "arcface", "of": ["gendre"]}, "did you mean gender"),
        ({"name": "arcface", "of": "age_band"}, "a list"),
        ({"name": "arcface", "of": []}, "a list"),
        ({"name": "triplet", "of": "age"}, "age_band"),
        ({"name": "triplet", "margin": -1}, "margin"),
        ({"name": "triplet", "margin": math.nan}, "margin"),
        ({"name": "supervised_contrastive", "of": "class"}, "classes"),
        ({"name": "supervised_contrastive", "temperature": 0}, "temperature"),
        ({"name": "supervised_contrastive", "temperature": math.nan}, "temperature"),
    ],
)
def test_a_loss_that_cannot_be_had_is_told(loss, fault) -> None:
    with pytest.raises(MaskgateError, match=fault) as error:
        losses.create(Component(**loss), COUNTS, create_head())
    assert "\n" not in str(error.value)


def test_a_head_that_regresses_an_age_needs_a_loss_that_looks_at_it() -> None:
    plain, regresses = create_head(), create_head({"name": "factored", "regress_age": True})
    losses.check_use(create_loss("f1", plain), plain)
    with pytest.raises(MaskgateError, match="add age_regression"):
        losses.check_use(create_loss("f1", regresses), regresses)
    looks = create_loss("sum", regresses, parts=["f1", {"name": "age_regression", "weight": 0.001}])
    losses.check_use(looks, regresses)


def test_a_loss_of_features_or_ages_needs_one_of_classes_beside_it() -> None:
    head = create_head({"name": "factored", "regress_age": True})
    near, age = {"name": "triplet"}, {"name": "age_regression"}
    for parts in ([near, age], [age], [age, {"name": "f1", "weight": 0}]):
        with pytest.raises(MaskgateError, match="does not train the classes"):
            losses.check_use(create_loss("sum", head, parts=parts), head)
    losses.check_use(create_loss("sum", head, parts=[near, age, "f1"]), head)
    for alone in ("triplet", "supervised_contrastive"):
        with pytest.raises(MaskgateError, match="does not train the classes"):
            losses.check_use(create_loss(alone, create_head()), create_head())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_values_and_finite_gradients_in_16_bits() -> None:
    plain = [(name, dict[str, Any](), {"name": "joint"}) for name in CLASS_LOSSES]
    for name, arguments, head in [*plain, *(c[:3] for c in CASES)]:
        network, (target, known) = create_head(head), drawn("partial")
        features, loss = torch.randn(len(known), F), create_loss(name, network, **arguments)
        expected = loss(network(features), target).item()
        network, loss = network.cuda(), loss.cuda()
        gpu_target = Target(*(tensor.cuda() for tensor in target))
        assert loss(network(features.cuda()), gpu_target).item() == pytest.approx(
            expected, rel=1e-3
        )
        leaf = features.cuda().requires_grad_()
        with torch.autocast("cuda", dtype=torch.float16):
            output = network(leaf)
        loss(output, gpu_target).backward()
        assert leaf.grad is not None and leaf.grad.isfinite().all()
