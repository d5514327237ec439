"""Temperatures that are learned: known ones come back, and few people change little."""

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.data import table as photo_table
from maskgate.ensemble.calibration import calibrate_vector
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.ensemble.learning import calibration, combinations
from maskgate.ensemble.votes import MemberProbabilities, product
from maskgate.evaluation import calibration as calibration_error
from maskgate.evaluation.bootstrap import Resamples

ALL = tuple(labels.ATTRIBUTES)
SPEC = EnsembleSpec(Component(name="soft_vote"), (Component(name="calibrate"),))
TEMPERATURES = {"mask": 2.5, "gender": 1.6, "age_band": 0.7}


def drawn(
    seed: int, people: int, temperatures: dict[str, float] = TEMPERATURES
) -> tuple[pd.DataFrame, np.ndarray]:
    """A photo table of people with a photo each, in five folds, whose labels are drawn from
    probabilities, and what a model gives that exaggerates these by the temperatures."""
    random = np.random.default_rng(seed)
    codes, probabilities = {}, {}
    for name, values in labels.ATTRIBUTES.items():
        logits = random.normal(0, 2, (people, len(values)))
        codes[name] = (logits + random.gumbel(size=logits.shape)).argmax(1).astype(np.int8)
        powers = np.exp(logits * temperatures[name])
        probabilities[name] = powers / powers.sum(1, keepdims=True)
    age = np.array([20.0, 40.0, 65.0])[codes["age_band"]]
    names = [f"{row}.jpg" for row in range(people)]
    table = photo_table.build(names, names, codes["mask"], codes["gender"], age)
    number = np.arange(people)
    return table.assign(cluster=number, fold=number % 5), product(probabilities)


def likelihood(table: pd.DataFrame, probabilities: np.ndarray) -> float:
    """The mean log-likelihood of the attributes."""
    parts, rows = labels.marginals(probabilities), np.arange(len(table))
    return float(np.mean([np.log(part[rows, table[name]]) for name, part in parts.items()]))


def test_known_temperatures_come_back() -> None:
    table, probabilities = drawn(0, 6000)
    learned = calibration.learn(probabilities, [MemberProbabilities(probabilities, ALL)], table)[
        "temperatures"
    ]
    assert learned == pytest.approx(TEMPERATURES, rel=0.08)


def test_vector_scaling_undoes_a_preference() -> None:
    table, probabilities = drawn(0, 6000, dict.fromkeys(ALL, 1.0))
    parts = labels.marginals(probabilities)
    right = parts["gender"]
    parts["gender"] = parts["gender"] * [1.0, 3.0]  # women are overrated
    parts["gender"] /= parts["gender"].sum(1, keepdims=True)
    probabilities = product(parts)
    learned = calibration.learn_vector(
        probabilities, [MemberProbabilities(probabilities, ALL)], table
    )
    result = labels.marginals(calibrate_vector(probabilities, [], learned))["gender"]
    np.testing.assert_allclose(result, right, atol=0.03)
    male, female = learned["attributes"]["gender"]["biases"]
    assert male > female + 0.5
    assert learned["attributes"]["mask"]["scales"] == pytest.approx([1, 1, 1], abs=0.1)


def test_a_temperature_is_the_likeliest() -> None:
    """By trying many: the likelihood of a photo a person, times a normal prior of log T."""
    table, probabilities = drawn(1, 40)
    learned = calibration.learn(probabilities, [MemberProbabilities(probabilities, ALL)], table)[
        "temperatures"
    ]
    rows, parts = np.arange(len(table)), labels.marginals(probabilities)
    for name in ALL:

        def posterior(temperature: float, name: str = name) -> float:
            powers = parts[name] ** (1 / temperature)
            right = (powers / powers.sum(1, keepdims=True))[rows, table[name]]
            return float(np.log(right).sum() - np.log(temperature) ** 2 / (2 * 0.5**2))

        best = max(np.linspace(0.1, 10, 4000), key=posterior)
        assert learned[name] == pytest.approx(best, abs=0.01)


