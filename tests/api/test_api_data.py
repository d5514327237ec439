"""Data sets from Python."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import maskgate
from maskgate import labels
from maskgate.core import notebook
from maskgate.data import table
from maskgate.errors import MaskgateError


def test_a_data_set_shows_its_labels_in_words(people: Path) -> None:
    photos = maskgate.read(people)
    assert len(photos.table) == len(photos.in_words())
    text = photos._repr_html_()
    assert f"{len(photos.table)} photos of {photos.table['person'].nunique()} people" in text
    count = (photos.table["mask"] == labels.MASKS.index("not_wear")).sum()
    assert f"<td>mask</td><td>not_wear</td><td>{count}</td>" in text
    with pytest.raises(MaskgateError, match="no such file or folder"):
        maskgate.read("/gone")


def test_words_are_missing_where_nothing_is_known() -> None:
    codes = table.build(["a", "b"], ["p", "q"], [0, -1], gender=[1, -1], age=[70, np.nan])
    words = table.in_words(codes.set_axis([5, 3]))
    assert list(words.index) == [5, 3]
    names = ["mask", "gender", "age_band", "label"]
    known, unknown = words[names].to_numpy(object)
    assert list(known) == ["wear", "female", ">=60", "wear female >=60"]
    assert pd.isna(unknown).all()


def test_problems_are_counted_and_names_escaped(people: Path, tmp_path: Path) -> None:
    odd = tmp_path / "<i>"
    odd.mkdir()
    (odd / "table.csv").write_text("photo,mask\n1.jpg,wear\n2.jpg,wearing?\n3.jpg,so so\n")
    text = maskgate.read(odd)._repr_html_()
    assert "&lt;i&gt;" in text and "<i>" not in text
    assert "<td>unknown mask</td><td>2</td>" in text


def test_a_long_table_is_cut() -> None:
    text = notebook.table(["n"], [(number,) for number in range(1234)])
    assert text.count("<tr>") == 1 + notebook.ROWS and "and 1,214 more" in text


def test_other_columns_and_words(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("filename,g,age\n1.jpg,M,34\n2.jpg,F,\n")
    photos = maskgate.read(
        tmp_path / "table.csv",
        columns={"photo": "filename", "gender": "g"},
        words={"gender": {"M": "male", "F": "female"}},
    )
    assert photos.table["gender"].tolist() == [0, 1]
    with pytest.raises(MaskgateError, match="unknown column of words sex"):
        maskgate.read(tmp_path / "table.csv", words={"sex": {"M": "male"}})
    with pytest.raises(MaskgateError, match="unknown column foto; did you mean photo"):
        maskgate.read(tmp_path / "table.csv", columns={"foto": "filename"})
    with pytest.raises(MaskgateError, match="is mapped to 'men', which is none"):
        maskgate.read(tmp_path / "table.csv", words={"gender": {"M": "men"}})


def test_a_data_set_prints_its_counts_and_kinds_of_problems(people: Path) -> None:
    photos = maskgate.read(people)
    lines = repr(photos).splitlines()
    assert lines[0].endswith(": 224 photos of 32 people")
    assert lines[1] == "mask: wear 160, incorrect 32, not_wear 32"
    assert any(" × " in line for line in lines[4:]) == bool(photos.problems)
