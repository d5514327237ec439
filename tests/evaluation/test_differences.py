"""Intervals against what they must cover, alone and all at once; the correction against a loop."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from maskgate.evaluation.bootstrap import Floats
from maskgate.evaluation.differences import Scored, differences, stretch


def resamples(people: int, count: int) -> Floats:
    """How much each person weighs in each resample (count, people)."""
    random = np.random.default_rng(0)
    return random.multinomial(people, np.full(people, 1 / people), count) / people


def sides(
    random: np.random.Generator,
    weights: Floats,
    count: int,
    seeds: int,
    of_seed: float,
    of_photo: float,
) -> dict[str, Scored]:
    """So many sides that are one and the same recipe.

    A score is a mean over people: of what is hard about each for everybody, what a seed is
    worth, and its luck with each of them.
    """
    people = weights.shape[1]
    hard = random.normal(0, 0.3, people)

    def side() -> Scored:
        worth = random.normal(0, of_seed, (seeds, 1))
        a_person = hard + worth + random.normal(0, of_photo, (seeds, people))
        return Scored(a_person.mean(1), a_person @ weights.T)

    return {str(random.integers(1 << 60)): side() for _ in range(count)}


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("of_photo", [0.0, 0.05, 0.2])
def test_intervals_cover_where_only_chance_differs(seeds: int, of_photo: float) -> None:
    random = np.random.default_rng(seeds)
    weights, held = resamples(60, 200), 0
    for _ in range(400):
        (difference,) = differences(sides(random, weights, 2, seeds, 0.01, of_photo)).values()
        assert difference.alone == difference.corrected
        held += difference.alone.low <= 0 <= difference.alone.high
    assert held > 0.92 * 400


CASES: dict[str, dict[str, Any]] = {
    "one seed": {"seeds": 1, "of_seed": 0.0, "of_photo": 0.2},
    "people matter": {"seeds": 3, "of_seed": 0.001, "of_photo": 0.2},
    "seeds matter": {"seeds": 3, "of_seed": 0.01, "of_photo": 0.0},
    "both matter": {"seeds": 2, "of_seed": 0.03, "of_photo": 0.1},
}


@pytest.mark.parametrize("case", CASES)
def test_of_many_comparisons_where_nothing_differs_all_are_undecided_in_95_of_100(
    case: str,
) -> None:
    """The family-wise error of ten true nulls; that of the intervals alone is far above."""
    random = np.random.default_rng(1)
    weights = resamples(100, 1000)
    wrong, wrong_alone, studies = 0, 0, 200
    for _ in range(studies):
        results = differences(sides(random, weights, 11, **CASES[case])).values()
        wrong += any(not each.corrected.low <= 0 <= each.corrected.high for each in results)
        wrong_alone += any(not each.alone.low <= 0 <= each.alone.high for each in results)
    # Above 5% + two standard errors of so few studies nobody would believe it.
    assert wrong <= 0.05 * studies + 2 * np.sqrt(0.05 * 0.95 * studies)
    assert wrong_alone > 2 * wrong
    if case in ("one seed", "seeds matter"):
        assert wrong_alone > 0.12 * studies


def test_a_true_effect_among_many_is_found() -> None:
    random = np.random.default_rng(0)
    scores = sides(random, resamples(60, 2000), 6, 3, 0.005, 0.05)
    name = list(scores)[3]
    better = scores[name]
    scores[name] = Scored(better.value + 0.1, better.drawn + 0.1)
    results = differences(scores)
    assert [each for each in results if results[each].corrected.low > 0] == [name]
    assert results[name].corrected.value == results[name].alone.value


def test_the_stretch_is_that_of_a_loop() -> None:
    """Every factor is tried: the least with which 95% of draws lie in all intervals at once."""
    random = np.random.default_rng(0)
    shared = random.standard_normal(1000)
    draws = [shared + each * random.standard_normal(1000) for each in (0.2, 1.0, 3.0)]

    ends = [np.quantile(each, [0.025, 0.5, 0.975]) for each in draws]

    def inside(at: int, factor: float) -> bool:
        return all(
            middle - factor * (middle - low) <= each[at] <= middle + factor * (high - middle)
            for each, (low, middle, high) in zip(draws, ends, strict=True)
        )

    def naive() -> float:
        factor = 1.0
        while sum(inside(at, factor) for at in range(1000)) < 950:
            factor += 0.01
        return factor

    deviations = [
        np.array([(x - mid) / (high - mid) if x > mid else (mid - x) / (mid - low) for x in each])
        for each, (low, mid, high) in zip(draws, ends, strict=True)
    ]
    assert stretch(deviations) == pytest.approx(naive(), abs=0.011)


def test_the_correction_knows_what_comparisons_share() -> None:
    """Unrelated ones need nearly Bonferroni's width, the same one many times over none."""
    random = np.random.default_rng(0)
    unrelated = np.abs(random.standard_normal((10, 20_000))) / 1.96
    assert stretch(list(unrelated)) == pytest.approx(stats.norm.ppf(1 - 0.025 / 10) / 1.96, 0.02)
    assert stretch([unrelated[0]] * 10) == pytest.approx(1.0, abs=0.02)
    assert stretch([unrelated[0], np.zeros(20_000)]) == pytest.approx(1.0, abs=0.02)


