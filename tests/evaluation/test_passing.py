"""Who is let in or stopped wrongly: a second, naive way."""

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.bundle.passing import Rates
from maskgate.door.costs import Costs
from maskgate.door.readings import Policy, reading
from maskgate.door.verdict import verdicts
from maskgate.evaluation import passing

COSTS = Costs(let_in=5, stopped=1, look=0.15)


def drawn(count: int = 240) -> tuple[np.ndarray, pd.DataFrame]:
    """Probabilities (N, 18) that are mostly right, of two photos a person."""
    random = np.random.default_rng(0)
    codes = {name: random.integers(0, len(v), count) for name, v in labels.ATTRIBUTES.items()}
    probabilities = random.dirichlet(np.full(18, 0.1), count)
    probabilities[np.arange(count), labels.encode(*codes.values())] += 1
    probabilities /= probabilities.sum(1, keepdims=True)
    table = pd.DataFrame({"person": np.arange(count) // 2, **codes})
    table.loc[:3, "mask"] = labels.UNKNOWN
    return probabilities.astype(np.float32), table


def naive(readings: list[str], may_pass: np.ndarray) -> tuple[float, float, float]:
    let_in = np.mean(
        [each == "go" for each, one in zip(readings, may_pass, strict=True) if not one]
    )
    stopped = np.mean(
        [each not in ("go", "moment") for each, one in zip(readings, may_pass, strict=True) if one]
    )
    return float(let_in), float(stopped), float(np.mean([each == "moment" for each in readings]))


def values(rates: Rates | None) -> tuple[float, float, float]:
    assert rates is not None
    return rates.let_in.value, rates.stopped.value, rates.another_look.value


@pytest.mark.parametrize(("policy", "state"), [("worn", 0), ("bare", 2)])
def test_the_rates_are_those_of_readings(policy: Policy, state: int) -> None:
    probabilities, table = drawn()
    scores = passing.passing(probabilities, table, policy, threshold=0.7, costs=COSTS)
    assert scores is not None
    known = (table["mask"] != labels.UNKNOWN).to_numpy()
    may_pass = table["mask"].to_numpy()[known] == state
    boxes = np.tile(np.array([[1, 2, 3, 4, 0.9]], np.float32), (known.sum(), 1))
    faces = verdicts(boxes, probabilities[known], ("mask",), {"mask": 0.7})
    by_threshold = naive([reading(each, policy) for each in faces], may_pass)
    by_costs = naive([reading(each, policy, COSTS) for each in faces], may_pass)
    assert values(scores.all.threshold) == pytest.approx(by_threshold)
    assert values(scores.all.costs) == pytest.approx(by_costs)
    assert scores.all.photos == known.sum()
    genders = [scores.groups[f"gender: {name}"].photos for name in labels.GENDERS]
    assert sum(genders) == known.sum()


def test_the_tradeoff_of_every_limit() -> None:
    random = np.random.default_rng(1)
    may_pass = random.uniform(size=300) < 0.4
    p = np.where(may_pass, random.beta(4, 1, 300), random.beta(1, 3, 300))
    curve = passing.tradeoff(p, may_pass)
    assert curve.limit == sorted(curve.limit)
    for limit, let_in, stopped in zip(curve.limit, curve.let_in, curve.stopped, strict=True):
        is_in = p >= limit - 1e-5
        assert let_in == pytest.approx(is_in[~may_pass].mean(), abs=0.01)
        assert stopped == pytest.approx((~is_in)[may_pass].mean(), abs=0.01)


def test_too_few_people() -> None:
    probabilities, table = drawn(60)
    everybody = table.assign(mask=0)
    assert passing.passing(probabilities, everybody, "worn", threshold=0.6) is None
    assert passing.passing(probabilities, everybody, "bare", threshold=0.6) is None
    few = table.assign(mask=np.where(np.arange(60) < 4, 0, 1))
    scores = passing.passing(probabilities, few, "worn", threshold=0.6)
    assert scores is not None
    assert (scores.all.people, scores.all.threshold, scores.all.costs) == (30, None, None)
