"""Corrections of known label errors: the published list, faults of a file, and what is applied."""

import hashlib
import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate import labels
from maskgate.config import recipe_files
from maskgate.config.recipe import Tier
from maskgate.core import files
from maskgate.data import corrections, layouts, seven_photos
from maskgate.data import table as photo_table
from maskgate.data.corrections import Corrections
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError

SHIPPED = files.shipped("corrections") / "competition.csv"
STEMS = tuple(seven_photos.STEMS)

# What competition entrants publish, spelled out a second time: id, what is read of the folder,
# and per tier what is then to be read of which photos.
SWAPPED = {"incorrect_mask": "not_wear", "normal": "incorrect"}
WORN = {"incorrect_mask": "wear"}
SURE = (
    dict.fromkeys(("000020", "004418", "005227"), SWAPPED)
    | dict.fromkeys(("000645", "003574"), WORN)
    | {f"00{number}": {"gender": "male"} for number in range(6359, 6365)}
    | {number: {"gender": "female"} for number in ("001498-1", "004432")}
)
LIKELY = (
    {"005223": {"gender": "female"}}
    | {
        number: {"gender": "male"}
        for number in (
            "000225", "000664", "000767", "001509", "003113", "003223", "004281", "006424",
            "001720",
        )
    }
    | {number: {"age_band": "<30"} for number in ("001009", "001064", "001637", "001666", "001852")}
)  # fmt: skip
DOUBTFUL = (
    dict.fromkeys(("003514", "000070"), WORN)
    | {
        number: {"gender": "male"}
        for number in ("000667", "000725", "000736", "000817", "003780", "006504")
    }
    | {"004348": {"age_band": ">=60"}}
)
PUBLISHED = {"sure": SURE, "likely": LIKELY, "doubtful": DOUBTFUL}
CASES = [
    (tier, number, fields) for tier, ids in PUBLISHED.items() for number, fields in ids.items()
]


def folder_of(number: str, fields: dict[str, str]) -> str:
    """The name of a folder that is wrong as the published list says."""
    wrong = {"male": "female", "female": "male"}.get(fields.get("gender", ""), "female")
    age = 59 if "age_band" in fields else 34
    return f"{number}_{wrong}_Asian_{age}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for everybody whom the published list names, and for `001498` beside."""
    images = tmp_path_factory.mktemp("people") / "train" / "images"
    names = [folder_of(number, fields) for _, number, fields in CASES]
    for name in [*names, "001498_male_Asian_34"]:
        (images / name).mkdir(parents=True)
        for stem in STEMS:
            Image.new("RGB", (8, 8)).save(images / name / f"{stem}.jpg")
    return images.parent


@pytest.fixture(scope="module")
def photos(tree: Path) -> Photos:
    return layouts.read(tree)


def hashes(tree: Path) -> dict[str, str]:
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def words(row: "pd.Series") -> tuple[str, str, str]:
    return (
        labels.MASKS[row["mask"]],
        labels.GENDERS[row["gender"]],
        labels.AGE_BANDS[row["age_band"]],
    )


# ---------------------------------------------------------------------- the published list


def test_the_published_list_is_shipped_whole() -> None:
    rows = corrections.read(recipe_files.corrections("competition")).rows
    entries = [(row.tier, row.person, row.field) for row in rows]
    assert sorted(entries) == sorted(
        (tier, n, field) for tier, n, fields in CASES for field in fields
    )
    reasons = pd.read_csv(SHIPPED, dtype="str")["reason"]
    assert reasons.str.len().min() > 5


@pytest.mark.parametrize(("tier", "number", "fields"), CASES, ids=[case[1] for case in CASES])
def test_every_published_correction_is_applied_from_its_tier_on(
    tier: Tier, number: str, fields: dict[str, str], photos: Photos
) -> None:
    fixes, before = corrections.read(SHIPPED), photos.table.copy()
    name = folder_of(number, fields)
    read = photos.table[photos.table["person"] == name]
    assert len(read) == 7
    for chosen_tier in corrections.TIERS:
        table = corrections.apply(photos.table, fixes, chosen_tier).table
        person_rows = table[table["person"] == name]
        applied = corrections.TIERS.index(chosen_tier) >= corrections.TIERS.index(tier)
        for (_, old), (_, new) in zip(read.iterrows(), person_rows.iterrows(), strict=True):
            mask, gender, band = words(old)
            if applied:
                mask = fields.get(Path(old["photo"]).stem, mask)
                gender, band = fields.get("gender", gender), fields.get("age_band", band)
            assert words(new) == (mask, gender, band)
            assert labels.CLASSES[new["label"]] == f"{mask} {gender} {band}"
    pd.testing.assert_frame_equal(photos.table, before)


