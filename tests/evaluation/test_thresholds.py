"""Thresholds for a stated error: a second, naive way; people left out; and what cannot be met."""

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.ensemble.learning import groups
from maskgate.evaluation import thresholds
from maskgate.evaluation.thresholds import Answers


def drawn(count: int, photos: int = 2, seed: int = 0) -> Answers:
    """Calibrated answers of so many people, with ties."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.34, 1, count * photos).round(2)
    is_right = random.uniform(size=count * photos) < confidence
    person = np.repeat(np.arange(count), photos)
    table = pd.DataFrame({"person": person, "cluster": person, "fold": person % 4})
    table = table.assign(gender=person % 2, age_band=person % 3, mask=0)
    return Answers(confidence, is_right, table)


def naive(each: Answers, target: float) -> float | None:
    """Every confidence tried."""
    met = []
    for lowest in sorted({0.5, *each.confidence[each.confidence >= 0.5]}):
        accepted = each.confidence >= lowest
        people = each.table["person"][accepted].nunique()
        if people >= max(10, 1 / target) and (~each.is_right[accepted]).mean() <= target:
            met.append(float(lowest))
    return min(met, default=None)


@pytest.mark.parametrize("target", [0.02, 0.1, 0.2, 0.24, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_lowest_that_meets_the_target(seed: int, target: float) -> None:
    each = drawn(300, seed=seed)
    lowest = thresholds.threshold(each, target)
    assert lowest == naive(each, target)
    if target == 0.5:
        assert lowest == thresholds.LEAST


def test_what_cannot_be_met() -> None:
    each = drawn(200)
    always_wrong = Answers(each.confidence, np.zeros_like(each.is_right), each.table)
    assert thresholds.threshold(always_wrong, 0.5) is None
    always_right = Answers(each.confidence, np.ones_like(each.is_right), each.table)
    assert thresholds.threshold(always_right, 0.01) == thresholds.LEAST
    assert thresholds.threshold(always_right, 0.004) is None  # of 200 people it cannot be seen
    nobody = always_right.take(np.zeros(400, dtype=bool))
    assert thresholds.threshold(nobody, 0.5) is None


def test_a_threshold_knows_nothing_of_the_people_whom_it_is_scored_on() -> None:
    each = drawn(400)
    lowest = thresholds.of_others(each, 0.1)
    held_out = groups.of_people(each.table) == 2
    changed = Answers(each.confidence, each.is_right ^ held_out, each.table)
    again = thresholds.of_others(changed, 0.1)
    np.testing.assert_array_equal(lowest[held_out], again[held_out])
    assert (lowest[~held_out] != again[~held_out]).all()


def test_the_error_holds_for_others() -> None:
    """Naively: the share among accepted photos. Calibrated, .1 are wrong above .8."""
    each = drawn(4000)
    lowest = thresholds.of_others(each, 0.1)
    error, another_look = thresholds.accepted_error(each, lowest)
    accepted = each.confidence >= lowest
    assert error is not None
    assert error.value == pytest.approx((~each.is_right[accepted]).mean())
    assert another_look.value == pytest.approx((~accepted).mean())
    assert error.low <= 0.1 <= error.high
    assert lowest.mean() == pytest.approx(0.8, abs=0.03)


def test_intervals_where_all_are_right_or_unsure() -> None:
    each = drawn(100)
    perfect = Answers(each.confidence, np.ones_like(each.is_right), each.table)
    error, another_look = thresholds.accepted_error(perfect, np.zeros(200))
    assert error is not None
    assert error.value == another_look.value == 0
    assert error.high == another_look.high == pytest.approx(1 - 0.025 ** (1 / 100))
    error, another_look = thresholds.accepted_error(perfect, np.full(200, np.inf))
    assert error is None
    assert another_look.value == 1
    assert another_look.low == pytest.approx(0.025 ** (1 / 100))


def test_the_curve() -> None:
    each = drawn(500)
    curve = thresholds.curve(each)
    assert curve.coverage == sorted(curve.coverage)
    assert curve.coverage[-1] == 1
    for confidence, coverage, error in zip(
        curve.confidence, curve.coverage, curve.error, strict=True
    ):
        accepted = each.confidence >= confidence
        assert coverage == pytest.approx(accepted.mean(), abs=1e-4)
        assert error == pytest.approx((~each.is_right[accepted]).mean(), abs=1e-4)


def test_a_table_by_attribute_and_group() -> None:
    random = np.random.default_rng(1)
    count = 900
    codes = {name: random.integers(0, len(v), count) for name, v in labels.ATTRIBUTES.items()}
    label = labels.encode(*codes.values())
    probabilities = random.dirichlet(np.full(18, 0.05), count).astype(np.float32)
    probabilities[np.arange(count), label] += 1
    probabilities /= probabilities.sum(1, keepdims=True)
    person = np.arange(count)
    table = pd.DataFrame({"person": person, "cluster": person, "fold": 0, **codes})
    table.loc[5:, "age_band"] = labels.UNKNOWN
    table["gender"] = labels.UNKNOWN
    targets = {"mask": 0.05, "gender": 0.05, "age_band": 0.2}
    fitted = thresholds.fit(probabilities, table, targets)  # type: ignore[arg-type]
    assert set(fitted) == {"mask", "age_band"}
    mask = fitted["mask"]
    assert mask.confidence is not None
    assert mask.all.photos == count
    assert mask.all.error is not None
    assert mask.all.curve is not None
    assert {"mask: wear", "mask: incorrect", "mask: not_wear"} <= set(mask.groups)
    assert sum(mask.groups[f"mask: {state}"].photos for state in labels.MASKS) == count
    band = fitted["age_band"]  # of five people
    assert (band.confidence, band.all.error, band.all.people) == (None, None, 5)