def of_people(random: np.random.Generator, value: float = 0.5, spread: float = 0.01) -> Scored:
    return Scored(np.array([value]), value + spread * random.standard_normal((1, 20_000)))


def test_each_is_measured_by_its_own_interval() -> None:
    random = np.random.default_rng(0)
    scores = {"reference": Scored(np.array([0.5]), np.full((1, 20_000), 0.5))}
    scores |= {f"sure {at}": of_people(random) for at in range(4)}
    scores["unsure"] = of_people(random, spread=0.1)
    results = differences(scores)
    times = [
        (each.corrected.high - each.corrected.low) / (each.alone.high - each.alone.low)
        for each in results.values()
    ]
    assert times == pytest.approx([times[0]] * 5, rel=0.01)
    assert times[0] == pytest.approx(stats.norm.ppf(1 - 0.025 / 5) / 1.96, rel=0.02)


def test_the_spread_of_seeds_is_students_where_people_do_not_matter() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.01, (2, 200))
    reference, side = (Scored(row, np.tile(row[:, None], 4000)) for row in values)
    interval = differences({"reference": reference, "side": side})["side"].alone
    error = np.sqrt(values.var(1, ddof=1).max() * 2 / 200)
    assert interval.value == pytest.approx(values[1].mean() - values[0].mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.966 * error, rel=0.05)


def test_few_seeds_are_students_at_the_corrected_level() -> None:
    """Three sides of two seeds: three degrees of freedom, whatever the factor of the draws."""
    values = np.array([[0.49, 0.51]] * 3)
    scores = {str(at): Scored(row, np.tile(row[:, None], 40_000)) for at, row in enumerate(values)}
    error = np.sqrt(values[0].var(ddof=1))
    draws = error / np.sqrt(2) * np.random.default_rng(0).standard_normal((3, 400_000))
    normal = np.quantile(np.abs(draws[1:] - draws[0]).max(0), 0.95) / error
    level = stats.norm.cdf(normal)
    difference = differences(scores)["1"]
    assert difference.alone.high == pytest.approx(stats.t.ppf(0.975, 3) * error, rel=0.03)
    assert difference.corrected.high == pytest.approx(stats.t.ppf(level, 3) * error, rel=0.03)


def test_seeds_that_agree_by_luck_borrow_the_others_spread() -> None:
    def side(*values: float) -> Scored:
        return Scored(np.array(values), np.tile(np.array(values)[:, None], 20_000))

    lucky = {"reference": side(0.5, 0.5), "lucky": side(0.51, 0.51)}
    assert differences(lucky)["lucky"].alone.low > 0
    others = {"a": side(0.45, 0.55), "b": side(0.46, 0.54)}
    interval = differences({**lucky, **others})["lucky"].alone
    assert interval.low < 0 < interval.high


def test_few_seeds_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    drawn = 0.5 + random.normal(0, 0.001, (2, 2000))
    alone = [Scored(np.array([0.5]), row[None]) for row in drawn]
    sure = differences({"a": alone[0], "b": alone[1]})["b"].alone
    several = [Scored(np.array([0.48, 0.52]), np.stack([row - 0.02, row + 0.02])) for row in drawn]
    unsure = differences({"a": several[0], "b": several[1]})["b"].alone
    assert unsure.high - unsure.low > 20 * (sure.high - sure.low)