def test_source_files_stay_as_they_are(tree: Path) -> None:
    before = hashes(tree)
    table = layouts.read(tree).table
    assert corrections.apply(table, corrections.read(SHIPPED), "doubtful").changed.any()
    assert hashes(tree) == before


def test_ids_are_compared_whole(photos: Photos) -> None:
    fixed = corrections.apply(photos.table, corrections.read(SHIPPED), "doubtful")
    table = fixed.table.set_index("photo")
    assert table.loc["001498-1_male_Asian_34/normal.jpg", "gender"] == 1
    assert table.loc["001498_male_Asian_34/normal.jpg", "gender"] == 0


def test_nobody_else_is_changed(photos: Photos) -> None:
    result = corrections.apply(photos.table, corrections.read(SHIPPED), "likely")
    assert result.unused == []
    changed = photos.table.loc[result.changed, "photo"]
    expected = {
        f"{folder_of(number, fields)}/{stem}.jpg"
        for number, fields in (SURE | LIKELY).items()
        for stem in (fields if set(fields) <= set(STEMS) else STEMS)
    }
    assert set(changed) == expected
    untouched = ~result.changed
    pd.testing.assert_frame_equal(result.table[untouched], photos.table[untouched])
    assert (result.table.dtypes == photos.table.dtypes).all()
    assert list(result.table) == list(photo_table.COLUMNS)


# ------------------------------------------------------------------------- what is applied


def fixes_of(folder: Path, *rows: str) -> Corrections:
    path = folder / "fixes.csv"
    path.write_text("\n".join(["person,field,value,tier,reason", *rows]) + "\n")
    return corrections.read(path)


def people(*names: str, ages: tuple[float, ...] = ()) -> pd.DataFrame:
    """A woman a name, her seven photos each; 34 unless told otherwise."""
    years = dict(zip(names, ages or [34.0] * len(names), strict=True))
    rows = [(name, stem, mask) for name in names for stem, mask in seven_photos.STEMS.items()]
    return photo_table.build(
        [f"{name}/{stem}.jpg" for name, stem, _ in rows],
        [name for name, _, _ in rows],
        [labels.MASKS.index(mask) for _, _, mask in rows],
        [1] * len(rows),
        [years[name] for name, _, _ in rows],
    )


@pytest.mark.parametrize("name", ["000001", "000001_female_Asian_34"])
def test_a_person_is_named_by_id_or_folder(name: str, tmp_path: Path) -> None:
    table = people("000001_female_Asian_34", "000001-1_female_Asian_34")
    fixed = corrections.apply(table, fixes_of(tmp_path, f"{name},gender,male,sure,"), "sure").table
    assert fixed["gender"].tolist() == [0] * 7 + [1] * 7


def test_in_a_csv_the_person_or_the_photo_is_named(tmp_path: Path) -> None:
    names = ["x/a.png", "x/b.png", "c.png"]
    table = photo_table.build(names, ["7", "7", "c.png"], [0] * 3, [0] * 3, [40] * 3)
    fixes = fixes_of(
        tmp_path,
        "7,gender,female,sure,",
        "x/b.png,mask,not_wear,sure,",
        "c.png,mask,incorrect,sure,",
    )
    fixed = corrections.apply(table, fixes, "sure").table
    assert fixed["gender"].tolist() == [1, 1, 0]
    assert fixed["mask"].tolist() == [0, 2, 1]
    assert fixed["label"].tolist() == [4, 16, 7]


def test_an_id_of_several_people_is_refused_until_the_folder_is_named(tmp_path: Path) -> None:
    table = people("003397_female_Asian_34", "003397_female_Asian_58", ages=(34, 58))
    with pytest.raises(MaskgateError, match=r"row 2: 2 people have the id 003397 .*name the fold"):
        corrections.apply(table, fixes_of(tmp_path, "003397,gender,male,sure,"), "sure")
    fixes = fixes_of(tmp_path, "003397_female_Asian_58,gender,male,sure,")
    assert corrections.apply(table, fixes, "sure").table["gender"].tolist() == [1] * 7 + [0] * 7


