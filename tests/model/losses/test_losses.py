"""Losses by name: what they ask of heads, and every one derived a second time."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from maskgate import labels
from maskgate.config import Named
from maskgate.errors import MaskgateError
from maskgate.images.target import Target
from maskgate.model import heads, losses
from maskgate.model.heads import Head, Output
from maskgate.model.losses import LOSSES
from maskgate.model.losses.class_losses import CLASS_LOSSES
from maskgate.model.losses.loss import Loss

F = 6
SIZES = {"mask": 3, "gender": 2, "age_band": 3}
COUNTS = {
    "classes": np.array([300, 200, 30, 250, 260, 0, 60, 40, 5, 50, 70, 1, 55, 45, 0, 61, 48, 9]),
    "mask": np.array([1000, 200, 210]),
    "gender": np.array([700, 0]),
    "age_band": np.array([600, 700, 50]),
}
# Mask, gender, age in years; None where unknown. An age may be unknown of a known band (0, 1, 2).
Photo = tuple[int | None, int | None, float | str | None]
BATCHES: dict[str, list[Photo]] = {
    "full": [(0, 0, 20.0), (0, 0, 29.9), (2, 1, 60.0), (1, 0, 30.0), (2, 1, 75.0), (0, 1, 59.0)],
    "partial": [(0, None, None), (None, 1, 61.0), (1, 0, 31.0), (1, 0, "1"), (2, 1, None)],
    "all partial": [(None, 1, None), (2, None, None), (None, None, 59.9)],
    "partly of nothing": [(0, 0, 25.0), (None, None, None), (0, 0, 29.0), (1, 1, 55.0)],
    "of nothing": [(None, None, None), (None, None, None)],
    "one photo": [(1, 1, 44.0)],
    "one photo of nothing": [(None, None, None)],
    "one class": [(0, 0, 25.0), (0, 0, 26.0), (0, 0, 27.0)],
    "all different": [(0, 0, 25.0), (1, 0, 26.0), (2, 0, 27.0)],
}
BATCHES_AND_SOFT = [*BATCHES, "soft"]


def band_of(age: float | str | None) -> int | None:
    if age is None or isinstance(age, str):
        return None if age is None else int(age)
    return 0 if age < 30 else 1 if age < 60 else 2


def codes(photo: Photo) -> tuple[int | None, ...]:
    return photo[0], photo[1], band_of(photo[2])


def drawn(batch: str) -> tuple[Target, list[dict[str, Any]]]:
    """A target, and of each photo per attribute: a code, None, or the values' probabilities."""
    if batch == "soft":
        soft = np.random.default_rng(5).dirichlet(np.full(18, 0.2), 5).astype(np.float32)
        found = []
        for row in soft:
            parts = {name: [0.0] * size for name, size in SIZES.items()}
            for c, p in enumerate(row.tolist()):
                for name, code in zip(SIZES, (c // 6, c // 3 % 2, c % 3), strict=True):
                    parts[name][code] += p
            found.append(parts | {"class": int(row.argmax())})
        return Target(torch.from_numpy(soft), torch.full((5,), torch.nan)), found
    rows: list[Any] = [codes(photo) for photo in BATCHES[batch]]
    numbers = np.array([[-1 if c is None else c for c in row] for row in rows], dtype=np.int8)
    ages = [p[2] if isinstance(p[2], float) else math.nan for p in BATCHES[batch]]
    target = Target(torch.from_numpy(labels.agrees(*numbers.T)), torch.tensor(ages))
    known = []
    for row in rows:
        whole = None if None in row else row[0] * 6 + row[1] * 3 + row[2]
        known.append(dict(zip(SIZES, row, strict=True)) | {"class": whole})
    return target, known


def zero(output: Output) -> Tensor:
    return output.log_probabilities.double().sum() * 0


def marginals(log_p: Tensor) -> dict[str, list[Tensor]]:
    """One photo's probabilities (18,) of each value of each attribute."""
    found = {name: [torch.zeros((), dtype=torch.float64)] * k for name, k in SIZES.items()}
    for c in range(18):
        for name, code in zip(SIZES, (c // 6, c // 3 % 2, c % 3), strict=True):
            found[name][code] = found[name][code] + log_p[c].double().exp()
    return found


# ------------------------------------------------------------------- a second, naive way


def per_attribute(output, target, known, of=tuple(SIZES), gamma=0.0):
    """The sum of cross-entropies of marginals; focal ones with a `gamma`."""
    total = zero(output)
    for log_p, photo in zip(output.log_probabilities, known, strict=True):
        for name, p in marginals(log_p).items():
            shares = photo[name]
            if name not in of or shares is None:
                continue
            if isinstance(shares, int):
                shares = [float(k == shares) for k in range(len(p))]
            for q, share in zip(p, shares, strict=True):
                total = total - share * (1 - q) ** gamma * q.log()
    return total / len(known)


def f1_and_focal(output, target, known):
    """0.4 F1 + 0.6 focal of the 18 classes, both as tested beside class losses, as made here."""
    parts = {}
    for name in ("f1", "focal"):
        loss = CLASS_LOSSES[name](COUNTS["classes"])
        parts[name] = loss(output.log_probabilities, target.classes).double()
    return 0.4 * parts["f1"] + 0.6 * parts["focal"]


def binary_cross_entropy(output, target, known):
    total = zero(output)
    for logits, photo in zip(output.more["logits"].double(), known, strict=True):
        number = 0
        for name, size in SIZES.items():
            for value in range(size):
                yes = 1 / (1 + (-logits[number]).exp())
                number += 1
                wanted = photo[name]
                if wanted is None:
                    continue
                share = float(wanted == value) if isinstance(wanted, int) else wanted[value]
                total = total - share * yes.log() - (1 - share) * (1 - yes).log()
    return total / len(known)


def arcface(output, target, known, margin=0.3, of=tuple(SIZES)):
    total, scale = zero(output), output.more["scale"].item()
    for cosines, photo in zip(output.more["cosines"].double(), known, strict=True):
        first = 0
        for name, size in SIZES.items():
            part, first = cosines[first : first + size], first + size
            wanted = photo[name]
            if name not in of or wanted is None:
                continue
            shares = (
                wanted if isinstance(wanted, list) else [float(k == wanted) for k in range(size)]
            )
            powers = []
            for cosine, share in zip(part, shares, strict=True):
                angle = cosine.acos() + margin * share
                beyond = cosine - 1 + math.cos(margin * share)
                powers.append((scale * (angle.cos() if angle < math.pi else beyond)).exp())
            for power, share in zip(powers, shares, strict=True):
                total = total - share * (power / sum(powers)).log()
    return total / len(known)


def age_regression(output, target, known):
    errors = [
        (told - age) ** 2
        for told, age in zip(output.more["age"].double(), target.age.tolist(), strict=True)
        if not math.isnan(age)
    ]
    return sum(errors) / len(errors) if errors else zero(output)


def fine_age(output, target, known):
    terms = []
    for log_p, age in zip(output.more["fine_age"].double(), target.age.tolist(), strict=True):
        if not math.isnan(age):
            age = round(age, 3)  # 59.9 in 32 bits
            terms.append(-log_p[sum(age >= start for start in (25, 30, 40, 50, 55, 60))])
    return sum(terms) / len(terms) if terms else zero(output)


def clear(output: Output, known, of: str) -> list[tuple[Tensor, int]]:
    """Features of length 1 and class of the photos whose class is known."""
    found = []
    for feature, photo in zip(output.more["features"].double(), known, strict=True):
        wanted = photo["class" if of == "classes" else of]
        if isinstance(wanted, list):
            wanted = max(range(len(wanted)), key=wanted.__getitem__)
        if wanted is not None:
            found.append((feature / feature.square().sum().sqrt(), wanted))
    return found


def supervised_contrastive(output, target, known, of="classes", temperature=0.1):
    """Khosla et al. 2020, equation 2 (L_out), over anchors that have a positive."""
    photos, terms = clear(output, known, of), []
    for i, (anchor, mine) in enumerate(photos):
        others = [j for j in range(len(photos)) if j != i]
        among = sum(((anchor @ photos[a][0]) / temperature).exp() for a in others)
        positives = [j for j in others if photos[j][1] == mine]
        if positives:
            each = [((anchor @ photos[p][0]) / temperature).exp() / among for p in positives]
            terms.append(-sum(term.log() for term in each) / len(positives))
    return sum(terms) / len(terms) if terms else zero(output)


def triplet(output, target, known, of="classes", margin=0.2):
    """Hermans et al. 2017, equation 5 (batch hard), over anchors that have both."""
    photos, terms = clear(output, known, of), []
    for i, (anchor, mine) in enumerate(photos):
        near = [
            (j, (anchor - other).square().sum().sqrt())
            for j, (other, _) in enumerate(photos)
            if j != i
        ]
        same = [d for j, d in near if photos[j][1] == mine]
        different = [d for j, d in near if photos[j][1] != mine]
        if same and different:
            hinge = max(same) - min(different) + margin
            terms.append(hinge if hinge > 0 else hinge * 0)
    return sum(terms) / len(terms) if terms else zero(output)


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


def made(name: str, head: Head, **arguments: object) -> Loss:
    return losses.create(Named(name=name, **arguments), COUNTS, head)


def headed(head: dict[str, Any] | None = None) -> Head:
    torch.manual_seed(6)
    return heads.create(Named(**(head or {"name": "joint"})), F)


def test_every_loss_is_derived_a_second_time() -> None:
    """Those of classes in test_class_losses.py."""
    assert {name for name, *_ in CASES} | set(CLASS_LOSSES) == set(LOSSES)
    assert not {name for name, *_ in CASES} & set(CLASS_LOSSES)


@pytest.mark.parametrize("batch", BATCHES_AND_SOFT)
@case
def test_value_and_gradient_are_the_naive_ones(name, arguments, head, naive, shared, batch) -> None:
    network, (target, known) = headed(head), drawn(batch)
    features = torch.randn(len(known), F, requires_grad=True)
    output = network(features)
    value = made(name, network, **arguments)(output, target)
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
    network = headed(head)
    loss = made(name, network, **arguments)
    for batch in BATCHES_AND_SOFT:
        target, known = drawn(batch)
        features = (size * torch.randn(len(known), F)).requires_grad_()
        features.data[-1] = features.data[0]  # two photos alike
        value = loss(network(features), target)
        value.backward()
        assert value.isfinite(), batch
        for tensor in (features, *network.parameters()):
            assert tensor.grad is None or tensor.grad.isfinite().all(), batch
        if batch.endswith("of nothing") and not batch.startswith("partly"):
            assert value == 0 and (features.grad == 0).all()
        if batch == "partly of nothing":
            assert (features.grad[1] == 0).all()


@pytest.mark.parametrize("batch", BATCHES_AND_SOFT)
@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_class_losses_look_at_the_18_classes(name, batch) -> None:
    network, (target, known) = headed(), drawn(batch)
    output = network(torch.randn(len(known), F))
    expected = CLASS_LOSSES[name](COUNTS["classes"])(output.log_probabilities, target.classes)
    torch.testing.assert_close(made(name, network)(output, target), expected)


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
    network, (target, known) = headed({"name": "one_attribute", "of": of}), drawn(batch)
    features = torch.randn(len(known), F, requires_grad=True)
    output = network(features)
    rows = [torch.stack(marginals(row)[of]) for row in output.log_probabilities]
    wanted = []
    for photo in known:
        code = photo[of]
        every = range(SIZES[of])
        wanted.append(
            code if isinstance(code, list) else [True if code is None else code == k for k in every]
        )
    naive = CLASS_LOSSES[name](COUNTS[of], **WITH_COUNTS[name])
    again = naive(torch.stack(rows).float().log(), torch.tensor(wanted))
    value = made(name, network, **WITH_COUNTS[name])(output, target)
    torch.testing.assert_close(value, again, rtol=1e-4, atol=1e-5)
    value.backward()
    unknown = [photo[of] is None for photo in known]
    assert features.grad is not None and (features.grad[unknown] == 0).all()


def test_per_attribute_takes_a_loss_for_each() -> None:
    network, (target, known) = headed(), drawn("partial")
    output = network(torch.randn(len(known), F))
    arguments = {"mask": "f1", "gender": FOCAL, "age_band": {"name": "ldam", "max_margin": 1.0}}
    parts = {
        "mask": CLASS_LOSSES["f1"](COUNTS["mask"]),
        "gender": CLASS_LOSSES["focal"](COUNTS["gender"], gamma=1.5),
        "age_band": CLASS_LOSSES["ldam"](COUNTS["age_band"], max_margin=1.0),
    }
    expected = 0.0
    for name, part in parts.items():
        p = torch.stack([torch.stack(marginals(row)[name]) for row in output.log_probabilities])
        wanted = [[photo[name] in (None, k) for k in range(SIZES[name])] for photo in known]
        expected = expected + part(p.float().log(), torch.tensor(wanted))
    torch.testing.assert_close(
        made("per_attribute", network, **arguments)(output, target), expected
    )


def test_factored_cross_entropy_is_that_of_the_known_attributes() -> None:
    network = headed({"name": "factored"})
    for batch in BATCHES_AND_SOFT:
        target, known = drawn(batch)
        output = network(torch.randn(len(known), F))
        both = [made(name, network)(output, target) for name in ("cross_entropy", "per_attribute")]
        torch.testing.assert_close(*both)


def test_age_bands_without_years_teach_classes_but_no_ages() -> None:
    network = headed({"name": "factored", "regress_age": True, "age": "fine"})
    target = Target(
        torch.from_numpy(labels.agrees(*np.array([[0], [0], [1]], "i1"))), torch.tensor([torch.nan])
    )
    output = network(torch.randn(1, F))
    assert made("age_regression", network)(output, target) == 0
    assert made("fine_age", network)(output, target) == 0
    assert made("cross_entropy", network)(output, target) > 0


# --------------------------------------------------------------------------------------- mixing


@pytest.mark.parametrize("batch", ["full", "partial", "all partial", "partly of nothing"])
def test_photos_mixed_with_a_partner_give_the_mixed_losses_of_both(batch) -> None:
    """λ·L(a) + (1−λ)·L(b), by hand, for photos of which different attributes are known."""
    network, (target, known) = headed({"name": "factored"}), drawn(batch)
    output, partner = network(torch.randn(len(known), F)), torch.arange(len(known)).flip(0)
    loss = made("cross_entropy", network)
    mixed = 0.7 * loss(output, target) + 0.3 * loss(output, target.take(partner))
    expected = 0.0
    for i, log_p in enumerate(output.log_probabilities):
        for share, photo in ((0.7, known[i]), (0.3, known[int(partner[i])])):
            for name, p in marginals(log_p).items():
                if photo[name] is not None:
                    expected -= share * p[photo[name]].log().item() / len(known)
    assert mixed.item() == pytest.approx(expected, abs=1e-5)


# ---------------------------------------------------------------------------------------- arcface


@pytest.mark.parametrize("margin", [0.0, 0.3, 1.0, 1.5])
def test_arcface_falls_as_features_turn_to_their_class_however_far_they_are(margin) -> None:
    network = headed({"name": "cosine"})
    loss = made("arcface", network, margin=margin, of=["gender"])
    angles = torch.linspace(0, math.pi, 121, dtype=torch.float64)
    cosines = torch.zeros(121, 8, dtype=torch.float64)
    cosines[:, 3] = angles.cos()
    cosines.requires_grad_()
    target = Target(torch.from_numpy(labels.agrees(*np.array([[-1], [0], [-1]], "i1"))), angles[:1])
    values = []
    for row in cosines:
        more = {"cosines": row[None], "scale": torch.tensor(4.0)}
        values.append(loss(Output(torch.zeros(1, 18), more), target))
    assert (torch.stack(values).diff() > -1e-9).all()
    torch.stack(values).sum().backward()
    slope = cosines.grad
    assert slope is not None and slope.isfinite().all() and (slope[:, 3] <= 0).all()
    # Flat at the one angle that the margin widens to π, and nowhere else.
    assert ((slope[:, 3] > -1e-3).sum() <= 2) and (
        slope[angles > math.pi - margin / 2, 3] < -0.1
    ).all()


# ------------------------------------------------------------------------------------- sums


def test_a_sum_is_weighted_and_may_hold_sums() -> None:
    network = headed({"name": "factored", "regress_age": True})
    target, known = drawn("partial")
    output = network(torch.randn(len(known), F))
    parts = [
        {"name": "sum", "weight": 0.5, "parts": ["f1", {"name": "triplet", "weight": 3}]},
        {"name": "age_regression", "weight": 0.001},
        "cross_entropy",
    ]
    f1, near, age, classes = (
        made(name, network)(output, target)
        for name in ("f1", "triplet", "age_regression", "cross_entropy")
    )
    loss = made("sum", network, parts=parts)
    expected = 0.5 * (f1 + 3 * near) + 0.001 * age + classes
    torch.testing.assert_close(loss(output, target), expected)
    assert loss.needs == {"age"}
    assert parts[1] == {"name": "age_regression", "weight": 0.001}  # a recipe stays as it is


@pytest.mark.parametrize("weight", [-1, -0.001, math.nan, math.inf, "0.5", None, [1]], ids=str)
def test_a_weight_that_is_none_is_refused(weight) -> None:
    with pytest.raises(MaskgateError, match=r"loss\.parts\.1\.weight is a number") as told:
        made("sum", headed(), parts=["f1", {"name": "focal", "weight": weight}])
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "parts",
    [[], None, "f1", {"name": "f1"}, [3], [None], [["f1"]], [{"weight": 1}], [{"name": 3}]],
    ids=str,
)
def test_parts_that_are_none_are_refused(parts) -> None:
    with pytest.raises(MaskgateError, match="loss") as told:
        made("sum", headed(), parts=parts)
    assert "\n" not in str(told.value)


# ------------------------------------------------------------------------------------ progress


def test_deferred_weights_hear_of_the_progress_wherever_they_stand() -> None:
    network = headed()
    late = {"name": "ldam", "defer": 0.5}
    plain = made("ldam", network, defer=0.5)
    nested = made("sum", network, parts=[{"name": "per_attribute", "age_band": late}, late])
    target, known = drawn("full")
    output = network(torch.randn(len(known), F))
    for loss in (plain, nested):
        values = []
        for share in (0.0, 0.4, 0.5, 1.0, 0.0):
            losses.set_progress(loss, share)
            values.append(loss(output, target).item())
        assert values[0] == values[1] == values[4] != values[2] == values[3]
    losses.set_progress(made("f1", network), 0.5)  # one that does not care


# --------------------------------------------------------------------------------------- faults


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
    with pytest.raises(MaskgateError, match=fault) as told:
        losses.create(Named(**loss), COUNTS, headed())
    assert "\n" not in str(told.value)


def test_a_head_that_regresses_an_age_needs_a_loss_that_looks_at_it() -> None:
    plain, regresses = headed(), headed({"name": "factored", "regress_age": True})
    losses.check_use(made("f1", plain), plain)
    with pytest.raises(MaskgateError, match="add age_regression"):
        losses.check_use(made("f1", regresses), regresses)
    looks = made("sum", regresses, parts=["f1", {"name": "age_regression", "weight": 0.001}])
    losses.check_use(looks, regresses)


def test_a_loss_of_features_or_ages_needs_one_of_classes_beside_it() -> None:
    head = headed({"name": "factored", "regress_age": True})
    near, age = {"name": "triplet"}, {"name": "age_regression"}
    for parts in ([near, age], [age], [age, {"name": "f1", "weight": 0}]):
        with pytest.raises(MaskgateError, match="teaches no classes"):
            losses.check_use(made("sum", head, parts=parts), head)
    losses.check_use(made("sum", head, parts=[near, age, "f1"]), head)
    for alone in ("triplet", "supervised_contrastive"):
        with pytest.raises(MaskgateError, match="teaches no classes"):
            losses.check_use(made(alone, headed()), headed())


# ---------------------------------------------------------------------------------- on a GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_values_and_finite_gradients_in_16_bits() -> None:
    plain = [(name, dict[str, Any](), {"name": "joint"}) for name in CLASS_LOSSES]
    for name, arguments, head in [*plain, *(c[:3] for c in CASES)]:
        network, (target, known) = headed(head), drawn("partial")
        features, loss = torch.randn(len(known), F), made(name, network, **arguments)
        expected = loss(network(features), target).item()
        network, loss = network.cuda(), loss.cuda()
        there = Target(*(tensor.cuda() for tensor in target))
        assert loss(network(features.cuda()), there).item() == pytest.approx(expected, rel=1e-3)
        leaf = features.cuda().requires_grad_()
        with torch.autocast("cuda", dtype=torch.float16):
            output = network(leaf)
        loss(output, there).backward()
        assert leaf.grad is not None and leaf.grad.isfinite().all()
