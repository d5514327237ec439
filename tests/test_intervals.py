"""The benchmark of intervals, in the small: they hold the truth, and verdicts are rarely false."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "intervals.py"


@pytest.fixture(scope="module")
def intervals() -> ModuleType:
    spec = importlib.util.spec_from_file_location("intervals", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["intervals"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_both_models_of_a_false_verdict_are_equally_good(intervals: ModuleType) -> None:
    scores = {model: intervals.true_score(model) for model in intervals.MODELS}
    assert scores["a"] == scores["equal"] == pytest.approx(0.617, abs=0.005)
    assert scores["better"] - scores["a"] == pytest.approx(0.031, abs=0.003)


@pytest.mark.slow
@pytest.mark.parametrize(("people", "studies"), [(60, 400), (270, 300)])
def test_intervals_hold_the_truth_and_verdicts_are_rarely_false(
    intervals: ModuleType, people: int, studies: int
) -> None:
    rows = intervals.simulate(people, studies, seed=1, methods=False)
    row, with_floor = rows[intervals.MASKGATE], rows[intervals.FLOOR]

    def two_errors(share: float) -> float:
        return 2 * float(np.sqrt(share * (1 - share) / studies))

    assert row.covers >= 0.93 - two_errors(0.93)
    assert row.false <= 0.06 + two_errors(0.06)
    assert with_floor.false <= row.false
    if people == 270:
        assert 0 < with_floor.without <= 0.1 + two_errors(0.1)
        assert with_floor.power > with_floor.false  # a better model shows more often than luck does
