"""Chow's rule: what costs the least, derived a second time."""

import numpy as np
import pytest

from maskgate import labels
from maskgate.door.costs import CHOICES, Costs
from maskgate.door.readings import Policy, Reading, reading
from maskgate.door.verdict import Verdict, verdicts


def naive(p: float, let_in: float, stopped: float, look: float) -> str:
    go, stop = let_in * (1 - p), stopped * p
    if look <= min(go, stop):
        return "look"
    return "stop" if stop <= go else "go"


@pytest.mark.parametrize("values", [(20, 1, 0.2), (1, 1, 0.4), (1, 1, 0.6), (1, 1, 2), (1, 30, 3)])
def test_the_least_expected_cost(values: tuple[float, float, float]) -> None:
    costs = Costs(*values)
    grid = np.linspace(0, 1, 1001)
    choices = [CHOICES[place] for place in costs.choices(grid)]
    assert choices == [costs.choice(p) for p in grid] == [naive(p, *values) for p in grid]
    go = [p for p, choice in zip(grid, choices, strict=True) if choice == "go"]
    stop = [p for p, choice in zip(grid, choices, strict=True) if choice == "stop"]
    assert min(go) == pytest.approx(costs.go_above, abs=2e-3)
    assert max(stop) == pytest.approx(costs.stop_below, abs=2e-3)
    assert ("look" in choices) == (costs.stop_below < costs.go_above)
    assert ("another look" in str(costs)) == ("look" in choices)


def test_only_ratios_matter() -> None:
    grid = np.linspace(0, 1, 101)
    one, other = Costs(20, 1, 0.25).choices(grid), Costs(80, 4, 1).choices(grid)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("values", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan")), (1e999, 1, 1)])
def test_a_cost_is_above_0(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"the cost .* is not a number above 0"):
        Costs(*values)


def of_masks(*masks: float) -> Verdict:
    """A verdict with these probabilities of worn, worn incorrectly and not worn."""
    classes = np.repeat(np.array(masks) / 6, 6)[None].astype(np.float32)
    (verdict,) = verdicts(np.array([[1, 2, 3, 4, 0.9]], np.float32), classes, ("mask",))
    return verdict


@pytest.mark.parametrize(
    ("masks", "policy", "expected"),
    [
        ((0.995, 0.005, 0.0), "worn", "go"),
        ((0.98, 0.02, 0.0), "worn", "moment"),  # the mask state is sure, but letting in is dear
        ((0.1, 0.5, 0.4), "worn", "cover"),  # it is unsure, but nobody who may pass looks so
        ((0.1, 0.4, 0.5), "worn", "put_on"),
        ((0.45, 0.4, 0.15), "worn", "moment"),
        ((0.0, 0.005, 0.995), "bare", "go"),
        ((0.0, 0.02, 0.98), "bare", "moment"),
        ((0.4, 0.5, 0.1), "bare", "take_off"),
    ],
)
def test_the_reading_of_costs(masks: tuple[float, ...], policy: Policy, expected: Reading) -> None:
    assert len(masks) == len(labels.MASKS)
    assert reading(of_masks(*masks), policy, Costs(20, 1, 0.2)) == expected
