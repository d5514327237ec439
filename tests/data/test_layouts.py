"""Reading folders and CSVs: whatever the layout, one table, and all faults told together.

Reading looks at names and tables only, so that most photos here are empty files.
"""

import csv
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.data import checks, folds, layouts, seven_photos
from maskgate.data.table import AGE_GROUP, COLUMNS, Photos
from maskgate.errors import MaskgateError
from maskgate.inference.predictions import Predictions

STEMS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
HEADER = ("id", "gender", "race", "age", "path")
PEOPLE = ("000001_male_Asian_29", "000002_female_Asian_30", "000003_female_Asian_60")


def person(images: Path, name: str, suffix: str = ".jpg", stems: Iterable[str] = STEMS) -> Path:
    """A folder of empty files."""
    folder = images / name
    folder.mkdir(parents=True)
    for stem in stems:
        (folder / f"{stem}{suffix}").touch()
    return folder


def write(path: Path, rows: Iterable[Iterable[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def row_of(name: str) -> tuple[str, ...]:
    number, gender, race, age = name.split("_")
    return number, gender, race, age, name


def listing(images: Path, names: Iterable[str]) -> Path:
    return write(images.parent / "train.csv", [HEADER, *map(row_of, names)])


def problems_of(photos: Photos) -> set[tuple[str, str]]:
    return {(problem.kind, problem.where) for problem in photos.problems}


def table(folder: Path, *rows: Iterable[Any]) -> Photos:
    return layouts.read(write(folder / "labels.csv", rows))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The `images` folder of three people without a fault, listed in a `train.csv`."""
    folder = tmp_path / "people" / "train" / "images"
    for name in PEOPLE:
        person(folder, name)
    listing(folder, PEOPLE)
    return folder


# ---------------------------------------------------------------- the seven-photo layout


def test_a_person_gives_seven_labelled_photos(images: Path) -> None:
    photos = layouts.read(images)
    assert photos.problems == []
    assert photos.root == images
    assert tuple(photos.table.columns) == COLUMNS
    assert len(photos.table) == 3 * 7
    for row in photos.table.itertuples():
        folder, _, name = str(row.photo).partition("/")
        stem = name.removesuffix(".jpg")
        mask = 1 if stem == "incorrect_mask" else 2 if stem == "normal" else 0
        gender, age = int("female" in folder), int(folder[-2:])
        band = 0 if age < 30 else 1 if age < 60 else 2
        assert (row.person, row.mask, row.gender, row.age) == (folder, mask, gender, age)
        assert (row.age_band, row.label) == (band, mask * 6 + gender * 3 + band)
    types = photos.table.dtypes.astype(str).to_dict()
    assert {types[name] for name in ("mask", "gender", "age_band", "label")} == {"int8"}
    assert types["age"] == "float32"


@pytest.mark.parametrize("part", ["", "train", "train/images"])
@pytest.mark.parametrize("with_csv", [True, False])
def test_any_folder_of_the_layout_may_be_given(part: str, with_csv: bool, images: Path) -> None:
    if not with_csv:
        (images.parent / "train.csv").unlink()
    photos = layouts.read(images.parents[1] / part)
    assert photos.root == images
    assert len(photos.table) == 21


def test_people_may_lie_where_the_table_lies(images: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    images.rename(flat)
    (tmp_path / "people" / "train" / "train.csv").rename(flat / "train.csv")
    assert len(layouts.read(flat).table) == 21


def test_the_table_and_the_folder_names_alone_give_the_same(people: Path) -> None:
    with_table = layouts.read(people)
    names_alone = seven_photos.read(people / "train" / "images", None)
    assert len(with_table.table) == 7 * 32
    one, other = (
        photos.table.sort_values("photo", ignore_index=True) for photos in (with_table, names_alone)
    )
    pd.testing.assert_frame_equal(one, other)
    assert with_table.problems == names_alone.problems == []


def test_the_sample_peoples_photos_exist_and_carry_the_labels_of_the_folders(people: Path) -> None:
    photos = layouts.read(people)
    assert all((photos.root / name).is_file() for name in photos.table["photo"])
    assert not photos.table["photo"].str.contains(r"/\.", regex=True).any()
    assert {Path(name).suffix for name in photos.table["photo"]} == {".jpg", ".jpeg", ".png"}


def test_a_folder_named_like_a_photo_is_none(images: Path) -> None:
    (person(images, "000005_male_Asian_20", stems=["mask2", "normal"]) / "mask1.jpg").mkdir()
    photos = seven_photos.read(images, None)
    names = [name for name in photos.table["photo"] if name.startswith("000005")]
    assert names == ["000005_male_Asian_20/mask2.jpg", "000005_male_Asian_20/normal.jpg"]
    assert ("extra file", "000005_male_Asian_20/mask1.jpg") in problems_of(photos)
    assert ("missing photo", "000005_male_Asian_20/mask1") in problems_of(photos)


def test_photos_may_have_any_name_of_their_format(images: Path) -> None:
    odd = person(images, "000006_male_Asian_20", stems=())
    suffixes = (".jfif", ".jpe", ".avif", ".JFIF", ".tif", ".bmp", ".webp")
    for stem, suffix in zip(STEMS, suffixes, strict=True):
        (odd / f"{stem}{suffix}").touch()
    photos = seven_photos.read(images, None)
    names = [name for name in photos.table["photo"] if name.startswith("000006")]
    assert {Path(name).suffix for name in names} == set(suffixes)


def test_mixed_extensions_and_dot_files(images: Path) -> None:
    odd = person(images, "000004_male_Asian_20", stems=())
    for number, stem in enumerate(STEMS):
        (odd / f"{stem}{('.jpg', '.jpeg', '.png', '.PNG', '.JPG', '.webp')[number % 6]}").touch()
    for name in ("._mask1.jpg", "._normal.jpg", ".DS_Store", ".mask1.jpg"):
        (odd / name).touch()
    (images / ".ipynb_checkpoints").mkdir()
    (images / "._000004_male_Asian_20").touch()
    listing(images, [*PEOPLE, odd.name])
    photos = layouts.read(images)
    assert photos.problems == []
    assert (photos.table["person"] == odd.name).sum() == 7


def test_ids_that_repeat_or_end_in_minus_one_are_people_of_their_own(images: Path) -> None:
    more = ["000001_male_Asian_45", "000001-1_male_Asian_29", "000005-1_female_Asian_7"]
    for name in more:
        person(images, name)
    listing(images, [*PEOPLE, *more])
    for photos in (layouts.read(images), seven_photos.read(images, None)):
        assert photos.problems == []
        ages = photos.table.groupby("person")["age"].agg(["min", "max"])
        assert set(ages.index) == {*PEOPLE, *more}
        assert ages.loc["000001_male_Asian_29", "max"] == 29
        assert ages.loc["000001_male_Asian_45", "min"] == 45
        assert ages.loc["000005-1_female_Asian_7", "min"] == 7


def test_every_kind_of_fault_is_told_in_one_reading(images: Path) -> None:
    names = {
        "gender": "000010_diverse_Asian_40",
        "old": "000011_male_Asian_121",
        "young": "000012_male_Asian_-3",
        "both": "000013_robot_Asian_999",
        "unlisted": "000014_male_Asian_33",
        "short": "000015_male_Asian_50",
        "more": "000016_male_Asian_51",
        "empty": "000017_male_Asian_52",
    }
    for key, name in names.items():
        stems = {"short": STEMS[:5], "empty": ()}.get(key, STEMS)
        person(images, name, stems=stems)
    for extra in ("mask6.jpg", "mask1.png", "notes.txt", "mask2.gif"):
        (images / names["more"] / extra).touch()
    listing(images, [*PEOPLE, *(n for n in names.values() if "33" not in n), "000099_male_Asian_9"])
    photos = layouts.read(images)
    more = names["more"]
    assert problems_of(photos) == {
        ("unknown gender", names["gender"]),
        ("age out of range", names["old"]),
        ("age out of range", names["young"]),
        ("unknown gender", names["both"]),
        ("age out of range", names["both"]),
        ("folder without labels", names["unlisted"]),
        ("row without folder", "000099_male_Asian_9"),
        ("missing photo", f"{names['short']}/incorrect_mask"),
        ("missing photo", f"{names['short']}/normal"),
        *(("missing photo", f"{names['empty']}/{stem}") for stem in STEMS),
        *(("extra file", f"{more}/{name}") for name in ("mask6.jpg", "notes.txt", "mask2.gif")),
        ("extra file", f"{more}/mask1.png"),
    }
    fatal = {problem.where for problem in photos.problems if problem.fatal}
    assert fatal == {names[key] for key in ("gender", "old", "young", "both")}
    counts = Counter(photos.table["person"])
    assert counts == {**dict.fromkeys(PEOPLE, 7), names["short"]: 5, more: 7}
    with pytest.raises(MaskgateError) as caught:
        checks.refuse(photos.problems, images, skip=False)
    for name in fatal:
        assert name in str(caught.value)
    checks.refuse(photos.problems, images, skip=True)
    assert "3 × age out of range" in " ".join(checks.summary(photos.problems))


def test_folders_that_are_nobodys_are_told_without_a_table(images: Path) -> None:
    (images.parent / "train.csv").unlink()
    (images / "thumbnails").mkdir()
    person(images, "000020_male_Asian_old")
    photos = layouts.read(images)
    assert problems_of(photos) == {
        ("folder without labels", "thumbnails"),
        ("folder without labels", "000020_male_Asian_old"),
    }
    assert len(photos.table) == 21


def test_the_table_is_believed_where_the_folder_name_differs(images: Path) -> None:
    rows = [row_of(name) for name in PEOPLE]
    rows[0] = ("000001", "female", "Asian", "61", PEOPLE[0])
    write(images.parent / "train.csv", [HEADER, *rows])
    photos = layouts.read(images)
    assert problems_of(photos) == {("folder name contradicts table", PEOPLE[0])}
    (first,) = photos.table[photos.table["photo"] == f"{PEOPLE[0]}/normal.jpg"].itertuples()
    assert (first.gender, first.age, first.label) == (1, 61, 17)


def test_rows_that_repeat_are_harmless_and_those_that_contradict_are_fatal(images: Path) -> None:
    rows = [row_of(name) for name in PEOPLE]
    write(images.parent / "train.csv", [HEADER, *rows, rows[0]])
    assert layouts.read(images).problems == []
    write(images.parent / "train.csv", [HEADER, *rows, ("1", "male", "Asian", "70", PEOPLE[0])])
    photos = layouts.read(images)
    assert problems_of(photos) == {("contradictory rows", PEOPLE[0])}
    assert [problem.fatal for problem in photos.problems] == [True]


def test_people_with_contradictory_rows_are_left_out(images: Path) -> None:
    rows = [row_of(name) for name in PEOPLE]
    write(images.parent / "train.csv", [HEADER, *rows, ("1", "male", "Asian", "70", PEOPLE[0])])
    assert set(layouts.read(images).table["person"]) == set(PEOPLE[1:])


def test_a_people_table_that_lacks_columns_is_told(images: Path) -> None:
    write(images.parent / "train.csv", [("id", "age"), ("000001", "29")])
    with pytest.raises(MaskgateError, match=r"train\.csv.*gender, path"):
        layouts.read(images)


def test_a_table_saved_by_a_spreadsheet_is_read(images: Path) -> None:
    path = images.parent / "train.csv"
    path.write_text("\ufeff" + path.read_text(), encoding="utf-8")
    assert len(layouts.read(images).table) == 21


# ---------------------------------------------------------------------------- plain CSV


def test_a_full_csv(tmp_path: Path) -> None:
    photos = table(
        tmp_path,
        ("photo", "person", "mask", "gender", "age"),
        ("a/1.jpg", "007", "wear", "male", "29"),
        ("a/2.jpg", "007", "incorrect", "male", "30"),
        ("b/1.png", "8", "not_wear", "female", "59.5"),
        ("b/2.png", "8", "Not Wear", " F ", "60"),
        ("b/3.png", "8", "normal", "M", "0"),
    )
    assert photos.problems == []
    assert photos.root == tmp_path
    assert tuple(photos.table.columns) == COLUMNS
    assert photos.table["person"].tolist() == ["007", "007", "8", "8", "8"]
    assert photos.table["mask"].tolist() == [0, 1, 2, 2, 2]
    assert photos.table["gender"].tolist() == [0, 0, 1, 1, 0]
    assert photos.table["age_band"].tolist() == [0, 1, 1, 2, 0]
    assert photos.table["label"].tolist() == [0, 7, 16, 17, 12]
    assert photos.table["age"].tolist() == [29, 30, 59.5, 60, 0]


def test_any_attribute_may_be_missing_in_a_row(tmp_path: Path) -> None:
    photos = table(
        tmp_path,
        ("photo", "person", "mask", "gender", "age"),
        ("1.jpg", "a", "", "male", "20"),
        ("2.jpg", "a", "wear", "", "20"),
        ("3.jpg", "a", "wear", "male", ""),
        ("4.jpg", "", "wear", "male", "20"),
        ("5.jpg", "", "", "", ""),
    )
    assert photos.problems == []
    assert photos.table["label"].tolist() == [-1, -1, -1, 0, -1]
    assert photos.table["mask"].tolist() == [-1, 0, 0, 0, -1]
    assert photos.table["gender"].tolist() == [0, -1, 0, 0, -1]
    assert photos.table["age_band"].tolist() == [0, 0, -1, 0, -1]
    assert np.isnan(photos.table["age"]).tolist() == [False, False, True, False, True]
    assert photos.table["person"].tolist() == ["a", "a", "a", "4.jpg", "5.jpg"]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [("mask", "wear", 0), ("gender", "female", 1), ("age", "61", 2), ("age_group", "60-69", 2)],
)
def test_any_attribute_may_be_missing_as_a_column(
    column: str, value: str, code: int, tmp_path: Path
) -> None:
    photos = table(tmp_path, ("photo", column), ("1.jpg", value), ("2.jpg", ""))
    assert photos.problems == []
    name = column if column in labels.ATTRIBUTES else "age_band"
    for attribute in labels.ATTRIBUTES:
        expected = [code, -1] if attribute == name else [-1, -1]
        assert photos.table[attribute].tolist() == expected
    assert photos.table["label"].tolist() == [-1, -1]
    assert photos.table["person"].tolist() == ["1.jpg", "2.jpg"]  # one photo is one person


@pytest.mark.parametrize(
    ("group", "band"),
    [
        ("20-29", 0),
        ("0-2", 0),
        ("<30", 0),
        ("< 30", 0),
        ("under 30", 0),
        ("<=29", 0),
        ("30-39", 1),
        ("30-59", 1),
        ("50 - 59", 1),
        ("60-69", 2),
        (">=60", 2),
        ("60+", 2),
        ("70+", 2),
        ("more than 70", 2),
        ("More than 70", 2),
    ],
)
def test_age_groups_within_a_band(group: str, band: int, tmp_path: Path) -> None:
    photos = table(tmp_path, ("photo", "age_group"), ("1.jpg", group))
    assert photos.problems == []
    assert photos.table["age_band"].tolist() == [band]
    assert np.isnan(photos.table["age"]).all()


def test_a_table_with_age_groups_has_their_years(tmp_path: Path) -> None:
    rows = ("1.jpg", "25", ""), ("2.jpg", "", "20-29"), ("3.jpg", "61", "60+"), ("4.jpg", "", "")
    photos = table(tmp_path, ("photo", "age", "age_group"), *rows)
    assert photos.problems == []
    years = photos.table[[*AGE_GROUP]].to_numpy()
    nan = np.nan
    np.testing.assert_array_equal(years, [[nan, nan], [20, 29], [60, 120], [nan, nan]])
    without = table(tmp_path, ("photo", "age"), ("1.jpg", "25"), ("2.jpg", ""))
    assert not {*AGE_GROUP} & {*without.table}


@pytest.mark.parametrize(
    "group", ["25-34", "55-64", "<=30", "<60", "30+", "59+", "29-20", "old", "100-130", "1-2-3"]
)
def test_age_groups_across_bands_are_faults(group: str, tmp_path: Path) -> None:
    photos = table(tmp_path, ("photo", "age_group"), ("1.jpg", group), ("2.jpg", "20-29"))
    assert problems_of(photos) == {("unknown age_group", "1.jpg")}
    assert group in photos.problems[0].detail
    assert photos.table["photo"].tolist() == ["2.jpg"]


@pytest.mark.parametrize("group", ["30 or older", "≤59", "up to 59", "from 30"])
def test_open_age_groups_in_other_words_are_never_guessed(group: str, tmp_path: Path) -> None:
    photos = table(tmp_path, ("photo", "age_group"), ("1.jpg", group))
    assert problems_of(photos) == {("unknown age_group", "1.jpg")}


@pytest.mark.parametrize("group", [">59", "over 59", "more than 59"])
def test_more_than_59_is_60_and_over(group: str, tmp_path: Path) -> None:
    photos = table(tmp_path, ("photo", "age_group"), ("1.jpg", group))
    assert photos.problems == []
    assert photos.table["age_band"].tolist() == [2]


def test_an_age_and_a_group_complete_each_other_or_clash(tmp_path: Path) -> None:
    photos = table(
        tmp_path,
        ("photo", "age", "age_group"),
        ("1.jpg", "25", "20-29"),
        ("2.jpg", "", "60+"),
        ("3.jpg", "35", ""),
        ("4.jpg", "25", "60+"),
    )
    assert problems_of(photos) == {("contradictory labels", "4.jpg")}
    assert photos.table["photo"].tolist() == ["1.jpg", "2.jpg", "3.jpg"]
    assert photos.table["age_band"].tolist() == [0, 2, 1]


def test_every_fault_of_a_csv_is_told_in_one_reading(tmp_path: Path) -> None:
    photos = table(
        tmp_path,
        ("photo", "person", "mask", "gender", "age"),
        ("1.jpg", "a", "wear", "male", "20"),
        ("2.jpg", "a", "sometimes", "male", "20"),
        ("3.jpg", "a", "wear", "{value}", "20"),
        ("4.jpg", "a", "wear", "male", "121"),
        ("5.jpg", "a", "wear", "male", "-1"),
        ("6.jpg", "a", "wear", "male", "young"),
        ("7.jpg", "a", "never", "x", "nine"),
        ("", "a", "wear", "male", "20"),
        ("8.jpg", "a", "wear", "male", "20"),
        ("8.jpg", "b", "not_wear", "male", "20"),
    )
    assert problems_of(photos) == {
        ("unknown mask", "2.jpg"),
        ("unknown gender", "3.jpg"),
        ("unknown age", "4.jpg"),
        ("unknown age", "5.jpg"),
        ("unknown age", "6.jpg"),
        ("unknown mask", "7.jpg"),
        ("unknown gender", "7.jpg"),
        ("unknown age", "7.jpg"),
        ("row without photo", "row 9"),
        ("photo listed twice", "8.jpg"),
    }
    assert all(problem.fatal for problem in photos.problems)
    assert photos.table["photo"].tolist() == ["1.jpg"]
    assert photos.table.index.tolist() == [0]


def test_a_folder_with_one_table_of_photos(tmp_path: Path) -> None:
    write(tmp_path / "notes.csv", [("remark",), ("hello",)])
    write(tmp_path / "labels.csv", [("photo", "mask"), ("1.jpg", "wear")])
    (tmp_path / "empty.csv").touch()
    photos = layouts.read(tmp_path)
    assert photos.root == tmp_path
    assert photos.table["photo"].tolist() == ["1.jpg"]


def test_of_several_tables_one_must_be_named(tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        write(tmp_path / name, [("photo", "mask"), (f"{name}.jpg", "wear")])
    with pytest.raises(MaskgateError, match=r"one\.csv, two\.csv"):
        layouts.read(tmp_path)
    assert layouts.read(tmp_path / "two.csv").table["photo"].tolist() == ["two.csv.jpg"]


def test_of_several_tables_the_name_of_the_photo_column_decides_nothing(tmp_path: Path) -> None:
    write(tmp_path / "labels.csv", [("image", "mask"), ("1.jpg", "wear")])
    write(tmp_path / "other.csv", [("photo", "mask"), ("1.jpg", "not_wear")])
    with pytest.raises(
        MaskgateError, match=r"several tables are in it \(labels\.csv, other\.csv\)"
    ):
        layouts.read(tmp_path)


def test_predictions_beside_labels_are_never_read_as_labels(tmp_path: Path) -> None:
    predictions = Predictions(["1.jpg", "2.jpg"], np.full((2, 18), 1 / 18, dtype=np.float32))
    (tmp_path / "pred.csv").write_text(predictions.to_csv())
    for data in (tmp_path, tmp_path / "pred.csv"):
        with pytest.raises(MaskgateError) as caught:
            layouts.read(data)
        assert str(caught.value).startswith(
            f"{tmp_path / 'pred.csv'}: these are predictions, not labels (columns mask_probability,"
        )
        assert str(caught.value).endswith(
            "; give the table of labels, or remove these columns if its labels are true"
        )
    text = "image;사람;mask;gender;나이\r\n1.jpg;가;착용;남;34\r\n2.jpg;나;미착용;여;61\r\n"
    (tmp_path / "labels.csv").write_bytes(text.encode("cp949"))
    assert layouts.read(tmp_path).table["label"].tolist() == [1, 17]


@pytest.mark.parametrize("column", ["mask_probability", "true_probability", "p00"])
def test_one_column_of_probabilities_tells_predictions(column: str, tmp_path: Path) -> None:
    with pytest.raises(
        MaskgateError, match=rf"these are predictions, not labels \(columns {column}\)"
    ):
        table(tmp_path, ("photo", "mask", column), ("1.jpg", "wear", "0.9"))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (("person", "mask"), "lacks the column 'photo'"),
        (("photo", "person"), "no label"),
        (("photo",), "no label"),
    ],
)
def test_missing_columns_are_told(header: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=message):
        table(tmp_path, header, ("x",) * len(header))


def test_files_that_are_no_csv_are_told(tmp_path: Path) -> None:
    for name, content in (
        ("photo.csv", b"\xff\xd8\xff\xe0" + bytes(range(256))),
        ("empty.csv", b""),
        ("ragged.csv", b'photo,mask\n"1.jpg,wear\n2.jpg,wear,3\n'),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MaskgateError, match=name):
            layouts.read(tmp_path / name)


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="no such file or folder"):
        layouts.read(tmp_path / "nowhere")
    with pytest.raises(MaskgateError, match="neither folders named"):
        layouts.read(tmp_path)
    (tmp_path / "train" / "images").mkdir(parents=True)
    with pytest.raises(MaskgateError, match="neither folders named"):
        layouts.read(tmp_path)


# ------------------------------------------------------------------------ the test photos


def test_the_order_of_the_test_photos_is_kept(people: Path) -> None:
    for data in (people, people / "eval"):
        folder, rows = layouts.read_eval(data)
        assert folder == people / "eval" / "images"
        with (people / "eval" / "info.csv").open(newline="") as file:
            expected = [row["ImageID"] for row in csv.DictReader(file)]
        assert rows["ImageID"].tolist() == expected
        assert expected != sorted(expected)
        assert len(expected) == 6 * 7


def test_test_photos_may_lie_beside_their_table(tmp_path: Path) -> None:
    write(tmp_path / "info.csv", [("ImageID", "ans"), ("b.jpg", "0"), ("a.jpg", "0")])
    folder, rows = layouts.read_eval(tmp_path)
    assert folder == tmp_path
    assert rows["ImageID"].tolist() == ["b.jpg", "a.jpg"]


def test_missing_test_photos_are_told(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=r"no info\.csv"):
        layouts.read_eval(tmp_path)
    write(tmp_path / "info.csv", [("image", "ans"), ("a.jpg", "0")])
    with pytest.raises(MaskgateError, match="ImageID"):
        layouts.read_eval(tmp_path)


def test_csv_headers_and_people_are_read_as_meant(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text(
        "photo, person ,mask,Gender,\n"
        "a.jpg,None,wear,male,\nb.jpg, p1,wear,male,\nc.jpg,p1 ,wear,male,\nd.jpg,,wear,male,\n"
    )
    photos = layouts.read(table)
    assert photos.table["person"].tolist() == ["None", "p1", "p1", "d.jpg"]
    assert photos.table["mask"].tolist() == [0, 0, 0, 0]
    problems = {(p.kind, p.where, p.detail) for p in photos.problems if p.where == "Gender"}
    assert problems == {("column under another name", "Gender", "read as gender")}
    assert photos.table["gender"].tolist() == [0, 0, 0, 0]
    assert not any(problem.fatal for problem in photos.problems)


def test_a_csv_called_train_beside_images_is_a_csv(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "train.csv").write_text("photo,mask\nimages/a.jpg,wear\n")
    assert layouts.read(tmp_path).table["photo"].tolist() == ["images/a.jpg"]


def test_blank_and_repeated_test_photos_are_told(tmp_path: Path) -> None:
    (tmp_path / "info.csv").write_text("ImageID,ans\na.jpg,0\n,0\na.jpg,0\n")
    with pytest.raises(MaskgateError, match=r"row 3 without ImageID, a\.jpg listed twice"):
        layouts.read_eval(tmp_path)


# ------------------------------------------------------------------- strangers' spellings

NFC, NFD = (unicodedata.normalize(form, "김") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("gender", "age", "codes"),
    [("Female", "34.0", (1, 34)), ("F", "034", (1, 34)), ("여", " 34 ", (1, 34)),
     ("남자", "34세", (0, 34)), ("MALE", "３４", (0, 34)), ("여성", "34", (1, 34))],
)  # fmt: skip
def test_people_tables_of_strangers(
    gender: str, age: str, codes: tuple[int, int], images: Path
) -> None:
    rows = [("000001", gender, "Asian", age, PEOPLE[0]), *map(row_of, PEOPLE[1:])]
    write(images.parent / "train.csv", [HEADER, *rows])
    photos = layouts.read(images)
    first = photos.table[photos.table["person"] == PEOPLE[0]]
    assert len(photos.table) == 21
    assert {*zip(first["gender"], first["age"], strict=True)} == {codes}
    assert problems_of(photos) == {("folder name contradicts table", PEOPLE[0])}


def test_a_folder_name_in_other_words_contradicts_no_table(images: Path) -> None:
    genders = ["F" if "female" in name else "남" for name in PEOPLE]
    rows = [("1", g, "x", f"{name[-2:]}.0", name) for g, name in zip(genders, PEOPLE, strict=True)]
    write(images.parent / "train.csv", [HEADER, *rows, ("1", "Male", "x", "029", PEOPLE[0])])
    photos = layouts.read(images)
    assert photos.problems == []
    assert len(photos.table) == 21


@pytest.mark.parametrize(
    "path", ["{}/", "images/{}", "./images/{}/", "train/images/{}", "images\\{}", "{}\\", "./{}"]
)
def test_paths_of_people_as_strangers_write_them(path: str, images: Path) -> None:
    rows = [(*row_of(name)[:4], path.format(name)) for name in PEOPLE]
    write(images.parent / "train.csv", [HEADER, *rows])
    photos = layouts.read(images)
    assert photos.problems == []
    assert set(photos.table["person"]) == set(PEOPLE)


def test_a_path_below_another_folder_is_not_guessed(images: Path) -> None:
    rows = [(*row_of(name)[:4], f"more/{name}") for name in PEOPLE]
    write(images.parent / "train.csv", [HEADER, *rows])
    assert {kind for kind, _ in problems_of(layouts.read(images))} == {
        "row without folder",
        "folder without labels",
    }


@pytest.mark.parametrize(
    ("name", "number", "gender", "age"),
    [
        ("000004_Male_Asian_34", "000004", 0, 34),
        ("000004_FEMALE_South_Asian_034", "000004", 1, 34),
        ("a_b_female_Middle_Eastern_60", "a_b", 1, 60),
        ("000004_여_Asian_34.0", "000004", 1, 34),
        ("x_m_male_Asian_20", "x_m", 0, 20),
        ("000004_F__20", "000004", 1, 20),
    ],
)
def test_folders_as_strangers_name_them(
    name: str, number: str, gender: int, age: float, tmp_path: Path
) -> None:
    person(tmp_path, name)
    photos = layouts.read(tmp_path)
    assert photos.problems == []
    assert set(photos.table["gender"]) == {gender}
    assert set(photos.table["age"]) == {age}
    assert seven_photos.id_of(name) == number


@pytest.mark.parametrize("name", ["holiday", "Trip_To_Rome_2019", "a_b_20", "1_male_Asian_old"])
def test_other_folders_are_nobodys(name: str, images: Path) -> None:
    (images.parent / "train.csv").unlink()
    (images / name).mkdir()
    assert problems_of(layouts.read(images)) == {("folder without labels", name)}


def test_the_seven_photos_in_any_case(tmp_path: Path) -> None:
    stems = ("Mask1", "MASK2", "mask3", "Incorrect_Mask", "Normal")
    folder = person(tmp_path, PEOPLE[0], ".JPG", stems)
    (folder / "mask1.png").touch()
    photos = layouts.read(tmp_path)
    masks = {Path(str(row.photo)).stem: row.mask for row in photos.table.itertuples()}
    assert masks == {"Mask1": 0, "MASK2": 0, "mask3": 0, "Incorrect_Mask": 1, "Normal": 2}
    assert {kind for kind, _ in problems_of(photos)} == {"missing photo", "extra file"}
    assert {where for kind, where in problems_of(photos) if kind == "extra file"} == {
        f"{PEOPLE[0]}/mask1.png"
    }


def test_folders_and_rows_meet_in_any_unicode_form(tmp_path: Path) -> None:
    images = tmp_path / "images"
    names = [f"{NFD}_male_Asian_29", f"{NFC}b_female_Asian_30"]
    for name in names:
        person(images, name)
    rows = [("1", "male", "Asian", "29", f"{NFC}_male_Asian_29")]
    rows += [("2", "female", "Asian", "30", f" {NFD}b_female_Asian_30 ")]
    write(tmp_path / "train.csv", [HEADER, *rows])
    photos = layouts.read(tmp_path)
    assert photos.problems == []
    assert len(photos.table) == 14
    assert all((images / name).is_file() for name in photos.table["photo"])
    assert set(photos.table["person"]) == {f"{NFC}_male_Asian_29", f"{NFC}b_female_Asian_30"}


def test_a_person_in_several_spellings_is_one(tmp_path: Path) -> None:
    """40 people, of whom nine are spelled in another way in each second photo."""
    spellings = [("김 {}", "김  {}"), (f"{NFC}{{}}", f"{NFD}{{}}"), ("Lee {}", "Lee {}\u00a0")]
    rows = []
    for number in range(40):
        ways = spellings[number % 3] if number < 9 else ("P{}", "P{}")
        rows += [(f"{number}-{shot}.jpg", ways[shot % 2].format(number), 20) for shot in range(4)]
    photos = table(tmp_path, ("photo", "person", "age"), *rows)
    assert photos.table["person"].nunique() == 40
    joined = [each for each in photos.problems if each.kind == "one name in several spellings"]
    assert len(joined) == 6  # white space around a name is none of it
    assert joined[0].detail == "2 spellings are read as one person"
    fold = folds.split(photos, pd.factorize(photos.table["person"])[0], "kfold", 5, 0.2, 1)
    assert (pd.Series(fold).groupby(photos.table["person"]).nunique() == 1).all()


def test_photos_of_a_table_are_opened_by_their_real_names(tmp_path: Path) -> None:
    (tmp_path / NFD).mkdir()
    for name in (f"{NFD}/1.jpg", "b.jpg"):
        (tmp_path / name).touch()
    photos = table(
        tmp_path, ("photo", "mask"), (f"{NFC}\\1.jpg", "wear"), ("./b.jpg", "wear"),
        (f"{NFD}/1.jpg", "wear"), ("gone.jpg", "wear"),
    )  # fmt: skip
    assert photos.table["photo"].tolist() == [f"{NFD}/1.jpg", "b.jpg", "gone.jpg"][1:]
    assert problems_of(photos) == {("photo listed twice", f"{NFD}/1.jpg")}


def test_test_photos_are_opened_by_their_real_names(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in (f"{NFD}.jpg", "b.jpg"):
        (tmp_path / "images" / name).touch()
    write(tmp_path / "info.csv", [("image_id", "ans"), (f"{NFC}.jpg", "0"), ("images\\b.jpg", "0")])
    folder, rows = layouts.read_eval(tmp_path)
    assert rows["ImageID"].tolist() == [f"{NFC}.jpg", "images\\b.jpg"]  # as the answers name them
    assert rows["photo"].tolist() == [f"{NFD}.jpg", "b.jpg"]
    assert all((folder / name).is_file() for name in rows["photo"])
    write(tmp_path / "info.csv", [("ImageID", "ans"), (f"{NFC}.jpg", "0"), (f"{NFD}.jpg", "0")])
    with pytest.raises(MaskgateError, match=f"{NFD}.jpg listed twice"):
        layouts.read_eval(tmp_path)


# ------------------------------------------------------------------- strangers' tables


@pytest.mark.parametrize("header", [("ImageID", "ans"), HEADER, ("photo", "mask")])
def test_a_table_without_a_row_is_a_fault(header: tuple[str, ...], images: Path) -> None:
    name = {"ImageID": "info.csv", "photo": "labels.csv"}.get(header[0], "train.csv")
    csv = write(images.parent / name, [header])
    read = layouts.read_eval if name == "info.csv" else layouts.read
    with pytest.raises(MaskgateError, match=rf"{name}: .*no row below its header"):
        read(csv if name == "labels.csv" else images.parent)


def test_what_lies_beside_the_table_does_not_stop_it(tmp_path: Path) -> None:
    write(tmp_path / "labels.csv", [("photo", "mask"), ("1.jpg", "wear")])
    (tmp_path / "._labels.csv").write_bytes(bytes.fromhex("00051607") + bytes(70))
    (tmp_path / "notes.csv").write_bytes("비고,값\n안녕,가\n".encode("cp949"))
    (tmp_path / "latin.csv").write_bytes("café,b\n1,2\n".encode("latin-1"))
    (tmp_path / "folder.csv").mkdir()
    assert len(layouts.read(tmp_path).table) == 1
    (tmp_path / "labels.csv").unlink()
    with pytest.raises(MaskgateError, match=r"latin\.csv: not a CSV"):
        layouts.read(tmp_path)


@pytest.mark.parametrize("encoding", ["cp949", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("name", ["labels.csv", "labels.TSV"])
def test_tables_of_korean_excel(name: str, separator: str, encoding: str, tmp_path: Path) -> None:
    rows = [("파일명", "인물", "성별", "연령대", "마스크")]
    rows += [("가.jpg", "김철수", "남", "30대", "착용")]
    text = "\r\n".join(map(separator.join, rows)) + "\r\n"
    (tmp_path / name).write_bytes(text.encode(encoding))
    (row,) = layouts.read(tmp_path).table.itertuples()
    assert (row.photo, row.person, row.label) == ("가.jpg", "김철수", 1)


def test_age_groups_may_stand_under_age(tmp_path: Path) -> None:
    photos = table(
        tmp_path, ("file", "age"), ("1.jpg", "more than 70"), ("2.jpg", "20-29"), ("3.jpg", "31"),
        ("4.jpg", "25-34"),
    )  # fmt: skip
    assert photos.table["age_band"].tolist() == [2, 0, 1]
    assert [each.detail for each in photos.problems if each.fatal] == [
        "age '25-34', it spans the bands <30 and 30-59"
    ]


def test_groups_of_adience_under_age_are_read_or_refused_with_the_reason(tmp_path: Path) -> None:
    groups = ["(0, 2)", "(25, 32)", "(38, 43)", "(60, 100)", "35", "3"]
    rows = [(f"{row}.jpg", group) for row, group in enumerate(groups)]
    photos = table(tmp_path, ("photo", "age"), *rows)
    assert photos.table["age_band"].tolist() == [0, 1, 2, 1, 0]
    assert [(each.kind, each.where, each.detail) for each in photos.problems] == [
        ("unknown age", "1.jpg", "age '(25, 32)', it spans the bands <30 and 30-59")
    ]


CODES = "a number does not say which: write <30, 30-59 or >=60, or years with their unit such as"


@pytest.mark.parametrize(
    "column", ["age_group", "age_band", "age_bin", "age_category", "연령대", "age", "나이"]
)
@pytest.mark.parametrize("codes", ["012", "123", ["0.0", "1.0", "2.0"], "012345678"])
def test_codes_of_age_groups_are_no_years(
    column: str, codes: "str | list[str]", tmp_path: Path
) -> None:
    rows = [(f"{row}.jpg", codes[row % len(codes)]) for row in range(12)]
    photos = table(tmp_path, ("photo", column), *rows)
    faults = [each for each in photos.problems if each.fatal]
    assert len(photos.table) == 0
    assert [each.where for each in faults] == [name for name, _ in rows]
    assert all(f"'{codes[0]}', {CODES} '2 years'" in each.detail for each in faults[:1])


@pytest.mark.parametrize(
    ("column", "ages"),
    [
        ("age", ["0", "1", "2"]),  # too few to tell
        ("age", ["0", "1", "2"] * 10 + ["34"]),
        ("age", [f"{age} years" for age in (0, 1, 2)] * 10),
        ("나이", ["0세", "1세", "2세"] * 10),
        ("age_group", ["0", "1", "2", "10"]),
        ("age_group", ["0-2", "3-9", "<10"] * 10),
    ],
)
def test_ages_of_children_among_others_are_years(
    column: str, ages: list[str], tmp_path: Path
) -> None:
    photos = table(tmp_path, ("photo", column), *((f"{n}.jpg", age) for n, age in enumerate(ages)))
    assert not [each for each in photos.problems if each.fatal]
    assert photos.table["age_band"].tolist() == [int(age == "34") for age in ages]


def test_a_group_that_spans_two_bands_is_refused_for_that(tmp_path: Path) -> None:
    photos = table(tmp_path, ("photo", "age_group"), ("1.jpg", "(25, 32)"), ("2.jpg", "9" * 5000))
    assert [each.detail for each in photos.problems] == [
        "age_group '(25, 32)', it spans the bands <30 and 30-59",
        f"age_group '{'9' * 60}…'",
    ]


def test_numbers_of_thousands_of_digits_are_faults(images: Path, tmp_path: Path) -> None:
    digits = "9" * 5000
    photos = table(tmp_path, ("photo", "person", "age"), ("1.jpg", digits, digits))
    assert problems_of(photos) == {("unknown age", "1.jpg")}
    rows = [(digits, "male", "Asian", digits, PEOPLE[0]), *map(row_of, PEOPLE[1:])]
    write(images.parent / "train.csv", [HEADER, *rows])
    assert ("age out of range", PEOPLE[0]) in problems_of(layouts.read(images))


def not_utf8(path: Path, make: Callable[[Path], object]) -> Path:
    """A path whose last name is made CP949, if the file system takes that."""
    odd = path.with_name(os.fsdecode(path.name.encode("cp949")))
    try:
        make(odd)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    return odd


def test_people_whose_folder_is_not_utf8_are_named_at_once(images: Path) -> None:
    odd = not_utf8(images / "김_male_Asian_29", Path.mkdir)
    (odd / "mask1.jpg").touch()
    not_utf8(images / "가나", Path.mkdir)
    not_utf8(images / PEOPLE[0] / "가나.txt", Path.touch)
    photos = layouts.read(images)
    assert {(each.kind, each.where, each.fatal) for each in photos.problems} == {
        ("name not in UTF-8", r"\xb1\xe8_male_Asian_29", True),
        ("name not in UTF-8", r"\xb0\xa1\xb3\xaa", False),
        ("extra file", rf"{PEOPLE[0]}/\xb0\xa1\xb3\xaa.txt", False),
    }
    assert len(photos.table) == 21
    with pytest.raises(MaskgateError, match="in CP949 it reads 김_male_Asian_29; rename it"):
        checks.refuse(photos.problems, images, skip=False)
    checks.write(images / "problems.csv", photos.problems)


def test_photos_whose_file_is_not_utf8_are_named_at_once(tmp_path: Path) -> None:
    not_utf8(tmp_path / "김.jpg", Path.touch)
    photos = table(tmp_path, ("photo", "mask"), ("김.jpg", "wear"), ("b.jpg", "wear"))
    (problem,) = photos.problems
    assert (problem.kind, problem.where, problem.fatal) == ("name not in UTF-8", "김.jpg", True)
    assert photos.table["photo"].tolist() == ["b.jpg"]
    write(tmp_path / "info.csv", [("ImageID", "ans"), ("김.jpg", "0")])
    with pytest.raises(MaskgateError, match=r"김\.jpg: its name on disk is not UTF-8"):
        layouts.read_eval(tmp_path)


def test_data_below_a_folder_that_is_not_utf8_is_refused_at_once(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = not_utf8(images.parents[1] / "김", images.parent.rename)
    with pytest.raises(MaskgateError) as caught:
        layouts.read(odd)
    assert r"the name \xb1\xe8 is not UTF-8, in CP949 it reads 김; rename it" in str(caught.value)
    monkeypatch.chdir(odd)
    with pytest.raises(MaskgateError, match="is not UTF-8"):
        layouts.read(Path("images"))
