"""The number of people for a power, against studies drawn by chance."""

from unittest.mock import Mock

import numpy as np
import pytest
from scipy.special import stdtrit

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
    ("score_difference", "words"),
    [
        (difference(1e-4), "about 393 people are needed"),
        (difference(1e-4, 1e-3), "train more seeds of both"),
        (difference(0.0), "make the same predictions"),
    ],
)
def test_a_sentence_says_what_it_takes(score_difference: Difference, words: str) -> None:
    comparison = Comparison(RunGroup("a", ()), RunGroup("b", ()), {SCORE: score_difference}, {})
    assert words in power.sentence(comparison, 200, 0.02)


@pytest.mark.parametrize("of_people", [0.0, 2e-5])
def test_so_many_seeds_show_the_difference_in_80_of_100_studies(of_people: float) -> None:
    a_seed, size = 0.012, 0.02  # standard deviation of a score between seeds
    of_seeds = 2 * a_seed**2 / 2
    seeds = power.seeds_needed(difference(of_people, of_seeds), (2, 2), size)
    assert seeds is not None
    random = np.random.default_rng(0)
    scores = random.normal([[size], [0.0]], a_seed, (20_000, 2, seeds))
    people = np.sqrt(of_people) * random.standard_normal(20_000)
    between = scores.var(axis=2, ddof=1).mean(1) * 2 / seeds
    freedom = 2 * (seeds - 1) * ((between + of_people) / between) ** 2
    reach = stdtrit(freedom, 0.975) * np.sqrt(between + of_people)
    means = scores.mean(axis=2)
    share = np.mean(means[:, 0] - means[:, 1] + people > reach)
    assert 0.76 < share < 0.92  # a whole number of seeds shows a little more


def test_more_seeds_do_not_help_where_the_people_are_too_few() -> None:
    assert power.seeds_needed(difference(1e-4, 1e-5), (2, 2), 0.02) is None
    assert power.seeds_needed(difference(1e-4, 0.0), (2, 2), 0.02) is None


def test_several_comparisons_take_more_of_both() -> None:
    alone, among = (Difference(ANY, ANY, 4e-6, 2e-5, factor) for factor in (1.0, 1.5))
    people = [power.people_needed(each, 200, 0.02) or 0 for each in (alone, among)]
    seeds = [power.seeds_needed(each, (2, 2), 0.02) or 0 for each in (alone, among)]
    assert 0 < people[0] < people[1]
    assert 0 < seeds[0] < seeds[1]


def compared(
    value: float, *variances: float, seeds: tuple[int, int] = (1, 1), scarce: bool = False
) -> Comparison:
    """An undecided comparison of groups with so many seeds; the parts of its variance."""
    score = Score(value, -0.1, 0.1)
    reference, group = (
        RunGroup(name, (Mock(),) * count) for name, count in zip("ab", seeds, strict=True)
    )
    classes = {"wear male >=60": 2} if scarce else {}
    return Comparison(reference, group, {SCORE: Difference(score, score, *variances)}, classes)


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (compared(0.02, 1e-4, 0.0), "one, about 393 people instead of 200 would show it in 80%"),
        (compared(0.02, 1e-4, 0.0), "how many seeds cannot be estimated from a single one."),
        (
            compared(0.02, 1e-5, 1e-4, seeds=(2, 2)),
            "about 6 seeds of each instead of 2 would show it in 80% of studies; 20,000 people"
            " would not show it.",
        ),
        (
            compared(0.02, 6e-5, 1e-5, seeds=(2, 2)),
            "about 293 people instead of 200 would show it in 80% of studies; 100 seeds of each"
            " would not show it.",
        ),
        (compared(0.02, 3e-5, 3e-5, seeds=(2, 3)), " or about 4 seeds of each instead of 2 and 3"),
        (compared(0.02, 1e-4, 1e-3, seeds=(1, 3)), "one, 20,000 people would not show it; how"),
        (
            compared(0.002, 1e-4, 1e-3, seeds=(3, 3)),
            "one, 20,000 people or 100 seeds of each would",
        ),
        (compared(0.0, 1e-4, 0.0), "The measured difference is 0, so what it takes"),
        (compared(0.0, 0.0, 0.0), "Both make the same predictions, so there is nothing to decide"),
        (compared(0.2, 1e-4, 0.0, scarce=True), "at least 4 people of every class to decide"),
    ],
)
def test_an_undecided_comparison_says_what_would_decide_it(
    comparison: Comparison, words: str
) -> None:
    assert comparison.verdict == "undecided"
    assert words in power.to_decide(comparison, 200)


def test_a_decided_comparison_needs_no_more() -> None:
    score = Score(0.05, 0.01, 0.09)
    decided = Comparison(
        RunGroup("a", ()), RunGroup("b", ()), {SCORE: Difference(score, score, 1e-4, 0.0)}, {}
    )
    assert power.to_decide(decided, 200) == ""
