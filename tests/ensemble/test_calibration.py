"""Calibrated probabilities: the formula a second way, marginals, and labels that stay."""

import numpy as np
import pytest

from maskgate import labels
from maskgate.ensemble import calibration
from maskgate.ensemble.calibration import calibrate, calibrate_vector, with_marginals
from maskgate.ensemble.votes import product

TEMPERATURES = {"mask": 0.4, "gender": 1.7, "age_band": 3.0}


def parts(photos: int = 200, seed: int = 0) -> dict[str, np.ndarray]:
    """Probabilities of the attributes as a factored head gives them, some of them near 0 or 1."""
    random = np.random.default_rng(seed)
    logits = {name: random.normal(0, 4, (photos, len(v))) for name, v in labels.ATTRIBUTES.items()}
    return {n: np.exp(x) / np.exp(x).sum(1, keepdims=True) for n, x in logits.items()}


def joint(photos: int = 200, seed: int = 0) -> np.ndarray:
    """Probabilities of the classes in which the attributes depend on each other."""
    return np.random.default_rng(seed).dirichlet(np.full(labels.COUNT, 0.5), photos)


def test_a_temperature_is_the_formula() -> None:
    """Naively, photo by photo and class by class: p ** (1 / T) of each attribute, normalised."""
    marginals = parts(20)
    result = calibrate(product(marginals), [], {"temperatures": TEMPERATURES})
    for row, photo in enumerate(result):
        for label, probability in enumerate(photo):
            expected = 1.0
            codes = [int(code[0]) for code in labels.decode([label])]
            for (name, temperature), code in zip(TEMPERATURES.items(), codes, strict=True):
                powers = [value ** (1 / temperature) for value in marginals[name][row]]
                expected *= powers[code] / sum(powers)
            assert probability == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_vector_scaling_is_the_formula() -> None:
    marginals = parts(20)
    learned = {"scales": [0.5, 2.0], "biases": [0.3, -0.1]}
    result = calibrate_vector(product(marginals), [], {"attributes": {"gender": learned}})
    for row, values in enumerate(labels.marginals(result)["gender"]):
        powers = [
            np.exp(scale * np.log(value) + bias)
            for value, scale, bias in zip(marginals["gender"][row], *learned.values(), strict=True)
        ]
        np.testing.assert_allclose(values, np.array(powers) / sum(powers), rtol=1e-4)
    np.testing.assert_allclose(labels.marginals(result)["mask"], marginals["mask"], atol=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 0.7, 10.0])
def test_a_temperature_changes_no_label_of_a_factored_model(temperature: float) -> None:
    probabilities = product(parts(3000)).astype(np.float32)
    for name in labels.ATTRIBUTES:
        result = calibrate(probabilities, [], {"temperatures": {name: temperature}})
        np.testing.assert_array_equal(result.argmax(1), probabilities.argmax(1))


def test_a_temperature_changes_no_attribute_of_any_model() -> None:
    probabilities = joint(3000)
    before = labels.marginals(probabilities)
    after = labels.marginals(calibrate(probabilities, [], {"temperatures": TEMPERATURES}))
    for name, temperature in TEMPERATURES.items():
        np.testing.assert_array_equal(before[name].argmax(1), after[name].argmax(1))
        powers = before[name] ** (1 / temperature)
        np.testing.assert_allclose(after[name], powers / powers.sum(1, keepdims=True), atol=1e-4)


def test_what_is_not_calibrated_stays() -> None:
    """An attribute without a temperature, such as one that a model does not predict."""
    marginals = parts()
    marginals["age_band"] = np.full_like(marginals["age_band"], 1 / 3)
    result = labels.marginals(calibrate(product(marginals), [], {"temperatures": {"mask": 2.0}}))
    for name in ("gender", "age_band"):
        np.testing.assert_allclose(result[name], marginals[name], atol=1e-6)
    same = calibrate(
        product(marginals), [], {"temperatures": dict.fromkeys(labels.ATTRIBUTES, 1.0)}
    )
    np.testing.assert_allclose(same, product(marginals), atol=1e-6)


def test_how_attributes_depend_on_each_other_is_kept() -> None:
    """The odds ratios of the classes stay; the marginals are the new ones."""
    probabilities, targets = joint(50), parts(50, seed=1)
    result = with_marginals(probabilities, targets)
    for name, target in targets.items():
        np.testing.assert_allclose(labels.marginals(result)[name], target, atol=1e-6)
    odds = [
        np.log(each[:, 0] * each[:, 7] / (each[:, 1] * each[:, 6]))
        for each in (probabilities, result)
    ]  # worn or not × under 30 or 30 to 59, of men
    np.testing.assert_allclose(odds[0], odds[1], atol=1e-3)


def test_certain_and_no_photos() -> None:
    certain = np.eye(labels.COUNT, dtype=np.float32)
    result = calibrate(certain, [], {"temperatures": TEMPERATURES})
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(result.argmax(1), np.arange(labels.COUNT))
    assert calibrate(certain[:0], [], {"temperatures": TEMPERATURES}).shape == (0, labels.COUNT)
    assert calibration.with_marginals(certain[:0], {}).shape == (0, labels.COUNT)