def test_photos_of_one_person_count_as_one() -> None:
    table, probabilities = drawn(2, 30)
    once = calibration.learn(probabilities, [MemberProbabilities(probabilities, ALL)], table)
    seven = table.loc[table.index.repeat(7)].reset_index(drop=True)
    repeated = np.repeat(probabilities, 7, axis=0)
    often = calibration.learn(repeated, [MemberProbabilities(repeated, ALL)], seven)
    assert often["temperatures"] == pytest.approx(once["temperatures"], rel=1e-4)


@pytest.mark.parametrize("right", [True, False])
def test_few_people_give_no_wild_temperature(right: bool) -> None:
    """Three people, all right or all wrong with confidence: unbounded, T would be 0 or infinite."""
    table, _ = drawn(0, 3)
    parts = {}
    for name, values in labels.ATTRIBUTES.items():
        part = np.full((3, len(values)), 0.01)
        part[np.arange(3), table[name] if right else (table[name] + 1) % len(values)] = 0.99
        parts[name] = part / part.sum(1, keepdims=True)
    probabilities = product(parts)
    members = [MemberProbabilities(probabilities, ALL)]
    for temperature in calibration.learn(probabilities, members, table)["temperatures"].values():
        assert (0.8 < temperature < 1) if right else (1 < temperature < 4)
    for vector in calibration.learn_vector(probabilities, members, table)["attributes"].values():
        assert all(0.2 < scale < 2 for scale in vector["scales"])
        assert all(abs(bias) < 2 for bias in vector["biases"])


def test_unknown_labels_and_attributes_teach_nothing() -> None:
    table, probabilities = drawn(0, 400)
    hidden = np.arange(len(table)) % 2 == 0
    partly = table.assign(mask=table["mask"].where(~hidden, labels.UNKNOWN).astype(np.int8))
    members = [MemberProbabilities(probabilities, ALL)]
    learned = calibration.learn(probabilities, members, partly)["temperatures"]
    known = table[~hidden].reset_index(drop=True)
    expected = calibration.learn(probabilities[~hidden], [members[0].select(~hidden)], known)
    assert learned["mask"] == pytest.approx(expected["temperatures"]["mask"])
    nobody = table.assign(mask=np.int8(labels.UNKNOWN))
    assert set(calibration.learn(probabilities, members, nobody)["temperatures"]) == {
        "gender",
        "age_band",
    }
    of_masks = [MemberProbabilities(probabilities, ("mask",))]
    assert set(calibration.learn(probabilities, of_masks, table)["temperatures"]) == {"mask"}
    assert set(calibration.learn_vector(probabilities, of_masks, table)["attributes"]) == {"mask"}


@pytest.mark.parametrize("name", ["calibrate", "calibrate_vector"])
def test_the_nested_error_falls_where_there_is_one(name: str) -> None:
    table, probabilities = drawn(3, 3000)
    spec = EnsembleSpec(Component(name="soft_vote"), (Component(name=name),))
    before, after = combinations.out_of_fold(spec, [MemberProbabilities(probabilities, ALL)], table)
    assert likelihood(table, after) > likelihood(table, before) + 0.05
    weights = Resamples(table, 100, seed=0)
    errors = [calibration_error.errors(step, table, weights) for step in (before, after)]
    for attribute in ALL:
        assert errors[1][attribute].value < errors[0][attribute].value / 2


def test_what_needs_no_calibration_gains_nothing() -> None:
    """Nested, over several draws; fitted and scored on the same people it seems to gain."""
    nested, same = [], []
    for seed in range(8):
        table, probabilities = drawn(seed, 60, dict.fromkeys(ALL, 1.0))
        members = [MemberProbabilities(probabilities, ALL)]
        plain = likelihood(table, probabilities)
        nested.append(likelihood(table, combinations.out_of_fold(SPEC, members, table)[-1]) - plain)
        same.append(likelihood(table, combinations.learn(SPEC, members, table)(members)) - plain)
    assert np.mean(nested) < 0
    assert np.mean(same) > 0
