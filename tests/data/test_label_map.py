"""Columns and words that the user names: options, recipe keys, and what they read."""

from pathlib import Path
from typing import Any

import pytest

from maskgate.config import recipe
from maskgate.data import checks, class_words, label_map, layouts
from maskgate.data.label_map import LabelMap
from maskgate.errors import MaskgateError

CSV = """filename;sex;who;mask;years
1.jpg;M;a;1;34
2.jpg;F;a;2;x
3.jpg;X;b;;
"""
COLUMNS = {"photo": "filename", "person": "who"}


def test_the_options_are_parsed() -> None:
    entries = ["gender:M=male, F=female", 'age_group:"(25, 32)=25-29",?=', "mask:0=wear"]
    parsed = label_map.parse(COLUMNS, entries)
    assert parsed.columns == COLUMNS
    assert parsed.words == {
        "gender": {"M": "male", "F": "female"},
        "age_group": {"(25, 32)": "25-29", "?": ""},
        "mask": {"0": "wear"},
    }
    assert not label_map.parse({}, [])


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("gender", "write it as gender:M=male,F=female"),
        ("person:a=b", "unknown column of --map person"),
        ("gender:M=male,F", "'F' is not a pair"),
        ("gender:M=male,M=female", "M is given twice"),
        ("mask:1=masc", "mask '1' is mapped to 'masc', which is none; write wear, incorrect"),
        ("age_group:a=20-40", r"which is none \(it spans the bands"),
    ],
)
def test_wrong_options_are_refused(entry: str, sentence: str) -> None:
    with pytest.raises(MaskgateError, match=sentence):
        label_map.parse({}, [entry])


