"""The order of an epoch and its batches, and how often each photo is drawn."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.config.recipe import Sampling
from maskgate.core.seeding import derive
from maskgate.data import table as tables
from maskgate.errors import MaskgateError
from maskgate.pipeline import sampling

SHUFFLE = Sampling(name="shuffle")
ROWS = np.array([4, 8, 15, 16, 23, 42, *range(50, 90)])
TABLE = pd.DataFrame(index=range(90))


def order(*place: int, rows: sampling.Rows = ROWS) -> list[int]:
    return sampling.epoch_order(SHUFFLE, rows, TABLE, *place).tolist()


def sampler(name: str, **arguments: Any) -> Sampling:
    return Sampling(name=name, **arguments)


def photos(*people: tuple[str, int, int]) -> pd.DataFrame:
    """The table of people (name, gender, age band) with seven photos each, five of them worn."""
    rows = [
        (name, mask, gender, band) for name, gender, band in people for mask in (0,) * 5 + (1, 2)
    ]
    person, mask, gender, band = zip(*rows, strict=True)
    names = [f"{name}/{number % 7}" for number, name in enumerate(person)]
    return tables.build(names, person, mask, gender, [np.nan] * len(rows), band)


# Groups of very different sizes; the last people lack a gender, a band or both.
PEOPLE = photos(
    *[(f"a{n}", 0, 0) for n in range(20)],
    *[(f"b{n}", 1, 1) for n in range(4)],
    *[(f"c{n}", 1, 2) for n in range(2)],
    *[("d", -1, 1), ("e", 0, -1), ("f", -1, -1)],
)
ALL = np.arange(len(PEOPLE))


def counts(how: Sampling, table: pd.DataFrame, epochs: int, rows: sampling.Rows = ALL) -> Any:
    """How often each row of the table was drawn over the epochs, and how many draws there were."""
    drawn = [sampling.epoch_order(how, rows, table, 7, 0, epoch) for epoch in range(epochs)]
    assert len({len(each) for each in drawn}) == 1, "every epoch draws equally many"
    return np.bincount(np.concatenate(drawn), minlength=len(table)), sum(map(len, drawn))


def assert_drawn(frequency: Any, draws: int, expected: Any) -> None:
    """The counts lie within three standard deviation of shares that add up to 1 (binomial).

    Of many single photos a few lie beyond by chance, none beyond five.
    """
    assert draws >= 10_000
    assert expected.sum() == pytest.approx(1)
    deviation = np.abs(frequency - draws * expected) / np.sqrt(draws * expected * (1 - expected))
    assert (deviation > 3).mean() <= 0.02
    assert deviation.max() < 5


def test_an_epoch_draws_every_row_once() -> None:
    for epoch in range(5):
        drawn = order(7, 0, epoch)
        assert sorted(drawn) == ROWS.tolist()
        assert drawn != ROWS.tolist()


def test_a_plain_shuffle_is_the_permutation_it_always_was() -> None:
    expected = np.random.default_rng(derive(7, 0, 3, "order")).permutation(ROWS)
    assert order(7, 0, 3) == expected.tolist()
    weightless = TABLE.assign(weight=1.0)
    assert sampling.epoch_order(SHUFFLE, ROWS, weightless, 7, 0, 3).tolist() == expected.tolist()


def test_the_order_is_a_function_of_seed_fold_and_epoch() -> None:
    places = [(7, 0, 0), (7, 0, 1), (7, 1, 0), (8, 0, 0), (0, 7, 0)]
    drawn = [tuple(order(*place)) for place in places]
    assert len(set(drawn)) == len(places)
    np.random.default_rng(0).random()
    assert drawn == [tuple(order(*place)) for place in places]


@pytest.mark.parametrize("name", list(sampling.SAMPLERS))
def test_every_sampler_is_a_function_of_its_place(name: str) -> None:
    table = PEOPLE.assign(weight=np.linspace(0.3, 2.2, len(PEOPLE)))
    how = sampler(name, worn_per_person=2)
    drawn = [sampling.epoch_order(how, ALL, table, 7, 0, epoch).tolist() for epoch in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]


def test_drawing_leaves_the_rows_as_they_were() -> None:
    rows = ROWS.copy()
    order(7, 0, 0, rows=rows)
    np.testing.assert_array_equal(rows, ROWS)


@pytest.mark.parametrize("name", list(sampling.SAMPLERS))
def test_only_the_rows_given_are_drawn(name: str) -> None:
    rows = np.arange(3, len(PEOPLE), 2)
    drawn = sampling.epoch_order(sampler(name), rows, PEOPLE, 7)
    assert set(drawn.tolist()) <= set(rows.tolist())
    assert drawn.dtype == np.int64


def test_first_places_are_drawn_evenly() -> None:
    rows = np.arange(4)
    first = [order(7, 0, epoch, rows=rows)[0] for epoch in range(400)]
    assert np.bincount(first).min() > 60  # 100 expected


# ------------------------------------------------------------------------ weights, worn photos


def test_a_shuffle_draws_a_photo_as_often_as_its_weight() -> None:
    weight = np.tile([1.0, 3.0, 0.25, 2.5, 1.75], 20)
    table, epochs = pd.DataFrame({"weight": weight}), 400
    drawn = np.array(
        [
            np.bincount(
                sampling.epoch_order(SHUFFLE, np.arange(100), table, 7, epoch), minlength=100
            )
            for epoch in range(epochs)
        ]
    )
    assert set(drawn.sum(1)) == {round(weight.sum())}
    floor = np.floor(weight)
    assert (((drawn == floor) | (drawn == floor + 1)) & (drawn >= floor)).all()
    more, share = (drawn - floor).sum(0), weight - floor
    np.testing.assert_array_equal(more[share == 0], 0)
    deviation = np.abs(more - epochs * share) / np.sqrt(epochs * share * (1 - share)).clip(min=1e-9)
    assert (deviation[share > 0] > 3).sum() <= 1
    # Pairs are drawn independently but for the fixed total: no photo follows its neighbour.
    odd = drawn[:, share == 0.5] - floor[share == 0.5]
    apart = np.corrcoef(odd.T)[np.triu_indices(20, 1)]
    assert abs(apart.mean()) < 0.06


@pytest.mark.parametrize(("by", "power"), [("class", 1.0), ("gender_age", 1.0), ("class", 0.5)])
def test_weighted_draws_by_the_rarity_of_the_group(by: str, power: float) -> None:
    weight = np.where(np.arange(len(PEOPLE)) % 3 == 0, 2.0, 0.5)
    table = PEOPLE.assign(weight=weight)
    columns = ["gender", "age_band", *(["mask"] if by == "class" else [])]
    keys = list(zip(*(PEOPLE[name] for name in columns), strict=True))
    size = Counter(keys)
    expected = np.array([w / size[key] ** power for w, key in zip(weight, keys, strict=True)])
    frequency, draws = counts(sampler("weighted", by=by, power=power), table, 300)
    assert draws == 300 * len(PEOPLE)
    assert_drawn(frequency, draws, expected / expected.sum())


def test_weighted_with_power_0_draws_photos_evenly() -> None:
    frequency, draws = counts(sampler("weighted", power=0), PEOPLE, 300)
    assert_drawn(frequency, draws, np.full(len(PEOPLE), 1 / len(PEOPLE)))


@pytest.mark.parametrize("weights", [False, True])
def test_imbalanced_draws_every_class_equally_often(weights: bool) -> None:
    table = PEOPLE
    if weights:
        table = PEOPLE.assign(weight=np.where(PEOPLE["person"].str.startswith("a"), 5.0, 1.0))
    frequency, draws = counts(sampler("imbalanced"), table, 300)
    groups = table.groupby(["mask", "gender", "age_band"]).indices
    assert len(groups) == 9 + 9  # classes, and as many combinations that lack something
    of_group = np.array([frequency[rows].sum() for rows in groups.values()])
    expected = np.full(len(groups), 1 / len(groups))
    deviation = np.abs(of_group - draws * expected) / np.sqrt(draws * expected * (1 - expected))
    assert deviation.max() < 3.5
    if not weights:
        same, _ = counts(sampler("weighted"), table, 300)
        np.testing.assert_array_equal(frequency, same)


def test_imbalanced_heeds_weights_within_a_class() -> None:
    weight = np.where(np.arange(len(PEOPLE)) % 2 == 0, 4.0, 1.0)
    frequency, _ = counts(sampler("imbalanced"), PEOPLE.assign(weight=weight), 300)
    rows = np.flatnonzero(PEOPLE["label"] == 0)
    heavy, light = (frequency[rows[weight[rows] == w]].mean() for w in (4.0, 1.0))
    assert heavy / light == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("name", list(sampling.SAMPLERS))
@pytest.mark.parametrize("most", [1, 3, 5, 9])
def test_an_epoch_takes_so_many_worn_photos_of_a_person(name: str, most: int) -> None:
    all_drawn = set()
    for epoch in range(30):
        drawn = sampling.epoch_order(sampler(name, worn_per_person=most), ALL, PEOPLE, 7, epoch)
        chosen = PEOPLE.iloc[np.unique(drawn)]
        worn = chosen[chosen["mask"] == 0].groupby("person").size()
        assert worn.max() <= most
        if name in ("shuffle", "copies"):
            assert (worn == min(most, 5)).all()
            assert (chosen["mask"] != 0).sum() == (PEOPLE["mask"] != 0).sum()
        all_drawn |= set(drawn.tolist())
    assert len(all_drawn) >= 0.8 * len(PEOPLE), "each epoch takes others"


@pytest.mark.parametrize("most", [1, 2, 4])
def test_an_epoch_takes_so_many_incorrect_photos_of_a_person(most: int) -> None:
    table = PEOPLE.assign(mask=np.tile([0, 0, 1, 1, 1, 2, 2], len(PEOPLE) // 7))
    how = sampler("shuffle", worn_per_person=1, incorrect_per_person=most)
    all_drawn = set()
    for epoch in range(20):
        drawn = sampling.epoch_order(how, ALL, table, 7, epoch)
        masks = table.iloc[drawn].groupby("person")["mask"].value_counts().unstack()
        assert (masks == [1, min(most, 3), 2]).all(axis=None)
        all_drawn |= set(drawn.tolist())
    assert len(all_drawn) == len(table)


def test_worn_photos_are_left_evenly() -> None:
    how = sampler("shuffle", worn_per_person=2)
    frequency, draws = counts(how, PEOPLE, 150)
    assert draws == 150 * 4 * (len(PEOPLE) // 7)
    worn = PEOPLE["mask"].to_numpy() == 0
    assert (frequency[~worn] == 150).all()
    deviation = np.abs(frequency[worn] - 150 * 0.4) / np.sqrt(150 * 0.4 * 0.6)
    assert (deviation > 3).mean() <= 0.02


def test_photos_of_unknown_mask_are_not_thinned() -> None:
    table = PEOPLE.assign(mask=np.int8(labels.UNKNOWN))
    drawn = sampling.epoch_order(sampler("shuffle", worn_per_person=1), ALL, table, 7)
    assert len(drawn) == len(table)


# ---------------------------------------------------------------------------------- copies


def test_people_are_copied_whole_and_in_turn() -> None:
    frequency, _ = counts(sampler("copies", people=9, masks=False), PEOPLE, 1)
    per_person = frequency.reshape(-1, 7)
    assert (per_person == per_person[:, :1]).all(), "a person is copied with all their photos"
    copied = dict(zip(PEOPLE["person"][::7], per_person[:, 0], strict=True))
    assert {copied[f"a{n}"] for n in range(20)} == {1}, "more than nine stay as they are"
    assert [copied[f"b{n}"] for n in range(4)] == [3, 2, 2, 2]
    assert [copied[f"c{n}"] for n in range(2)] == [5, 4]
    assert [copied[name] for name in "def"] == [1, 1, 1], "unknown bands are not copied"


def test_masks_are_balanced_by_copies() -> None:
    for people in (1, 9, 1000):
        frequency, draws = counts(sampler("copies", people=people), PEOPLE, 2)
        frequency //= 2
        by_mask = [frequency[PEOPLE["mask"] == mask].sum() for mask in range(3)]
        assert len(set(by_mask)) == 1
        assert draws == 2 * sum(by_mask)
        for mask in range(3):
            times = frequency[(PEOPLE["mask"] == mask) & PEOPLE["person"].str.startswith("a")]
            assert times.max() - times.min() <= 1
        assert frequency.min() >= 1
    people = frequency[PEOPLE["mask"] == 0].reshape(-1, 5)[:, 0]
    assert people[:20].sum() == people[20:24].sum() == people[24:26].sum() == 1000


def test_copies_of_partly_labelled_photos() -> None:
    table = PEOPLE.assign(mask=np.int8(labels.UNKNOWN), gender=np.int8(labels.UNKNOWN))
    drawn = sampling.epoch_order(sampler("copies", people=50), ALL, table, 7)
    assert sorted(drawn.tolist()) == ALL.tolist()
    some = PEOPLE.assign(mask=PEOPLE["mask"].where(PEOPLE["mask"] != 2, -1).astype(np.int8))
    frequency, _ = counts(sampler("copies", people=1), some, 1)
    assert frequency[some["mask"] == 1].sum() == frequency[some["mask"] == 0].sum() == 5 * 29
    assert (frequency[some["mask"] == -1] == 1).all()


def test_copies_and_weights_multiply() -> None:
    table = PEOPLE.assign(weight=2.0)
    single, _ = counts(sampler("copies", people=9), PEOPLE, 1)
    double, _ = counts(sampler("copies", people=9), table, 1)
    np.testing.assert_array_equal(double, 2 * single)


# --------------------------------------------------------------------------- batches, faults


@pytest.mark.parametrize(
    ("count", "size", "full_batches"), [(46, 8, 5), (46, 23, 2), (46, 2, 23), (46, 46, 1)]
)
def test_only_the_last_partial_batch_is_left_out(count: int, size: int, full_batches: int) -> None:
    drawn = np.random.default_rng(0).permutation(count)
    batches = sampling.batches(drawn, size)
    assert [len(batch) for batch in batches] == [size] * full_batches
    assert np.concatenate(batches).tolist() == drawn[: full_batches * size].tolist()


def test_fewer_photos_than_a_batch_are_one_batch() -> None:
    (batch,) = sampling.batches(ROWS, 64)
    assert batch.tolist() == ROWS.tolist()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (sampler("shufle"), r"unknown sampling shufle; did you mean shuffle\?"),
        (sampler("shuffle", speed=3), r"sampling shuffle:.*speed.*; see docs/recipe.md"),
        (
            sampler("weighted", by="age"),
            "sampling weighted: by is class or gender_age, not age; see",
        ),
        (sampler("weighted", by=["age"]), "sampling weighted: .*list"),
        (sampler("weighted", power=-0.5), "sampling weighted: power is -0.5, below 0"),
        (sampler("weighted", power="high"), "sampling weighted: "),
        (sampler("copies", people=0), "sampling copies: people is 0, no whole number from 1 on"),
        (sampler("copies", people=2.5), "sampling copies: people is 2.5, no whole number"),
        (
            sampler("copies", masks="maybe"),
            "sampling copies: masks is maybe, neither true nor false",
        ),
    ],
)
def test_faults_are_told(how: Sampling, message: str) -> None:
    with pytest.raises(MaskgateError, match=message):
        sampling.epoch_order(how, ALL, PEOPLE, 7)
