"""What training is told, beside a truth that stays as it was."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskgate.config.recipe import DataSet, Labels
from maskgate.data import corrections, training_table
from maskgate.data import table as photo_table
from maskgate.data.column_values import AGE, DROPPED, EXTRA, NO_LABELS, PRIMARY, UNLABELLED
from maskgate.data.corrections import Corrections
from maskgate.data.table import Photos

AGES = (18.0, 27.0, 29.5, 30.0, 56.9, 57.0, 58.0, 59.0, 60.0, 71.0)


def aged(*ages: float) -> pd.DataFrame:
    """A photo of a man a row."""
    count = len(ages)
    names = [f"{row}.png" for row in range(count)]
    return photo_table.build(names, [f"p{row}" for row in range(count)], [2] * count, [0] * count,
        ages)  # fmt: skip


def labels_of(**settings: object) -> Labels:
    return Labels.model_validate(settings)


def test_without_a_wish_training_is_told_what_was_read() -> None:
    read = aged(*AGES)
    table = training_table.build(read, [], [], Labels())
    pd.testing.assert_frame_equal(table[list(photo_table.COLUMNS)], read)
    assert table["weight"].eq(1).all()
    assert table["data"].eq("").all()
    assert table["left_out"].eq("").all()
    assert table["source"].eq(PRIMARY).all()


@pytest.mark.parametrize("old_from", [57, 58, 59, 60, 65])
def test_the_old_begin_where_the_recipe_says(old_from: int) -> None:
    read = aged(*AGES, np.nan)
    read.loc[10, "age_band"] = 2  # a band, but no years
    before = read.copy()
    table = training_table.build(read, [], [], labels_of(old_from=old_from))
    band = [0 if age < 30 else 2 if age >= old_from else 1 for age in AGES] + [2]
    assert table["age_band"].tolist() == band
    assert table["label"].tolist() == [12 + each for each in band]
    assert table["age"].tolist()[:-1] == read["age"].tolist()[:-1]
    assert (table[[*read]].dtypes == read.dtypes).all()
    pd.testing.assert_frame_equal(read, before)


def test_ages_are_left_out_by_the_year() -> None:
    ages = (*range(27, 30), *range(57, 60))
    table = training_table.build(aged(*AGES, np.nan), [], [], labels_of(leave_out_ages=ages))
    out = [27 <= age < 30 or 57 <= age < 60 for age in AGES]
    assert table["left_out"].tolist() == [*(AGE if each else "" for each in out), ""]
    assert len(table) == len(AGES) + 1


def test_further_data_lie_below_and_keep_their_weight() -> None:
    more = [
        (DataSet(path="b", weight=2.5), aged(58, 20)),
        (DataSet(path="c/d.csv"), aged(29)),
    ]
    settings = labels_of(old_from=58, leave_out_ages=[29])
    bare = aged(np.nan).assign(mask=-1, gender=-1, age_band=-1, label=-1)
    unlabelled = [(DataSet(path="e", weight=0.5), bare)]
    table = training_table.build(aged(58, 40), more, unlabelled, settings)
    assert table["photo"].tolist() == [
        "0.png", "1.png", "b:0.png", "b:1.png", "c/d.csv:0.png", "e:0.png",
    ]  # fmt: skip
    assert table["person"].is_unique
    assert table["data"].tolist() == ["", "", "b", "b", "c/d.csv", "e"]
    assert table["weight"].tolist() == [1, 1, 2.5, 2.5, 1, 0.5]
    assert table["age_band"].tolist() == [2, 1, 2, 0, 0, -1]  # the boundary is moved in all of them
    assert table["source"].tolist() == [PRIMARY] * 2 + [EXTRA] * 3 + [UNLABELLED]
    assert table["left_out"].tolist() == [""] * 4 + [AGE, NO_LABELS]
    assert table["label"].dtype == np.int8


# ------------------------------------------------------------------------ truth and told


@pytest.fixture
def fixes(tmp_path: Path) -> Corrections:
    path = tmp_path / "fixes.csv"
    path.write_text(
        "person,field,value,tier,reason\np0,gender,female,sure,\np1,gender,female,likely,\n"
        "p2,gender,female,doubtful,\nnobody,gender,male,sure,\n"
    )
    return corrections.read(path)


def test_labels_as_read_are_the_truth() -> None:
    photos = Photos(Path(), aged(20, 30))
    training_labels = training_table.training_labels(photos, photos, None, Labels())
    assert training_labels.truth == "bands 30/60, labels as read"
    assert training_labels.training is training_labels.true is photos.table
    assert (training_labels.sha256, training_labels.changed, training_labels.problems) == (
        "",
        0,
        (),
    )


def test_corrections_change_what_training_is_told_alone(fixes: Corrections) -> None:
    photos = Photos(Path(), aged(20, 30, 40, 50))
    before = photos.table.copy()
    training_labels = training_table.training_labels(
        photos, photos, fixes, labels_of(corrections="fixes.csv")
    )
    assert training_labels.training["gender"].tolist() == [1, 1, 0, 0]  # up to likely
    assert training_labels.truth == "bands 30/60, labels as read"
    pd.testing.assert_frame_equal(training_labels.true, before)
    assert training_labels.changed == 2
    assert [problem.where for problem in training_labels.problems] == ["nobody"]


@pytest.mark.parametrize(("truth", "gender"), [("sure", [1, 0, 0]), ("doubtful", [1, 1, 1])])
def test_a_truth_that_is_corrected_is_named(
    truth: str, gender: list[int], fixes: Corrections
) -> None:
    photos = Photos(Path(), aged(20, 30, 40))
    settings = labels_of(corrections="fixes.csv", tier="likely", truth=truth)
    training_labels = training_table.training_labels(photos, photos, fixes, settings)
    assert training_labels.true["gender"].tolist() == gender
    assert training_labels.training["gender"].tolist() == [1, 1, 0]
    assert re.fullmatch(
        rf"bands 30/60, labels corrected by fixes\.csv up to {truth} \(sha256 [0-9a-f]{{8}}\)",
        training_labels.truth,
    )


def test_dropped_photos_are_left_out_of_training_but_scored(tmp_path: Path) -> None:
    path = tmp_path / "fixes.csv"
    path.write_text("person,field,value,tier\np1,drop,yes,likely\np3,drop,yes,doubtful\n")
    photos = Photos(Path(), aged(20, 30, 40, 50))
    settings = labels_of(corrections="fixes.csv")
    photo_labels = training_table.training_labels(photos, photos, corrections.read(path), settings)
    assert photo_labels.dropped.tolist() == [False, True, False, False]
    pd.testing.assert_frame_equal(photo_labels.true, photos.table)
    table = training_table.build(
        photo_labels.training, [], [], settings, dropped=photo_labels.dropped
    )
    assert table["left_out"].tolist() == ["", DROPPED, "", ""]


def test_without_a_tier_corrections_change_the_truth_alone(fixes: Corrections) -> None:
    photos = Photos(Path(), aged(20, 30, 40))
    settings = labels_of(corrections="fixes.csv", tier=None, truth="likely")
    photo_labels = training_table.training_labels(photos, photos, fixes, settings)
    pd.testing.assert_frame_equal(photo_labels.training, photos.table)
    assert photo_labels.true["gender"].tolist() == [1, 1, 0]
    assert photo_labels.changed == 0
    assert not photo_labels.dropped.any()
    corrected = labels_of(corrections="fixes.csv", truth="likely")
    assert (
        training_table.training_labels(photos, photos, fixes, corrected).truth == photo_labels.truth
    )


def test_a_correction_of_a_photo_that_is_not_used_is_no_fault(fixes: Corrections) -> None:
    read = Photos(Path(), aged(20, 30, 40))
    photos = read.take(np.array([2, 1]))
    training_labels = training_table.training_labels(
        read, photos, fixes, labels_of(corrections="x", truth="sure")
    )
    assert training_labels.training["photo"].tolist() == ["2.png", "1.png"]
    assert training_labels.training["gender"].tolist() == [0, 1]
    assert training_labels.true["gender"].tolist() == [0, 0]
    assert training_labels.training.index.tolist() == training_labels.true.index.tolist() == [0, 1]
    assert (training_labels.changed, len(training_labels.problems)) == (1, 1)


def test_a_file_without_corrections_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("person,field,value,tier,reason\n")
    photos = Photos(Path(), aged(20, 30))
    training_labels = training_table.training_labels(
        photos, photos, corrections.read(path), Labels()
    )
    assert training_labels.changed == 0
    assert [(each.kind, each.where) for each in training_labels.problems] == [
        ("no corrections", "none.csv")
    ]
