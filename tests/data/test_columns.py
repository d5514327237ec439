"""Columns by other usual names: read where it is certain which is meant, else refused."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from maskgate.data import columns, csv_files, csv_photos, layouts, people
from maskgate.data.checks import APART
from maskgate.data.label_map import NO_MAP
from maskgate.errors import MaskgateError

PEOPLE = 6


def write(folder: Path, header: str, person: str = "p{}", photo: str = "{}.jpg") -> Path:
    """A table of two photos a person; `header` names the photo, the person, and more."""
    path = folder / "labels.csv"
    rows = [
        f"{photo.format(row)},{person.format(row // 2)},wear,{row}" for row in range(2 * PEOPLE)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def kinds(path: Path) -> set[tuple[str, str, str]]:
    return {(each.kind, each.where, each.detail) for each in layouts.read(path).problems}


@pytest.mark.parametrize(
    "name",
    ["person_id", "Person", " PERSON ", "personId", "person-id", "Person Name", "subject",
     "Subject_ID", "identity", "identity id", "individual", "participant_id", "id", "ID", "인물"],
)  # fmt: skip
def test_near_names_of_the_person_keep_people_together(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"photo,{name},mask,row")
    table = layouts.read(path).table
    assert table["person"].tolist() == [f"p{row // 2}" for row in range(2 * PEOPLE)]
    assert ("column under another name", name.strip(), "read as person") in kinds(path)


@pytest.mark.parametrize(
    "name",
    ["image", "Image", "path", "file", "filename", "file_name", "Image Path", "img", "파일명"],
)
def test_near_names_of_the_photo(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"{name},person,mask,row")
    for data in (path, tmp_path):  # the folder as well
        assert layouts.read(data).table["photo"].tolist()[:2] == ["0.jpg", "1.jpg"]


@pytest.mark.parametrize(
    ("name", "value", "attribute", "code"),
    [("sex", "F", "gender", 1), ("성별", "남", "gender", 0), ("Gender", "male", "gender", 0),
     ("Age Group", "20-29", "age_band", 0), ("연령대", "60대", "age_band", 2),
     ("age_range", "[30-39]", "age_band", 1), ("나이", "34", "age_band", 1),
     ("Age", "30대", "age_band", 1), ("Mask_Status", "no mask", "mask", 2)],
)  # fmt: skip
def test_near_names_of_the_labels(
    name: str, value: str, attribute: str, code: int, tmp_path: Path
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"photo,{name}\n1.jpg,{value}\n")
    assert layouts.read(path).table[attribute].tolist() == [code]


def test_our_own_name_goes_before_others(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("photo,person,subject,mask\n1.jpg,a,x,wear\n2.jpg,b,x,wear\n")
    assert layouts.read(path).table["person"].tolist() == ["a", "b"]


def test_several_columns_that_may_be_meant_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("photo,subject,identity,mask\n1.jpg,a,x,wear\n2.jpg,b,x,wear\n")
    with pytest.raises(MaskgateError) as caught:
        layouts.read(path)
    assert str(caught.value) == (
        f"{path}: each of the columns subject, identity may be the person; rename the right one to"
        " person"
    )
    path.write_text("path,filename,mask\nx,1.jpg,wear\n y,2.jpg,wear\n")
    assert layouts.read(path).table["photo"].tolist() == ["x", "y"]  # alike, row by row
    path.write_text("path,filename,mask\nx,1.jpg,wear\nx,2.jpg,wear\n")
    with pytest.raises(MaskgateError, match="path, filename may be the photo; rename"):
        layouts.read(path)


def test_an_id_that_counts_the_rows_is_no_person(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,photo,subject,mask\n1,1.jpg,a,wear\n2,2.jpg,a,wear\n3,3.jpg,b,wear\n")
    assert layouts.read(path).table["person"].tolist() == ["a", "a", "b"]
    path.write_text("id,photo,mask\n1,1.jpg,wear\n2,2.jpg,wear\n")
    assert layouts.read(path).table["person"].tolist() == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize("name", ["name", "user", "face"])
def test_a_column_that_repeats_like_people_is_told(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"photo,{name},mask,row")
    assert layouts.read(path).table["person"].is_unique
    assert {each for each in kinds(path) if each[0] != "label that no column has"} == {
        (
            "column that repeats like people but is not read",
            name,
            "6 values in 12 rows; rename it to person if it tells people apart",
        ),
        ("unknown column", "row", "it is not read"),
    }


PEOPLE_OF = [row * 7 % 12 for row in range(84)]  # twelve people of seven photos, mixed


def joined(folder: Path, header: str, *cells: Sequence[object]) -> Path:
    """A table of 84 photos with further columns, such as who each shows."""
    path = folder / "labels.csv"
    each_row = zip(*cells, strict=True)
    rows = [f"{row}.jpg,wear,{','.join(map(str, each))}" for row, each in enumerate(each_row)]
    path.write_text("\n".join([f"photo,mask,{header}", *rows]) + "\n")
    return path


def apart(path: Path) -> "list[tuple[str, str]]":
    """Where all that training warns of says that people are not kept together, and the columns
    that it names."""
    photos = layouts.read(path)
    problems = [*people.people_unknown(photos), *photos.problems]
    like_people = "column that repeats like people but is not read"
    return [(each.kind, each.where) for each in problems if each.kind in (APART, like_people)]


LIKE_PEOPLE = ("column that repeats like people but is not read", "name")


@pytest.mark.parametrize("header", ["person", "person_id", "subject"])
@pytest.mark.parametrize("cell", ["{}", "{}.jpg", "images/{}.jpg"])
def test_a_person_that_counts_the_rows_is_doubted(header: str, cell: str, tmp_path: Path) -> None:
    rows = [cell.format(row) for row in range(84)]
    path = joined(tmp_path, f"{header},name", rows, PEOPLE_OF)
    assert apart(path) == [(APART, "all photos"), LIKE_PEOPLE], "first, where nobody misses it"
    few = [*rows[:-2], rows[0], rows[1]]  # two of 82 are there twice
    path = joined(tmp_path, f"{header},name", few, PEOPLE_OF)
    ((first, where), second) = sorted(apart(path), reverse=True)
    assert (first, second) == (APART, LIKE_PEOPLE)
    assert where == ("82 of 84 photos" if cell == "{}.jpg" else "80 of 84 photos")


def test_people_who_repeat_are_not_doubted(tmp_path: Path) -> None:
    path = joined(tmp_path, "person,name", PEOPLE_OF, [row % 5 for row in range(84)])
    assert apart(path) == []
    path = joined(tmp_path, "person,row", list(range(84)), list(range(84)))
    assert apart(path) == [], "a photo a person, and nothing that says otherwise"


def test_an_id_that_starts_again_is_no_person(tmp_path: Path) -> None:
    twice = [row % 42 + 1 for row in range(84)]
    path = joined(tmp_path, "id,name", twice, PEOPLE_OF)
    kind = LIKE_PEOPLE[0]
    assert sorted(apart(path)) == [(kind, "id"), LIKE_PEOPLE, (APART, "all photos")]
    assert layouts.read(path).table["person"].is_unique
    path = joined(tmp_path, "id,subject", twice, PEOPLE_OF)
    assert layouts.read(path).table["person"].tolist() == [str(each) for each in PEOPLE_OF]
    once = [*range(83), 0]  # a single one is there twice
    path = joined(tmp_path, "id,name", once, PEOPLE_OF)
    assert sorted(apart(path)) == [LIKE_PEOPLE, (APART, "all photos")]


def test_an_id_that_tells_people_apart_is_read(tmp_path: Path) -> None:
    shots = [row % 42 for row in range(84)]  # the first shot of all, then the second
    for other in (shots, [row % 2 for row in shots], [row // 42 for row in range(84)]):
        path = joined(tmp_path, "id,other", sorted(shots), other)
        assert layouts.read(path).table["person"].tolist() == [str(each) for each in sorted(shots)]
    for other in ([row // 42 for row in range(84)], [row % 3 for row in shots]):
        path = joined(tmp_path, "id,other", shots, other)
        assert layouts.read(path).table["person"].tolist() == [str(each) for each in shots]
    path = joined(tmp_path, "id,race", shots, [row % 3 for row in shots])
    assert layouts.read(path).table["person"].tolist() == [str(each) for each in shots]
    assert apart(path) == []


@pytest.mark.parametrize(
    ("column", "other", "value"),
    [("person", "subject", "a"), ("person", "인물", "a"), ("mask", "mask_status", "wear"),
     ("age", "나이", "34"), ("photo", "image", "a.jpg")],
)  # fmt: skip
def test_an_empty_column_gives_way_to_another_name(
    column: str, other: str, value: str, tmp_path: Path
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"{column},{other},gender\n,{value},male\n")
    rows, problems = columns.rename_columns(csv_files.load(path), columns.PHOTOS, path)
    assert rows[column].tolist() == [value]
    assert other not in rows.columns
    assert [(each.where, each.detail) for each in problems] == [(other, f"read as {column}")]
    path.write_text(f"{column},{other},gender\n,,male\n")
    rows, problems = columns.rename_columns(csv_files.load(path), columns.PHOTOS, path)
    assert (list(rows.columns), problems) == ([column, other, "gender"], [])


def test_a_column_of_few_values_is_no_person(tmp_path: Path) -> None:
    rows = [f"{row}.jpg,wear,{'real' if row % 2 else 'drawn'}" for row in range(200)]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["photo,mask,source", *rows]) + "\n")
    assert {kind for kind, _, _ in kinds(path)} == {"unknown column", "label that no column has"}


def test_what_to_type_for_columns_of_other_names(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    words = ("yes", "no", "wrong")
    rows = [f"{row}.jpg,20,{words[row % 3]},s{row % 100},{row}" for row in range(600)]
    path.write_text("\n".join(["photo,age,is covered,who,row", *rows]) + "\n")
    remedies = [problem.remedy for problem in layouts.read(path).problems if problem.remedy]
    assert remedies[0] == (
        "if is covered has the mask: --mask-column 'is covered'; mask is wear, incorrect or"
        " not_wear: correct the data, or map its words with --map mask:no=WORD,wrong=WORD,yes=WORD"
        " (in Python: words=)"
    )
    assert "if is covered has the gender: --gender-column 'is covered'" in remedies[1]
    assert remedies[2:] == ["if who tells people apart: --person-column who"]


def test_a_label_whose_column_may_have_another_name_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("photo,covering,sex,years\n1.jpg,yes,M,20\n")
    missing = [each for each in kinds(path) if each[0] == "label that no column has"]
    option = "if a column with another name has it, name that with --mask-column"
    assert missing == [("label that no column has", "mask", option)]
    path.write_text("photo,sex,years\n1.jpg,M,20\n")
    assert "label that no column has" not in {kind for kind, _, _ in kinds(path)}


def test_other_tables_beside_the_photos_are_none(tmp_path: Path) -> None:
    write(tmp_path, "photo,person,mask,row")
    for name, header in (("files", "file,size"), ("people", "id,gender")):
        (tmp_path / f"{name}.csv").write_text(f"{header}\na.jpg,1\n")
    assert len(layouts.read(tmp_path).table) == 2 * PEOPLE
    assert not csv_photos.is_table(["file", "size"], NO_MAP)
    assert csv_photos.is_table(["image", "mask"], NO_MAP)


def test_all_names_are_of_one_column() -> None:
    for known in (columns.PHOTOS, columns.PEOPLE):
        for column, others in known.items():
            for name in (column, *others):
                assert [each for each in known if columns.is_name_of(name, each, known)] == [column]
    rows, problems = columns.rename_columns(
        pd.DataFrame({"a": ["1"]}), columns.PHOTOS, Path("a.csv")
    )
    assert (list(rows.columns), problems) == (["a"], [])


def test_all_names_are_documented() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for column, others in columns.PHOTOS.items():
        row = next(line for line in docs.splitlines() if line.startswith(f"| `{column}` |"))
        assert all(f"`{name}`" in row for name in others), column
