"""The number of people for a power, against studies drawn by chance."""

import numpy as np
import pytest

from maskgate.core.score import Score
from maskgate.evaluation import power
from maskgate.evaluation.compare import SCORE, Comparison
from maskgate.evaluation.differences import Difference
from maskgate.evaluation.groups import RunGroup

ANY = Score(0.0, -0.1, 0.1)


def difference(of_people: float, of_seeds: float = 0.0) -> Difference:
    return Difference(ANY, ANY, of_people, of_seeds)


@pytest.mark.parametrize("size", [0.05, 0.02])
@pytest.mark.parametrize("of_seeds", [0.0, 2e-5])
def test_so_many_people_show_the_difference_in_80_of_100_studies(
    size: float, of_seeds: float
) -> None:
    a_person = 0.4  # standard deviation of what a person adds to the difference
    people = power.people_needed(difference(a_person**2 / 200, of_seeds), 200, size)
    assert people is not None
    error = np.sqrt(a_person**2 / people + of_seeds)
    drawn = size + error * np.random.default_rng(0).standard_normal(20_000)
    assert np.mean(drawn > 1.96 * error) == pytest.approx(0.8, abs=0.01)
    assert power.smallest(difference(a_person**2 / people, of_seeds)) == pytest.approx(
        size, rel=0.01
    )


def test_seeds_may_leave_too_much_doubt_for_any_number_of_people() -> None:
    assert power.people_needed(difference(1e-4, of_seeds=1e-3), 200, 0.02) is None


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (difference(1e-4), "about 393 people are needed"),
        (difference(1e-4, 1e-3), "train more seeds of both"),
        (difference(0.0), "make the same predictions"),
    ],
)
def test_a_sentence_says_what_it_takes(found: Difference, words: str) -> None:
    comparison = Comparison(RunGroup("a", ()), RunGroup("b", ()), {SCORE: found}, {})
    assert words in power.sentence(comparison, 200, 0.02)
