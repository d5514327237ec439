"""Resamples against a loop over people; the groups a person is borrowed for; memory."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.evaluation import bootstrap, metrics
from maskgate.evaluation.bootstrap import Group, Resamples

MASKS = np.array([0, 0, 0, 0, 0, 1, 2])


def photos(gender: npt.ArrayLike, band: npt.ArrayLike) -> pd.DataFrame:
    """The seven photos of each of P people of these genders and age bands (P,)."""
    gender, band = np.asarray(gender, dtype=np.int8), np.asarray(band, dtype=np.int8)
    person = np.repeat(np.arange(len(gender)), len(MASKS))
    names = [f"{row}.jpg" for row in range(len(person))]
    ages = np.array([20, 40, 70])[band[person]]
    mask = np.tile(MASKS, len(gender))
    return photo_table.build(names, map(str, person), mask, gender[person], ages)


def random_people(count: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return photos(random.integers(0, 2, count), random.integers(0, 3, count))


def guesses(truth: npt.NDArray[np.integer], share: float, seed: int = 1) -> npt.NDArray[np.int64]:
    random = np.random.default_rng(seed)
    right = random.random(len(truth)) < share
    return np.where(right, truth, random.integers(0, labels.COUNT, len(truth)))


def test_weights_are_those_of_the_bayesian_bootstrap() -> None:
    resamples = Resamples(random_people(40), 4000, seed=0)
    (weights,) = resamples._weights()
    assert weights.shape == (4000, 40)
    assert weights.min() > 0  # nobody is ever lost
    assert weights.mean(1) == pytest.approx(1)
    # Of Dirichlet(1, …, 1) times P: variance (P - 1) / (P + 1).
    assert weights.var() == pytest.approx(39 / 41, rel=0.05)
    (others,) = Resamples(random_people(40), 4000, seed=1)._weights()
    assert not np.array_equal(others, weights)


def moved_naively(label: int, guess: int, group: Group) -> tuple[int, int]:
    """One photo's label and prediction, had its person been of the group."""
    code_lists: list[list[int]] = [[], []]
    for name, true, answer in zip(
        labels.ATTRIBUTES, labels.decode([label]), labels.decode([guess]), strict=True
    ):
        to = getattr(group, name)
        if to == labels.UNKNOWN:
            to, moved = int(true[0]), int(answer[0])
        else:
            last, error = len(labels.ATTRIBUTES[name]) - 1, int(answer[0]) - int(true[0])
            places = [to + error, to - error, min(max(to - error, 0), last)]
            moved = next(place for place in places if 0 <= place <= last)
        code_lists[0].append(to)
        code_lists[1].append(moved)
    truth, predicted = (labels.encode(*[[code] for code in codes])[0] for codes in code_lists)
    return int(truth), int(predicted)


@pytest.mark.parametrize("one_mask", [False, True], ids=["seven masks", "one mask a person"])
def test_confusions_are_those_of_a_loop_over_people(one_mask: bool) -> None:
    table = random_people(12)
    if one_mask:
        table = table.iloc[::7].assign(mask=np.arange(12, dtype=np.int8) % 2)
        table["label"] = labels.encode(table["mask"], table["gender"], table["age_band"])
        table = table.reset_index(drop=True)
    person, _ = pd.factorize(table["person"])
    truth = table["label"].to_numpy()
    predicted = guesses(truth, 0.4)
    resamples = Resamples(table, 9, seed=5)
    (weights,) = resamples._weights()
    matrices = resamples.confusions("label", truth, predicted)
    for at, counts in enumerate(matrices):
        expected = np.zeros((18, 18))
        for row in range(len(table)):
            expected[truth[row], predicted[row]] += weights[at, person[row]]
        for number, group in enumerate(resamples.groups):
            for row in np.flatnonzero(person == resamples._lender[number, at]).tolist():
                cell = moved_naively(truth[row], predicted[row], group)
                expected[cell] += resamples._borrowed[number, at]
        np.testing.assert_allclose(counts, expected * len(table) / expected.sum())


def test_confusions_of_attributes_are_sums_of_those_of_the_classes() -> None:
    """A right gender stays right, whatever the age band the person is moved to."""
    table = random_people(30)
    truth = table["label"].to_numpy()
    predicted = guesses(truth, 0.5)
    resamples = Resamples(table, 20, seed=2)
    class_matrices = resamples.confusions("label", truth, predicted)
    for name, values in labels.ATTRIBUTES.items():
        codes = dict(zip(labels.ATTRIBUTES, labels.decode(predicted), strict=True))[name]
        matrices = resamples.confusions(name, table[name].to_numpy(), codes)
        members = labels.MEMBERS[name].astype(float)
        np.testing.assert_allclose(matrices, members @ class_matrices @ members.T)
        assert matrices.shape == (20, len(values), len(values))


def test_a_person_is_borrowed_for_every_group_and_for_absent_ones_among_few() -> None:
    young_men = np.zeros(12, dtype=np.int8)
    assert len(Resamples(photos(young_men, young_men), 5, seed=0).groups) == 6
    many = np.zeros(bootstrap.ENOUGH, dtype=np.int8)
    assert Resamples(photos(many, many), 5, seed=0).groups == [Group(0, 0, -1)]
    # What nobody's photo says is of no group; masks that nobody shows stay absent.
    table = random_people(12).assign(gender=np.int8(-1), label=np.int8(-1))
    assert Resamples(table, 5, seed=0).groups == [Group(-1, band, -1) for band in range(3)]
    single = random_people(12).iloc[::7]
    assert {group.mask for group in Resamples(single, 5, seed=0).groups} == {0}


def test_people_who_lack_a_label_lend_nothing_and_belong_to_no_group() -> None:
    table = random_people(20)
    unknown = table["person"].isin(["0", "1", "2"])
    table.loc[unknown, "gender"] = labels.UNKNOWN
    table["label"] = labels.encode(table["mask"], table["gender"], table["age_band"])
    resamples = Resamples(table, 50, seed=0)
    assert not np.isin(resamples._lender, [0, 1, 2]).any()
    assert all(group.gender != labels.UNKNOWN for group in resamples.groups)


def test_of_two_people_who_are_right_nobody_can_be_sure() -> None:
    """A draw with replacement would call the recall of their class 1 without any doubt."""
    gender, band = np.tile([0, 1], 30), np.tile([0, 0, 1, 1, 1], 12)
    band[:2] = 2  # one man and one woman
    table = photos(gender, band)
    right = np.random.default_rng(0).random(60) < 0.6
    right[:2] = True
    truth = table["label"].to_numpy()
    predicted = np.where(np.repeat(right, 7), truth, (truth + 3) % 6 + truth // 6 * 6)
    report = metrics.evaluate(np.eye(18)[predicted], table)
    of_class = report["classes"][2]
    assert of_class["people"] == 1
    assert of_class["recall"]["value"] == of_class["recall"]["high"] == 1
    assert of_class["recall"]["low"] < 0.5


def test_resamples_that_do_not_fit_in_memory_at_once_come_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = random_people(40)
    truth = table["label"].to_numpy()
    predicted = guesses(truth, 0.5)
    expected = Resamples(table, 30, seed=5).confusions("label", truth, predicted)
    monkeypatch.setattr(bootstrap, "_CELLS_AT_ONCE", 160)  # four resamples of forty people
    matrices = Resamples(table, 30, seed=5).confusions("label", truth, predicted)
    np.testing.assert_allclose(matrices, expected)
    assert matrices.sum((1, 2)) == pytest.approx(len(table))
    assert len(np.unique(matrices, axis=0)) == 30  # no part is drawn twice