@pytest.mark.parametrize(
    ("correction", "age", "band"),
    [
        ("age,20", 20, 0),
        ("age,60", 60, 2),
        ("age_band,30-59", 59, 1),
        ("age_band,<30", np.nan, 0),
        ("age_band,>=60", np.nan, 2),
    ],
)
def test_years_and_bands_agree(correction: str, age: float, band: int, tmp_path: Path) -> None:
    fixes = fixes_of(tmp_path, f"a,{correction},sure,")
    fixed = corrections.apply(people("a", ages=(59,)), fixes, "sure").table
    np.testing.assert_array_equal(fixed["age"], np.float32(age))
    assert (fixed["age_band"] == band).all()
    assert (fixed["label"] % 3 == band).all()


def test_an_age_group_of_another_band_than_the_corrected_one_is_dropped(tmp_path: Path) -> None:
    nan = np.nan
    table = people("a", "b", "c", ages=(nan, nan, nan)).assign(age_band=np.int8(0))
    table = table.assign(age_from=np.float32(20), age_to=np.float32(29))
    fixes = fixes_of(tmp_path, "a,age_band,>=60,sure,", "b,age_band,<30,sure,")
    fixed = corrections.apply(table, fixes, "sure").table.groupby("person", dropna=False).first()
    np.testing.assert_array_equal(fixed["age_from"], [nan, 20, 20])
    np.testing.assert_array_equal(fixed["age_to"], [nan, 29, 29])


def test_a_label_becomes_known_where_it_was_not(tmp_path: Path) -> None:
    table = photo_table.build(["a.png"], ["a"], [-1], [0], [np.nan])
    assert table["label"].tolist() == [-1]
    fixes = fixes_of(tmp_path, "a,mask,incorrect,sure,", "a,age_band,>=60,sure,")
    result = corrections.apply(table, fixes, "sure")
    assert result.table["label"].tolist() == [8]
    assert result.changed.tolist() == [True]


def test_what_is_right_already_counts_as_unchanged(tmp_path: Path) -> None:
    fixes = fixes_of(tmp_path, "a,gender,female,sure,", "b,age,34,sure,")
    assert not corrections.apply(people("a", "b"), fixes, "sure").changed.any()


def test_a_dropped_person_or_photo_has_no_labels(tmp_path: Path) -> None:
    table = people("a", "b").assign(age_from=np.float32(30), age_to=np.float32(39))
    fixes = fixes_of(
        tmp_path,
        "a,drop,yes,likely,two people",
        "a,gender,male,sure,",
        "b/mask1.jpg,drop,yes,sure,",
    )
    result = corrections.apply(table, fixes, "likely")
    dropped = [True] * 7 + [Path(photo).stem == "mask1" for photo in table["photo"].iloc[7:]]
    assert (result.table["label"] == -1).tolist() == dropped
    for name in ("mask", "gender", "age_band"):
        assert (result.table[name] == -1).tolist() == dropped
    for name in ("age", "age_from", "age_to"):
        assert result.table[name].isna().tolist() == dropped
    assert result.changed.tolist() == result.dropped.tolist() == dropped
    sure = corrections.apply(table, fixes, "sure").table
    assert sure["gender"].tolist() == [0] * 7 + [-1 if each else 1 for each in dropped[7:]]


def test_who_is_not_here_is_told(tmp_path: Path) -> None:
    fixes = fixes_of(
        tmp_path, "z,gender,male,sure,", "y,age,3,doubtful,", "a,mask1,incorrect,sure,"
    )
    table = people("a").iloc[1:]  # without mask1
    result = corrections.apply(table, fixes, "likely")
    assert [(each.person, each.row) for each in result.unused] == [("z", 2), ("a", 4)]
    assert result.problems(fixes.path)[0].detail == "row 2 of fixes.csv"
    pd.testing.assert_frame_equal(result.table, table)


@pytest.mark.parametrize(
    "rows",
    [
        ("000001,gender,male,sure,", "000001_female_Asian_34,gender,female,likely,"),
        ("000001,mask,wear,sure,", "000001,normal,incorrect,sure,"),
        ("000001,age,20,sure,", "000001,age_band,>=60,sure,"),
    ],
)
def test_contradictions_by_another_name_are_refused(rows: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=r"fixes\.csv: rows 2 and 3 contradict each other"):
        corrections.apply(people("000001_female_Asian_34"), fixes_of(tmp_path, *rows), "likely")


