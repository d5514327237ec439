"""Columns by other usual names: read where it is certain which is meant, else refused."""

from pathlib import Path

import pandas as pd
import pytest

from maskgate.data import columns, csv_photos, layouts
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
    for given in (path, tmp_path):  # the folder as well
        assert layouts.read(given).table["photo"].tolist()[:2] == ["0.jpg", "1.jpg"]


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
    assert kinds(path) == {
        (
            "column that repeats like people but is not read",
            name,
            "6 values in 12 rows; rename it to person if it tells people apart",
        ),
        ("unknown column", "row", "it is not read"),
    }


def test_a_column_of_few_values_is_no_person(tmp_path: Path) -> None:
    rows = [f"{row}.jpg,wear,{'real' if row % 2 else 'drawn'}" for row in range(200)]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["photo,mask,source", *rows]) + "\n")
    assert {kind for kind, _, _ in kinds(path)} == {"unknown column"}


def test_other_tables_beside_the_photos_are_none(tmp_path: Path) -> None:
    write(tmp_path, "photo,person,mask,row")
    for name, header in (("files", "file,size"), ("people", "id,gender")):
        (tmp_path / f"{name}.csv").write_text(f"{header}\na.jpg,1\n")
    assert len(layouts.read(tmp_path).table) == 2 * PEOPLE
    assert not csv_photos.is_table(["file", "size"])
    assert csv_photos.is_table(["image", "mask"])


def test_all_names_are_of_one_column() -> None:
    for known in (columns.PHOTOS, columns.PEOPLE):
        for column, others in known.items():
            for name in (column, *others):
                assert [each for each in known if columns.alike(name, each, known)] == [column]
    rows, problems = columns.renamed(pd.DataFrame({"a": ["1"]}), columns.PHOTOS, Path("a.csv"))
    assert (list(rows.columns), problems) == (["a"], [])


def test_all_names_are_documented() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for column, others in columns.PHOTOS.items():
        row = next(line for line in docs.splitlines() if line.startswith(f"| `{column}` |"))
        assert all(f"`{name}`" in row for name in others), column
