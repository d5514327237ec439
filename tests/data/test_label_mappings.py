"""An error on unknown labels lists the allowed values and offers a mapping."""

from pathlib import Path

import pytest

from maskgate.data import checks, label_mappings, layouts
from maskgate.errors import MaskgateError


def test_words_of_many_photos_are_one_entry_with_a_mapping(tmp_path: Path) -> None:
    rows = ["photo,person,mask,gender,age", "0.jpg,p,wear,femal,20"]
    rows += [f"{number}.jpg,p,wear,X,20" for number in range(1, 2001)]
    (tmp_path / "photos.csv").write_text("\n".join(rows) + "\n")
    photos = layouts.read(tmp_path / "photos.csv")
    with pytest.raises(MaskgateError) as error:
        checks.refuse(photos.problems, tmp_path, skip=False)
    assert str(error.value) == (
        f"{tmp_path}: 2,001 of its entries cannot be used: 0.jpg (gender 'femal'),"
        " 2,000 × gender 'X' (first: 1.jpg); gender is male or female, or another usual word for"
        " them; in pandas, map words by table.replace({'gender': {'femal': 'female', 'X': '…'}});"
        " fix them, or leave them out with --skip-faulty"
    )


@pytest.mark.parametrize(
    ("kind", "phrase"),
    [
        ("unknown mask", "mask is wear, incorrect or not_wear"),
        ("unknown age", "age is in years, 0 to 120, or a group"),
        ("unknown age_group", "age_group lies within one of"),
    ],
)
def test_allowed_values(kind: str, phrase: str) -> None:
    assert label_mappings.remedy([(kind, "?"), (kind, "!")]).count(phrase) == 1
    assert label_mappings.remedy([("unreadable photo", "it is broken")]) == ""


@pytest.mark.parametrize(
    ("attribute", "word", "value"),
    [
        ("mask", "With-Masks", "wear"),
        ("mask", "incorect", "incorrect"),
        ("mask", "notwear", "not_wear"),
        ("mask", "blue", None),
        ("gender", "FEMALES", "female"),
        ("gender", "x", None),
    ],
)
def test_the_nearest_value(attribute: str, word: str, value: str | None) -> None:
    assert label_mappings.nearest(attribute, word) == value