# ------------------------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,gendre,male,sure,", "row 2 (unknown field 'gendre', did you mean gender?)"),
        ("a,gender,femal,sure,", "row 2 (unknown gender 'femal', did you mean female?)"),
        ("a,normal,wearing,sure,", "row 2 (unknown mask 'wearing', did you mean wear?)"),
        ("a,age_band,20s,sure,", "row 2 (unknown age_band '20s', known are <30, 30-59, >=60)"),
        ("a,age,121,sure,", "row 2 (age '121' is not 0–120)"),
        ("a,age,thirty,sure,", "row 2 (age 'thirty' is not 0–120)"),
        ("a,gender,male,shure,", "row 2 (unknown tier 'shure', did you mean sure?)"),
        ("a,gender,male,,", "row 2 (unknown tier '', known are sure, likely, doubtful)"),
        ("a,drop,no,sure,", "row 2 (unknown drop 'no', known are yes)"),
        (",gender,male,sure,", "row 2 (no person)"),
        ("a,gender,,sure,", "row 2 (unknown gender '', known are male, female, m, f)"),
        ("b,gender,male,sure,\nb,gender,female,doubtful,", "rows 2 and 3 contradict each other"),
    ],
)
def test_rows_that_make_no_sense_are_told(row: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=re.escape(message)) as error:
        fixes_of(tmp_path, row)
    assert "fixes.csv: " in str(error.value)


def test_all_bad_rows_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=r"row 2 .* row 4 "):
        fixes_of(tmp_path, "a,gendre,male,sure,", "a,gender,male,sure,", "a,gender,x,sure,")


def test_the_same_said_twice_is_no_fault(tmp_path: Path) -> None:
    fixes = fixes_of(tmp_path, "a,gender,male,doubtful,", "a,gender,male,sure,")
    assert corrections.apply(people("a"), fixes, "sure").table["gender"].tolist() == [0] * 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"person,field,value\n", "lacks the columns tier"),
        (b"", "lacks the columns person, field, value, tier"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)), "not a CSV in UTF-8"),
    ],
)
def test_what_are_no_corrections_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "fixes.csv").write_bytes(content)
    with pytest.raises(MaskgateError, match=message):
        corrections.read(tmp_path / "fixes.csv")


def test_people_and_photos_are_found_in_any_spelling(tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "김") for form in ("NFC", "NFD"))
    folder = f"{nfc}_female_Asian_34"
    photos = [f"{nfd}_female_Asian_34/Normal.JPG", f"{nfd}.png"]
    table = photo_table.build(photos, [folder, "p"], [2, 2], [1, 1], [34, 34])
    fixes = fixes_of(
        tmp_path, f"{nfd},age,35,sure,", f"{nfd}_female_Asian_34 ,normal,with_mask,sure,",
        f" {nfc}.png,gender,남,sure,",
    )  # fmt: skip
    result = corrections.apply(table, fixes, "sure")
    assert result.unused == []
    assert result.table["age"].tolist() == [35, 34]
    assert result.table["mask"].tolist() == [0, 2]
    assert result.table["gender"].tolist() == [1, 0]


def test_a_file_saved_by_korean_excel_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fixes.csv"
    path.write_bytes("Person;Field;Value;Tier;reason\r\n김;Age;34.0;sure;확인\r\n"
        .replace("Age;", "age;").encode("cp949"))  # fmt: skip
    (row,) = corrections.read(path).rows
    assert (row.person, row.field, row.value) == ("김", "age", 34)


@pytest.mark.parametrize(
    ("value", "reason"),
    [("34.5", "is not a whole number"), ("9" * 5000, "is not 0–120"), ("inf", "is not 0–120")],
)
def test_ages_that_cannot_be_are_told(value: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=rf"row 2 \(age '.* {reason}\)") as caught:
        fixes_of(tmp_path, f"a,age,{value},sure,")
    assert len(str(caught.value)) < 300


def test_a_correction_in_a_longer_or_shorter_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="line 2 has 6 fields, line 3 has 4 fields"):
        fixes_of(tmp_path, "a,age,34,sure,born, or so", "b,age,34,sure")
