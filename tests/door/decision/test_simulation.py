"""The benchmark of decisions, in the small: errors of single frames never decide."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "decisions.py"


@pytest.fixture(scope="module")
def decisions() -> ModuleType:
    spec = importlib.util.spec_from_file_location("decisions", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["decisions"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("rate", [4, 10, 25])
def test_wrong_frames_and_people_who_step_up(decisions: ModuleType, rate: float) -> None:
    measures = decisions.simulate(decisions.independent, rate, 150, seed=1)
    assert measures.seconds == 1500
    assert measures.wrong < 1.5, "fewer than one in 1,000 seconds"
    assert len(measures.times) == measures.people
    median, late = np.quantile(measures.times, [0.5, 0.95])
    assert 0.5 < median <= late < 1.01
    assert measures.changes / (measures.seconds / 60) < 0.5


def test_errors_that_last_a_second_are_rarely_a_verdict(decisions: ModuleType) -> None:
    measures = decisions.simulate(decisions.bursts, 10, 150, seed=1)
    assert measures.wrong < 15, "at most one person in ten, who stepped up during an error"
    assert measures.changes / (measures.seconds / 60) < 4


def test_after_a_change_of_the_mask(decisions: ModuleType) -> None:
    right, ends = decisions.changed(decisions.independent, 10, 60, seed=1)
    assert len(right) == 60 and np.median(right) < 1.6
    assert np.quantile(ends, 0.95) < 1.01


@pytest.mark.parametrize("rate", [4, 10, 25])
def test_people_who_cross_never_exchange_their_verdicts(decisions: ModuleType, rate: float) -> None:
    ends = [decisions.cross(rate, np.random.default_rng([1, number])) for number in range(60)]
    assert "exchanged" not in ends
    assert ends.count("kept") > 30


def test_errors_are_as_frequent_as_the_table_says(decisions: ModuleType) -> None:
    rng, times = np.random.default_rng(1), np.arange(0, 4000, 0.1).tolist()
    for source in (decisions.independent, decisions.bursts):
        stream = source("wear", times, rng)
        wrong = np.mean([each.mask.value != "wear" for each in stream])
        assert wrong == pytest.approx(decisions.ERROR, abs=0.012)


def test_the_interval_of_a_count(decisions: ModuleType) -> None:
    assert decisions.poisson_interval(0) == pytest.approx((0, 3.69), abs=0.01)
    assert decisions.poisson_interval(10) == pytest.approx((4.80, 18.39), abs=0.01)
