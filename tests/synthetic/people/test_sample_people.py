"""Generated people: the layout, the truth beside it, and that both can be relied on."""

import csv
import dataclasses
import hashlib
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.synthetic.people import drawing, sample_people

SMALL = (24, 18)
STEM_MASK = {**{f"mask{n}": 0 for n in range(1, 6)}, "incorrect_mask": 1, "normal": 2}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def claimed_label(photo: str) -> int:
    """The class that a photo's path claims, read from its names a second way."""
    folder, name = photo.split("/")
    _, gender, _, age = folder.split("_")
    band = 0 if int(age) < 30 else 1 if int(age) < 60 else 2
    return STEM_MASK[name.split(".")[0]] * 6 + (gender == "female") * 3 + band


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> sample_people.SamplePeople:
    root = tmp_path_factory.mktemp("people")
    return sample_people.make(root, people=12, eval_people=12, size=SMALL)


def test_same_arguments_same_bytes_and_other_seed_other_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        sample_people.make(tmp_path / name, 3, 1, SMALL, seed=seed, label_errors=1)
    one, two, three = (digests(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    photos = {three[name] for name in three if name.endswith(".jpg") and "._" not in name}
    assert not photos & set(one.values())


def test_a_person_looks_the_same_among_more_people(tmp_path: Path) -> None:
    few = sample_people.make(tmp_path / "few", 3, 1, SMALL, label_errors=0, twins=0)
    more = sample_people.make(tmp_path / "more", 6, 2, SMALL, label_errors=0, twins=0)
    assert more.folders[:2] == few.folders[:2]
    for part in (f"train/images/{few.folders[0]}", f"train/images/{few.folders[1]}"):
        assert digests(few.root / part) == digests(more.root / part)
    assert digests(few.eval / "images").items() <= digests(more.eval / "images").items()


def test_every_folder_of_the_table_holds_seven_photos(sample: sample_people.SamplePeople) -> None:
    table = rows(sample.train / "train.csv")
    assert list(table[0]) == ["id", "gender", "race", "age", "path"]
    assert [row["path"] for row in table] == list(sample.folders)
    assert len(set(sample.folders)) == 12 + 1
    for row in table:
        assert row["path"] == f"{row['id']}_{row['gender']}_Asian_{row['age']}"
        assert re.fullmatch(r"\d{6}(-1)?", row["id"])
        visible = [p for p in (sample.train / "images" / row["path"]).iterdir() if p.name[0] != "."]
        assert sorted(path.stem for path in visible) == sorted(STEM_MASK)
        for path in visible:
            with Image.open(path) as image:
                assert image.size == SMALL[::-1]


def test_oddities_of_the_original_files(sample: sample_people.SamplePeople) -> None:
    images = sample.train / "images"
    kinds = {p.name: {q.suffix for q in p.iterdir() if q.name[0] != "."} for p in images.iterdir()}
    assert {".jpg"} in kinds.values()
    assert {".jpeg"} in kinds.values()
    assert {".png"} in kinds.values()
    assert {".jpg", ".jpeg", ".png"} in kinds.values()
    with Image.open(next(images.rglob("*.png"))) as image:
        assert image.mode == "P"
    assert next(images.rglob("._mask1.jpg")).read_bytes().startswith(b"\x00\x05\x16\x07")
    assert list(images.rglob(".DS_Store"))
    table = rows(sample.train / "train.csv")
    ids = [row["id"] for row in table]
    assert any(name.endswith("-1") for name in ids)
    (repeated,) = {name for name in ids if ids.count(name) == 2}
    assert len({row["age"] for row in table if row["id"] == repeated}) == 2


def test_without_oddities_all_is_plain(tmp_path: Path) -> None:
    sample = sample_people.make(tmp_path, 7, 1, SMALL, irregular_files=False)
    files = [path for path in sample.train.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".jpg", ".csv"}
    ids = [row["id"] for row in rows(sample.train / "train.csv")]
    assert len(set(ids)) == len(ids)
    assert all(name.isdecimal() for name in ids)


def test_truth_differs_from_the_folders_just_where_planted(
    sample: sample_people.SamplePeople,
) -> None:
    planted = rows(sample.truth / "planted.csv")
    assert [tuple(row.values()) for row in planted] == [
        dataclasses.astuple(fault) for fault in sample.planted
    ]
    assert [row["kind"] for row in planted] == [*sample_people.ERRORS, "twin"]
    truth = rows(sample.truth / "train.csv")
    assert len(truth) == 7 * len(sample.folders)
    wrong: dict[str, list[str]] = {}
    for row in truth:
        assert (sample.train / "images" / row["photo"]).is_file()
        assert row["photo"].startswith(row["person"] + "/")
        if claimed_label(row["photo"]) != int(row["label"]):
            wrong.setdefault(row["person"], []).append(Path(row["photo"]).stem)
    gender, swapped, age = (row["person"] for row in planted[:3])
    assert {name: len(stems) for name, stems in wrong.items()} == {gender: 7, swapped: 2, age: 7}
    assert sorted(wrong[swapped]) == ["incorrect_mask", "normal"]
    by_person = {name: [int(r["label"]) for r in truth if r["person"] == name] for name in wrong}
    assert all((label // 3 % 2 == 0) == ("female" in gender) for label in by_person[gender])


def test_eval_photos_give_nothing_away(sample: sample_people.SamplePeople) -> None:
    table, truth = rows(sample.eval / "info.csv"), rows(sample.truth / "eval.csv")
    names = [row["ImageID"] for row in table]
    assert list(table[0]) == ["ImageID", "ans"]
    assert {row["ans"] for row in table} == {"0"}
    assert names == [row["ImageID"] for row in truth]
    assert names != sorted(names)
    assert len(set(names)) == sample.eval_photos == 12 * 7
    assert sorted(path.name for path in (sample.eval / "images").iterdir()) == sorted(names)
    assert all(re.fullmatch(r"[0-9a-f]{40}\.jpg", name) for name in names)


def test_twelve_people_have_all_classes(sample: sample_people.SamplePeople) -> None:
    everything = set(range(labels.COUNT))
    assert {int(row["label"]) for row in rows(sample.truth / "train.csv")} == everything
    assert {claimed_label(row["photo"]) for row in rows(sample.truth / "train.csv")} == everything
    assert {int(row["ans"]) for row in rows(sample.truth / "eval.csv")} == everything


def test_a_twin_is_nearly_its_source(sample: sample_people.SamplePeople) -> None:
    twin = sample.planted[-1]
    source = twin.detail.rsplit(" ", 1)[1]
    assert source in sample.folders
    assert twin.person == sample.folders[-1]
    assert source.split("_", 1)[1] == twin.person.split("_", 1)[1]

    def pixels(folder: str) -> npt.NDArray[np.float64]:
        with Image.open(next((sample.train / "images" / folder).glob("mask1.*"))) as image:
            return np.asarray(image.convert("L"), dtype=np.float64)

    one, other = pixels(source), pixels(twin.person)
    assert (one != other).any()
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("size", [(512, 384), (96, 72), (33, 47)])
@pytest.mark.parametrize("mask", labels.MASKS)
def test_a_photo_has_the_size_asked_for(size: tuple[int, int], mask: str) -> None:
    face = sample_people.person(np.random.default_rng(1), gender=0, age=70)
    image = drawing.photo(face, mask, size, np.random.default_rng(2))
    assert (image.mode, image.size) == ("RGB", size[::-1])
    assert np.asarray(image).std() > 10


def test_a_used_folder_is_refused_and_progress_is_told(tmp_path: Path) -> None:
    progress: list[int] = []
    sample_people.make(tmp_path, 2, 1, SMALL, label_errors=0, on_person=lambda: progress.append(1))
    assert len(progress) == 2 + 1 + 1
    with pytest.raises(MaskgateError, match="another folder"):
        sample_people.make(tmp_path, 2, 1, SMALL)
