"""Every head against softmaxes and products written out, photo by photo."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.model import heads
from maskgate.model.heads import HEADS, Head

F = 5
FINE = (25, 30, 40, 50, 55, 60)


def softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    powers = [math.exp(logit - top) for logit in logits]
    return [power / sum(powers) for power in powers]


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def linear(head: Any, feature: list[float]) -> list[float]:
    weight, bias = (t.detach().tolist() for t in (head.linear.weight, head.linear.bias))
    rows = zip(weight, bias, strict=True)
    return [sum(w * x for w, x in zip(row, feature, strict=True)) + b for row, b in rows]


def product(mask: list[float], gender: list[float], band: list[float]) -> list[float]:
    return [m * g * b for m, g, b in itertools.product(mask, gender, band)]


def joint(head, feature):
    return softmax(linear(head, feature))


def bands(logits):
    return softmax(logits)


def ordinal(logits):
    over_30, over_60_of_those = sigmoid(logits[0]), sigmoid(logits[1])
    return [1 - over_30, over_30 * (1 - over_60_of_those), over_30 * over_60_of_those]


def fine(starts):
    def add_up(logits):
        band_probabilities = [0.0, 0.0, 0.0]
        for start, p in zip([0, *starts], softmax(logits), strict=True):
            band_probabilities[0 if start < 30 else 1 if start < 60 else 2] += p
        return band_probabilities

    return add_up


def years(logits):
    return fine(range(1, 101))(logits)


def factored(ages):
    def derive(head, feature):
        z = linear(head, feature)
        return product(softmax(z[:3]), softmax(z[3:5]), ages(z[5:]))

    return derive


def one_attribute(of, ages=bands):
    def derive(head, feature):
        parts = [[1 / 3] * 3, [1 / 2] * 2, [1 / 3] * 3]
        place = ["mask", "gender", "age_band"].index(of)
        parts[place] = (ages if of == "age_band" else softmax)(linear(head, feature))
        return product(*parts)

    return derive


def multi_label(head, feature):
    yes = [sigmoid(z) for z in linear(head, feature)]
    parts = [yes[:3], yes[3:5], yes[5:]]
    return product(*[[y / sum(part) for y in part] for part in parts])


def cosine(scale):
    def derive(head, feature):
        logits = []
        for direction in head.directions.detach().tolist():
            dot = sum(a * b for a, b in zip(direction, feature, strict=True))
            logits.append(scale * dot / math.hypot(*direction) / math.hypot(*feature))
        return product(softmax(logits[:3]), softmax(logits[3:5]), softmax(logits[5:]))

    return derive


CASES = [  # name, arguments, its naive twin, what it gives beside probabilities
    ("joint", {}, joint, set()),
    ("factored", {}, factored(bands), set()),
    ("factored", {"regress_age": True}, factored(bands), {"age"}),
    ("factored", {"age": "ordinal"}, factored(ordinal), set()),
    ("factored", {"age": "fine"}, factored(fine(FINE)), {"fine_age"}),
    ("factored", {"age": "fine", "fine_ages": [30, 60]}, factored(fine([30, 60])), {"fine_age"}),
    ("factored", {"age": "years"}, factored(years), {"age_distribution"}),
    (
        "one_attribute",
        {"of": "age_band", "age": "years"},
        one_attribute("age_band", years),
        {"age_distribution"},
    ),
    (
        "factored",
        {"age": "fine", "fine_ages": [20.5, 30, 60, 75], "regress_age": True},
        factored(fine([20.5, 30, 60, 75])),
        {"fine_age", "age"},
    ),
    ("one_attribute", {"of": "mask"}, one_attribute("mask"), set()),
    ("one_attribute", {"of": "gender"}, one_attribute("gender"), set()),
    ("one_attribute", {"of": "age_band"}, one_attribute("age_band"), set()),
    ("one_attribute", {"of": "age_band", "age": "ordinal"}, one_attribute("age_band", ordinal), ()),
    (
        "one_attribute",
        {"of": "age_band", "age": "fine", "regress_age": True},
        one_attribute("age_band", fine(FINE)),
        {"fine_age", "age"},
    ),
    ("multi_label", {}, multi_label, {"logits"}),
    ("cosine", {}, cosine(16), {"cosines"}),
    ("cosine", {"scale": 3}, cosine(3), {"cosines"}),
]
case = pytest.mark.parametrize(
    ("name", "arguments", "naive", "gives"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES]
)


def create(name: str, **arguments: object) -> Head:
    torch.manual_seed(4)
    return heads.create(Component(name=name, **arguments), F)


def test_every_head_is_derived_a_second_time() -> None:
    assert {name for name, *_ in CASES} == set(HEADS)


@case
def test_probabilities_are_the_naive_ones(name, arguments, naive, gives) -> None:
    head, features = create(name, **arguments), 3 * torch.randn(6, F)
    output = head(features)
    expected = torch.tensor([naive(head, row) for row in features.tolist()])
    torch.testing.assert_close(output.log_probabilities.exp(), expected, rtol=1e-4, atol=1e-6)
    assert output.log_probabilities.shape == (6, 18)
    assert head(features[:1]).log_probabilities.shape == (1, 18)


@case
def test_a_head_says_what_it_gives_and_knows(name, arguments, naive, gives) -> None:
    head, features = create(name, **arguments), torch.randn(3, F)
    assert head.provides == set(gives)
    more = head(features).loss_inputs
    assert head.provides <= set(more) and more["features"] is features
    of = arguments.get("of")
    assert head.attributes == ((of,) if of else ("mask", "gender", "age_band"))
    assert heads.attributes(Component(name=name, **arguments)) == head.attributes


@pytest.mark.parametrize("size", [0.0, 1.0, 50.0, 1e4])
@case
def test_probabilities_add_up_and_gradients_are_finite(name, arguments, naive, gives, size) -> None:
    head = create(name, **arguments)
    features = (size * torch.randn(8, F)).requires_grad_()
    log_p = head(features).log_probabilities
    torch.testing.assert_close(log_p.exp().sum(1), torch.ones(8))
    assert log_p.isfinite().all()
    log_p[torch.arange(8), torch.arange(8) * 2].sum().backward()
    for tensor in (features, *head.parameters()):
        assert tensor.grad is None or tensor.grad.isfinite().all()


@case
def test_16_bits_of_the_backbone_do_not_spoil_the_sum(name, arguments, naive, gives) -> None:
    head, features = create(name, **arguments), torch.randn(8, F)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = head(features.bfloat16())
    assert output.log_probabilities.dtype == torch.float32
    torch.testing.assert_close(output.log_probabilities.exp().sum(1), torch.ones(8))
    plain = head(features.bfloat16().float()).log_probabilities.exp()
    torch.testing.assert_close(output.log_probabilities.exp(), plain, atol=0.02, rtol=0)


@case
def test_no_tensor_is_of_64_bits_which_some_devices_lack(name, arguments, naive, gives) -> None:
    for tensor in create(name, **arguments).buffers():
        assert tensor.dtype in (torch.float32, torch.int64)


def test_weights_written_before_heads_had_arguments_still_load() -> None:
    for arguments in ({}, {"age": "bands"}):
        head = create("factored", **arguments)
        state = {"linear.weight": torch.randn(8, F), "linear.bias": torch.randn(8)}
        assert set(head.state_dict()) == set(state)
        head.load_state_dict(state, strict=True)
    assert set(create("joint").state_dict()) == {"linear.weight", "linear.bias"}
    years = set(create("factored", regress_age=True).state_dict())
    assert years == {"linear.weight", "linear.bias", "years.weight", "years.bias"}


# ------------------------------------------------------------------------------------- ages


@pytest.mark.parametrize("starts", [FINE, (30, 60), (10, 29.5, 30, 59.9, 60, 61)])
def test_finer_ages_go_back_to_the_band_they_are_of(starts) -> None:
    head: Any = create("factored", age="fine", fine_ages=list(starts))
    for age in (0.0, 18, 29.4, 29.9, 30, 30.1, 59, 59.9, 60, 60.5, 99):
        number = sum(age >= start for start in starts)  # the class that holds the age
        with torch.no_grad():  # a network that is sure of it
            head.linear.weight.zero_()
            head.linear.bias.zero_()
            head.linear.bias[5 + number] = 100
        p = head(torch.randn(1, F)).log_probabilities.exp().detach().numpy()
        band = labels.marginals(p)["age_band"][0].argmax()
        assert band == (0 if age < 30 else 1 if age < 60 else 2), age


@pytest.mark.parametrize("year", [0, 29, 30, 59, 60, 100])
def test_bands_are_sums_of_single_years(year: int) -> None:
    head: Any = create("factored", age="years")
    features = torch.randn(3, F)
    output = head(features)
    of_years = output.loss_inputs["age_distribution"].exp().detach().numpy()
    assert of_years.shape == (3, 101)
    bands = labels.marginals(output.log_probabilities.exp().detach().numpy())["age_band"]
    sums = [of_years[:, :30].sum(1), of_years[:, 30:60].sum(1), of_years[:, 60:].sum(1)]
    np.testing.assert_allclose(bands, np.stack(sums, axis=1), rtol=1e-5)
    with torch.no_grad():
        head.linear.bias[5 + year] = 200
    log_p = head(features)
    band = labels.marginals(log_p.log_probabilities.exp().detach().numpy())["age_band"]
    np.testing.assert_allclose(band[:, labels.age_band(year)], 1, rtol=1e-6)
    ages = heads.expected_age(log_p.loss_inputs["age_distribution"])
    torch.testing.assert_close(ages, torch.full((3,), float(year)))


def test_the_expected_age_is_the_mean_of_the_years() -> None:
    log_years = create("factored", age="years")(torch.randn(2, F)).loss_inputs["age_distribution"]
    by_hand = [sum(y * math.exp(p) for y, p in enumerate(row)) for row in log_years.tolist()]
    torch.testing.assert_close(heads.expected_age(log_years), torch.tensor(by_hand))


NOT_AGES = [
    [60, 30],
    [30, 30, 60],
    [25, 30],
    [],
    [0, 30, 60],
    [-5, 30, 60],
    [30, math.nan, 60],
    [30, 60, math.inf],
    ["young", 30, 60],
    30,
    None,
]


@pytest.mark.parametrize("ages", NOT_AGES, ids=str)
def test_bad_fine_ages_are_refused_in_a_sentence(ages) -> None:
    for name in ("factored", "one_attribute"):
        of = {"of": "age_band"} if name == "one_attribute" else {}
        with pytest.raises(MaskgateError, match="head") as error:
            create(name, age="fine", fine_ages=ages, **of)
        assert "\n" not in str(error.value)


def test_the_regressed_age_is_a_line_around_forty_years() -> None:
    head: Any = create("factored", regress_age=True)
    features = torch.randn(4, F)
    weight, bias = (t.detach().tolist() for t in (head.years.weight[0], head.years.bias[0]))
    for age, row in zip(head(features).loss_inputs["age"].tolist(), features.tolist(), strict=True):
        by_hand = 40 + 10 * (sum(w * x for w, x in zip(weight, row, strict=True)) + bias)
        assert age == pytest.approx(by_hand, abs=1e-3)


# ----------------------------------------------------------------------------------- cosines


def test_the_cosine_head_looks_at_directions_alone() -> None:
    head, features = create("cosine"), torch.randn(6, F)
    for length in (1e-3, 7.0, 1e4):
        torch.testing.assert_close(
            head(length * features).log_probabilities, head(features).log_probabilities
        )
    assert head(features).loss_inputs["cosines"].abs().max() <= 1 + 1e-6
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cosines = head(features).loss_inputs["cosines"]
    torch.testing.assert_close(cosines, head(features).loss_inputs["cosines"], atol=1e-6, rtol=0)


# ------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"name": "factord"}, "did you mean factored"),
        ({"name": "factored", "age": "ordnal"}, "bands, ordinal, fine"),
        ({"name": "factored", "ages": "fine"}, "ages"),
        ({"name": "joint", "age": "fine"}, "age"),
        ({"name": "one_attribute"}, "of"),
        ({"name": "one_attribute", "of": "gendre"}, "did you mean gender"),
        ({"name": "one_attribute", "of": "mask", "age": "fine"}, "a head of mask has no ages"),
        ({"name": "one_attribute", "of": "gender", "regress_age": True}, "no ages"),
        ({"name": "cosine", "scale": 0}, "scale"),
        ({"name": "cosine", "scale": math.nan}, "scale"),
        ({"name": "cosine", "scale": "wide"}, "cosine"),
    ],
)
def test_a_head_that_cannot_be_had_is_told(settings, fault) -> None:
    with pytest.raises(MaskgateError, match=fault) as error:
        create(**settings)
    assert "\n" not in str(error.value)


def test_a_marginal_of_a_head_of_one_attribute_leaves_the_others_open() -> None:
    p = create("one_attribute", of="gender")(torch.randn(4, F)).log_probabilities.exp()
    parts = labels.marginals(p.detach().numpy())
    for name in ("mask", "age_band"):
        np.testing.assert_allclose(parts[name], 1 / 3, atol=1e-6)
