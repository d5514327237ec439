"""Effects are derived a second time, photo by photo; nothing is named where nothing differs."""

import numpy as np
import numpy.typing as npt
import pytest

from maskgate.dataset_shift import effects, two_sample, units
from maskgate.dataset_shift.units import Units

Floats = npt.NDArray[np.float64]
Sample = tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.bool_]]


def naive_delta(
    values: Floats, person: npt.NDArray[np.int64], is_b: npt.NDArray[np.bool_]
) -> float:
    """Cliff's delta over all pairs, each photo weighed by one over the photos of its person."""
    known = np.isfinite(values)
    key = list(zip(person.tolist(), is_b.tolist(), known.tolist(), strict=True))
    weight = {row: 1 / key.count(key[row]) for row in np.flatnonzero(known)}
    total = pairs = 0.0
    for i in np.flatnonzero(is_b & known):
        for j in np.flatnonzero(~is_b & known):
            total += weight[i] * weight[j] * np.sign(values[i] - values[j])
            pairs += weight[i] * weight[j]
    return total / pairs


@pytest.fixture
def sample() -> Sample:
    """Values with ties and gaps, of people with one to four photos, two of whom are in both."""
    random = np.random.default_rng(0)
    person = random.integers(0, 20, 60)
    is_b = person >= 10
    is_b[:2] = ~is_b[:2]
    values = random.integers(0, 6, 60).astype(float) + is_b
    values[random.integers(0, 60, 5)] = np.nan
    return values, person, is_b


def test_cliffs_delta_is_that_over_all_pairs(sample: Sample) -> None:
    values, person, is_b = sample
    effect = effects.cliffs_delta(values, Units(person.tolist(), is_b, 0))
    assert effect is not None
    assert effect.value == pytest.approx(naive_delta(values, person, is_b))
    assert effect.low < effect.value < effect.high


def test_permutations_have_the_effect_of_the_set_that_they_make(
    sample: Sample,
) -> None:
    values, person, is_b = sample
    values = np.nan_to_num(values)
    of_people = Units(person.tolist(), is_b, 0)
    weight = of_people.shares(of_people.unit)
    levels = effects.mid_levels(values, weight, np.zeros(60, np.int64))
    level = of_people.sums_of((weight * levels)[:, None], of_people.unit)[:, 0]
    null = effects.permuted_delta(level, np.ones(of_people.count, np.bool_), of_people)
    for number in range(3):
        moved = of_people.permuted[number, of_people.unit] > 0
        assert null[number] == pytest.approx(naive_delta(values, of_people.unit, moved), abs=1e-5)


def test_total_variation_is_half_the_sum_of_the_differences() -> None:
    is_b = np.arange(8) >= 4
    codes = np.array([0, 0, 0, 1, 1, 1, 2, -1])
    result = effects.total_variation(codes, ["x", "y", "z"], Units(range(8), is_b, 0))
    assert result is not None
    effect, shares = result
    assert shares.a == pytest.approx([3 / 4, 1 / 4, 0])
    assert shares.b == pytest.approx([0, 2 / 3, 1 / 3])
    assert effect.value == pytest.approx((3 / 4 + 5 / 12 + 1 / 3) / 2)
    assert shares.names[shares.largest()] == "x"


def test_a_set_without_known_values_has_no_effect() -> None:
    is_b = np.arange(4) >= 2
    of_people = Units(range(4), is_b, 0)
    assert effects.cliffs_delta(np.array([1, 2, np.nan, np.nan]), of_people) is None
    assert effects.total_variation(np.array([0, 1, -1, -1]), ["x", "y"], of_people) is None


def test_holm_is_that_of_the_textbook() -> None:
    assert effects.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert effects.holm([]) == []


@pytest.mark.parametrize(("people", "photos"), [(12, 1), (12, 4), (60, 1)])
def test_random_halves_are_alike_in_19_of_20(
    people: int, photos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (effects, two_sample, units):
        monkeypatch.setattr(module, "PERMUTATIONS", 199)
    monkeypatch.setattr(units, "RESAMPLES", 10)
    rejections = 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        person = np.repeat(np.arange(2 * people), photos)
        of_person = random.normal(size=(2 * people, 16))[person]
        features = of_person + 0.5 * random.normal(size=of_person.shape)
        of_people = Units(person.tolist(), np.isin(person, random.permutation(people)), seed)
        tests = [two_sample.find(features, person, of_people, seed)]
        tests += [effects.cliffs_delta(column, of_people) for column in features.T[:4]]
        tests += [effects.total_variation((features[:, 5] > 0) * 1, ["x", "y"], of_people)[0]]  # type: ignore[index]
        rejections += min(effects.holm([each.p for each in tests if each is not None])) <= 0.05
    assert rejections <= 4  # of 30 at 5%: five and more happen once in sixty times


def test_people_of_unequal_numbers_of_photos_stay_comparable() -> None:
    """A few people with many photos, many with one: the difference is still decided."""
    random = np.random.default_rng(0)
    person = np.concatenate([np.repeat(np.arange(40), 7), np.arange(40, 300)])
    is_b = person >= 40
    values = random.normal(size=300)[person] + 0.8 * is_b
    effect = effects.cliffs_delta(values, Units(person.tolist(), is_b, 0))
    assert effect is not None and effect.p < 0.005


def test_a_classifier_is_scored_on_people_that_it_has_not_seen() -> None:
    """Features that name the person, and nothing else, tell nothing of others."""
    random = np.random.default_rng(1)
    person = np.repeat(np.arange(60), 5)
    features = random.normal(size=(60, 200))[person]
    of_people = Units(person.tolist(), person >= 30, 0)
    effect = two_sample.find(features, person, of_people, 0)
    assert effect is not None and effect.p > 0.05 and abs(effect.value) < 0.35
    shifted = features + 0.5 * (person >= 30)[:, None]
    apart = two_sample.find(shifted, person, of_people, 0)
    assert apart is not None and apart.p < 0.01 and two_sample.auc(apart)[1] > 0.9


def test_few_people_are_no_test() -> None:
    of_people = Units(range(25), np.arange(25) >= 20, 0)
    features = np.random.default_rng(0).normal(size=(25, 4))
    assert two_sample.find(features, np.arange(25), of_people, 0) is None
