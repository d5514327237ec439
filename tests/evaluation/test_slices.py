"""Scores of slices: which photos they have, their accuracies a naive way, and the correction."""

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.evaluation import metrics, slices

PEOPLE, PHOTOS = 120, 3


def photos(random: np.random.Generator) -> pd.DataFrame:
    """Three photos each, of every mask state, of people of 20 to 79 years."""
    person = np.repeat(np.arange(PEOPLE), PHOTOS)
    return photo_table.build(
        photo=[f"{number}.jpg" for number in range(PEOPLE * PHOTOS)],
        person=[f"p{number}" for number in person],
        mask=np.tile(np.arange(PHOTOS), PEOPLE),
        gender=(person % 2).tolist(),
        age=(20 + person % 60).tolist(),
    )


def predicted(
    table: pd.DataFrame, random: np.random.Generator, error: "np.typing.NDArray[np.float64]"
) -> "np.typing.NDArray[np.float32]":
    """Probabilities that are wrong in the gender with the probability `error` (N,)."""
    wrong = random.random(len(table)) < error
    gender = np.where(wrong, 1 - table["gender"], table["gender"])
    code = labels.encode(table["mask"], gender, table["age_band"])
    return np.eye(labels.COUNT, dtype=np.float32)[code]


def test_accuracies_are_those_of_the_photos_of_the_slice() -> None:
    random = np.random.default_rng(0)
    table = photos(random)
    table["brightness"] = random.uniform(0, 255, len(table))
    probabilities = predicted(table, random, np.full(len(table), 0.2))
    by_name = {
        (each.kind, each.name): each
        for each in slices.scores(probabilities, table)
        if each.attribute == "gender"
    }
    right = labels.marginals(probabilities)["gender"].argmax(1) == table["gender"]
    rows = table["age"].between(30, 34)
    thirty = by_name["age", "30–34"]
    assert thirty.photos == rows.sum()
    assert thirty.people == table.loc[rows, "person"].nunique()
    assert thirty.accuracy.value == pytest.approx(right[rows].mean())
    assert thirty.difference.value == pytest.approx(right[rows].mean() - right[~rows].mean())
    assert {name for kind, name in by_name if kind == "mask"} == {"wear", "incorrect", "not wear"}
    assert len([name for kind, name in by_name if kind == "brightness"]) == 4
    for each in by_name.values():
        assert each.accuracy.low <= each.accuracy.value <= each.accuracy.high
        assert each.difference.low <= each.difference.value <= each.difference.high


def test_a_slice_that_is_worse_is_named_and_chance_is_not() -> None:
    random = np.random.default_rng(1)
    table = photos(random)
    is_dark = random.random(len(table)) < 0.25
    table["brightness"] = np.where(is_dark, 10.0, random.uniform(20, 255, len(table)))
    probabilities = predicted(table, random, np.where(is_dark, 0.5, 0.05))
    worse = [each for each in slices.scores(probabilities, table) if each.is_worse]
    assert [(each.attribute, each.kind) for each in worse] == [("gender", "brightness")]
    assert worse[0].lost > 20


@pytest.mark.slow
def test_among_many_slices_chance_names_one_in_twenty_times() -> None:
    """Of 60 data sets whose errors are chance, about 3 may have a slice that is called worse."""
    false_alarms = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        table = photos(random)
        for name in ("brightness", "sharpness"):
            table[name] = random.uniform(0, 255, len(table))
        probabilities = predicted(table, random, np.full(len(table), 0.2))
        scores = slices.scores(probabilities, table, ["gender"])
        false_alarms += any(each.is_worse or each.difference.low > 0 for each in scores)
    assert false_alarms <= 8


def test_ages_begin_anew_at_the_bands_and_unknown_is_in_no_slice() -> None:
    table = photos(np.random.default_rng(0)).head(4)
    table["age"] = [29.0, 30.0, 60.0, np.nan]
    table["gender"] = [0, 1, labels.UNKNOWN, 0]
    kinds = slices.kinds(table)
    assert kinds["age"] == ["25–29", "30–34", "60–64", ""]
    assert kinds["gender"] == ["male", "female", "", "male"]
    assert set(kinds) == {"age", "gender", "mask"}


def test_faces_are_a_kind_and_their_width_another() -> None:
    table = photos(np.random.default_rng(0)).head(5)
    table["left"] = [0, 0, 0, 0, np.nan]
    table["right"] = [10, 20, 30, 40, np.nan]
    table["faces"] = [1, 1, 2, 1, 0]
    kinds = slices.kinds(table)
    assert kinds["face"] == ["found"] * 4 + ["not found"]
    assert [name[:2] for name in kinds["face width"]] == ["1.", "2.", "3.", "4.", ""]


def test_few_people_and_a_single_slice_are_left_out() -> None:
    table = photos(np.random.default_rng(0)).head(3 * (metrics.FEW - 1))
    assert not slices.scores(np.eye(labels.COUNT)[table["label"]], table)


def test_a_slice_that_is_right_throughout_has_an_interval() -> None:
    table = photos(np.random.default_rng(0))
    scores = slices.scores(np.eye(labels.COUNT)[table["label"]], table)
    assert all(each.accuracy.value == 1 and each.accuracy.low < 1 for each in scores)
    assert not any(each.is_worse for each in scores)


def test_quarters_have_one_size() -> None:
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    names = slices.quarters(values, ("dark", "b", "c", "bright"))
    assert pd.Series(names).value_counts().to_dict() == {
        "1. dark, below 25": 25, "2. b, 25 to 50": 25, "3. c, 50 to 74": 25,
        "4. bright, from 74": 25,
    }  # fmt: skip
    assert names[int(values.argmin())].startswith("1.")
    assert names[int(values.argmax())].startswith("4.")