def test_a_csv_is_read_by_its_own_names(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(CSV)
    words = {
        "gender": {"M": "male", "F": "female", "X": ""},
        "mask": {"1": "wear", "2": "not_wear"},
        "age": {"x": "<30", "y": "40"},
    }
    for data in (tmp_path, tmp_path / "labels.csv"):
        photos = layouts.read(data, LabelMap(COLUMNS, words))
        assert photos.table["photo"].tolist() == ["1.jpg", "2.jpg", "3.jpg"]
        assert photos.table["person"].tolist() == ["a", "a", "b"]
        assert photos.table["mask"].tolist() == [0, 2, -1]
        assert photos.table["gender"].tolist() == [0, 1, -1]
        assert photos.table["age_band"].tolist() == [1, 0, -1]
        kinds = {problem.kind: problem.where for problem in photos.problems}
        assert kinds == {
            "column under another name": "years",
            checks.NO_SUCH_WORD: "age:y",
        }


def test_unknown_words_are_offered_for_mapping(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(CSV)
    photos = layouts.read(tmp_path / "labels.csv", LabelMap(COLUMNS))
    with pytest.raises(MaskgateError) as error:
        checks.refuse(photos.problems, tmp_path, skip=False)
    assert "gender is male or female: correct the data, or map its words with" in str(error.value)
    assert "--map gender:X=WORD" in str(error.value)
    assert "--map mask:1=WORD,2=WORD" in str(error.value)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (LabelMap({"photo": "filenam"}), "no column filenam, named for the photo; did you mean"),
        (LabelMap(COLUMNS, {"age_group": {"a": "<30"}}), "no column age_group to map words of"),
        (LabelMap({"person": "who"}), "lacks the column 'photo'.*--photo-column"),
    ],
)
def test_columns_that_are_missing(names: LabelMap, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(CSV.replace("filename", "shot"))
    if "photo" in names.columns and names.words:
        names = LabelMap({"photo": "shot"}, names.words)
    elif "photo" in names.columns:
        (tmp_path / "labels.csv").write_text(CSV)
    with pytest.raises(MaskgateError, match=sentence):
        layouts.read(tmp_path / "labels.csv", names)


def test_a_class_has_several_words(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "image,label\n1.jpg,wear male <30\n2.jpg,with_mask\n3.jpg,A7\n4.jpg,female\n"
    )
    names = LabelMap(words={"class": {"A7": "not_wear/female/60+"}})
    table = layouts.read(tmp_path, names).table
    assert table["label"].tolist() == [0, -1, 17, -1]
    assert table["mask"].tolist() == [0, 0, 2, -1]
    assert table["gender"].tolist() == [0, -1, 1, 1]
    assert table["age_from"].tolist()[2] == 60


def test_a_class_beside_other_labels_is_read_only_if_named(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("photo,mask,class\n1.jpg,wear,female\n2.jpg,wear,cat\n")
    photos = layouts.read(tmp_path)
    assert photos.table["gender"].tolist() == [-1, -1]
    assert "unknown column" in {problem.kind for problem in photos.problems}
    photos = layouts.read(tmp_path, LabelMap({"class": "class"}, {"class": {"cat": "male"}}))
    assert photos.table["gender"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("3", "a number does not say which"),
        ("cat", ""),
        ("wear/cat", "'cat' is no word of a label"),
        ("wear/bare", "'wear' and 'bare' are both its mask"),
        ("/", ""),
    ],
)
def test_names_that_are_no_class(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        class_words.parsed(name)


def test_train_csv_of_people_is_mapped(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "000001_male_Asian_29"
    folder.mkdir(parents=True)
    (folder / "normal.jpg").touch()
    (tmp_path / "train.csv").write_text(
        "id,sexe,race,age,path\n1,H,Asian,29,000001_male_Asian_29\n"
    )
    names = LabelMap({"gender": "sexe"}, {"gender": {"H": "male"}})
    assert layouts.read(tmp_path, names).table["gender"].tolist() == [0]
    (tmp_path / "train.csv").unlink()
    with pytest.raises(MaskgateError, match=r"has no train\.csv with columns to name"):
        layouts.read(tmp_path, names)


def test_a_recipe_keeps_the_options(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("labels: {map: {gender: {1: male, 2: female, 9: null}}}")
    loaded = recipe.load(path)
    assert loaded.labels.map == {"gender": {"1": "male", "2": "female", "9": ""}}
    names = label_map.parse({"photo": "파일 이름"}, ["mask:0=wear"])
    changed = recipe.load(path, names.overrides())
    assert label_map.of_settings(changed.labels) == LabelMap(
        names.columns, {"gender": loaded.labels.map["gender"], "mask": {"0": "wear"}}
    )
    assert changed.digest() != loaded.digest() != recipe.Recipe().digest()
    changed.write(tmp_path / "written.yaml")
    assert recipe.load(tmp_path / "written.yaml") == changed


def test_extra_data_have_their_own(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(CSV)
    words: Any = {"gender": {"X": ""}, "mask": {"1": "wear", "2": "not_wear"}, "age": {"x": ""}}
    columns: Any = {"photo": "filename"}
    extra = recipe.DataSet(path=str(tmp_path), columns=columns, map=words)
    photos = layouts.read(tmp_path, label_map.of_settings(extra))
    assert photos.table["photo"].tolist() == ["1.jpg", "2.jpg", "3.jpg"]


@pytest.mark.slow
def test_train_and_resume_read_the_same(
    call: Any, people: Path, tiny: Path, tmp_path: Path
) -> None:
    rows = ["file;geschlecht;maske;alter"]
    for folder in sorted((people / "train" / "images").iterdir()):
        _, gender, _, age = folder.name.split("_")
        for photo in sorted(folder.glob("[min]*")):
            mask = {"m": "ja", "i": "schief", "n": "nein"}[photo.stem[0]]
            rows.append(f"images/{folder.name}/{photo.name};{gender[0]}_;{mask};{age}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    (tmp_path / "images").symlink_to(people / "train" / "images")
    options: tuple[str, ...] = (
        *("--photo-column", "file", "--gender-column", "geschlecht", "--mask-column", "maske"),
        *("--age-column", "alter", "--map", "gender:m_=male,f_=female"),
    )
    words = ("train", tiny, tmp_path / "table.csv", "--out", tmp_path / "run", "--smoke")
    code, _, err = call(*words, *options)
    assert code == 2 and "--map mask:schief=WORD,ja=WORD,nein=WORD" in err, err
    options = (*options, "--map", "mask:ja=wear,schief=incorrect,nein=not_wear")
    assert call(*words, *options)[0] == 0
    stored = recipe.load(tmp_path / "run" / "recipe.yaml").labels
    assert stored.columns["photo"] == "file" and stored.map["mask"]["schief"] == "incorrect"
    moved = (tmp_path / "table.csv").rename(tmp_path / "moved.csv")
    assert call("report", tmp_path / "run", "--data", moved)[0] == 0
    moved.rename(tmp_path / "table.csv")
    assert call("inspect", tmp_path / "table.csv", *options, "--out", tmp_path / "page")[0] == 0


def test_words_of_many_photos_are_one_entry_with_a_map(tmp_path: Path) -> None:
    rows = ["photo,person,mask,gender,age", "0.jpg,p,wear,femal,20"]
    rows += [f"{number}.jpg,p,wear,X,20" for number in range(1, 2001)]
    (tmp_path / "photos.csv").write_text("\n".join(rows) + "\n")
    photos = layouts.read(tmp_path / "photos.csv")
    with pytest.raises(MaskgateError) as error:
        checks.refuse(photos.problems, tmp_path, skip=False)
    assert str(error.value) == (
        f"{tmp_path}: 2,001 of its entries cannot be used: 0.jpg (gender 'femal'),"
        " 2,000 × gender 'X' (first: 1.jpg); fix them, or leave them out with --skip-faulty (in"
        " Python: skip_faulty=True); gender is male or female: correct the data, or map its words"
        " with --map gender:femal=female,X=WORD (in Python: words=)"
    )


@pytest.mark.parametrize(
    ("column", "word", "value"),
    [
        ("mask", "With-Masks", "wear"),
        ("mask", "incorect", "incorrect"),
        ("mask", "notwear", "not_wear"),
        ("mask", "blue", "WORD"),
        ("gender", "FEMALES", "female"),
        ("gender", "x", "WORD"),
        ("age", "old", "WORD"),
    ],
)
def test_the_nearest_value_is_offered(column: str, word: str, value: str) -> None:
    assert f"{word}={value}" in label_map.offer(column, [word])
