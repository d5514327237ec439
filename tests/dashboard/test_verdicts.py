"""Verdicts between groups: of every pair that can be compared."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from maskgate.dashboard import verdicts
from maskgate.dashboard.grouping import Grouper, Grouping
from maskgate.dashboard.reader import Reader
from maskgate.dashboard.verdicts import Verdicts
from maskgate.errors import MaskgateError
from maskgate.evaluation.compare import ScoredGroups
from maskgate.reports.run_rows import RunRow
from maskgate.runs.sources import Source
from tests.dashboard.conftest import change


@pytest.fixture
def three(golden: Path) -> Path:
    """Runs of two recipes: `one` and `two` differ in their seed, and in how a number was typed."""
    change(golden / "two", ("seed: 7", "seed: 8"), ("stem_width: 4", "stem_width: 4.0"))
    shutil.copytree(golden / "one", golden / "three")
    change(golden / "three", ("lr: 0.01", "lr: 0.02"))
    return golden


def grouped(runs: Path) -> Grouping:
    return Grouper().group([entry.row for entry in Reader([Source(runs)]).read()])


def test_a_number_typed_in_two_ways_is_one_recipe(three: Path) -> None:
    grouping, compared = grouped(three), Verdicts()
    assert sorted(len(group.rows) for group in grouping.groups) == [1, 2]
    compared.compare_best(grouping)
    assert len(compared.by_pair) == 1 and len(compared.scores) == 1


def test_a_pair_that_cannot_be_compared_leaves_the_others(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(three / "two", ("lr: 0.01", "lr: 0.03"))
    scored = verdicts._score

    def score(rows: Mapping[str, Sequence[RunRow]]) -> ScoredGroups:
        if {"one", "two"} <= rows.keys():
            raise MaskgateError("not these two")
        return scored(rows)

    monkeypatch.setattr(verdicts, "_score", score)
    compared = Verdicts()
    compared.compare_best(grouped(three))
    assert {frozenset(pair) for pair in compared.by_pair} == {
        frozenset({"one", "three"}),
        frozenset({"two", "three"}),
    }
