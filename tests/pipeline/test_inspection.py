"""Every kind of problem, planted among generated people, is found in one pass."""

import os
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate.data import checks
from maskgate.pipeline import inspection
from maskgate.pipeline.inspection import Inspection
from maskgate.reports import inspect as inspect_page
from maskgate.synthetic.people import sample_people

Planted = dict[str, set[str]]


def places_by_kind(inspected: Inspection) -> Planted:
    """Places by kind of problem."""
    places: Planted = defaultdict(set)
    for problem in inspected.problems:
        places[problem.kind].add(problem.where)
    return dict(places)


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """People with nothing wrong, not even the irregular files of the original."""
    root = tmp_path / "clean"
    sample_people.make(root, 14, 2, (64, 48), irregular_files=False, label_errors=0, twins=0)
    return root


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rename_row(csv: Path, person: str, **changes: str) -> None:
    rows = pd.read_csv(csv, dtype="str")
    for column, value in changes.items():
        rows.loc[rows["path"] == person, column] = value
    rows.to_csv(csv, index=False)


def test_clean_people_have_no_problem(clean: Path, cache: Path) -> None:
    inspected = inspection.inspect(clean, cache)
    assert inspected.problems == []
    assert len(inspected.photos.table) == len(inspected.files) == len(inspected.grey) == 14 * 7
    assert set(inspected.files["format"]) == {"JPEG"}
    assert {*zip(inspected.files["width"], inspected.files["height"], strict=True)} == {(48, 64)}
    assert inspected.tests == 14


def test_everything_planted_is_found_in_one_pass(clean: Path, cache: Path) -> None:
    images, csv = clean / "train" / "images", clean / "train" / "train.csv"
    names = sorted(path.name for path in images.iterdir())
    broken, lost, more, copy, blank, old, rowless, hidden, other, both, clash = names[:11]
    first = names[11]

    cut_short(images / broken / "mask2.jpg")
    (images / broken / "normal.jpg").write_bytes(b"")
    (images / lost / "mask3.jpg").unlink()
    shutil.copy(images / more / "mask1.jpg", images / more / "mask6.jpg")
    shutil.copy(images / copy / "mask1.jpg", images / copy / "mask2.jpg")
    Image.new("RGB", (48, 64), (90, 90, 90)).save(images / blank / "mask4.jpg")
    rename_row(csv, old, age="150")
    cut_short(images / old / "mask5.jpg")  # damaged as well, though its label is not known
    rows = pd.read_csv(csv, dtype="str")
    rows = rows[rows["path"] != rowless]
    rows.loc[len(rows) + 99] = ["000999", "male", "Asian", "33", "000999_male_Asian_33"]
    contradiction = rows[rows["path"] == both].assign(age="99")
    pd.concat([rows, contradiction]).to_csv(csv, index=False)
    (images / hidden / "._mask1.jpg").write_bytes(bytes.fromhex("00051607") + bytes(70))
    rename_row(csv, other, gender="robot")
    shutil.copytree(images / first, images / f"{first.split('_')[0]}_male_Asian_77")
    rows = pd.read_csv(csv, dtype="str")
    twin = rows[rows["path"] == first].assign(
        gender="male", age="77", path=f"{first.split('_')[0]}_male_Asian_77"
    )
    pd.concat([rows, twin]).to_csv(csv, index=False)
    rename_row(csv, clash, age="29" if "_29" not in clash else "28")
    tests = sorted((clean / "eval" / "images").iterdir())
    tests[0].unlink()
    cut_short(tests[1])
    shutil.copy(tests[2], clean / "eval" / "images" / "extra.jpg")
    (clean / "eval" / "images" / "._x.jpg").write_bytes(b"")

    inspected = inspection.inspect(clean, cache)
    places = places_by_kind(inspected)
    twin_name = f"{first.split('_')[0]}_male_Asian_77"
    expected: Planted = {
        "unreadable photo": {f"{broken}/mask2.jpg", f"{broken}/normal.jpg", f"{old}/mask5.jpg"},
        "missing photo": {f"{lost}/mask3"},
        "extra file": {f"{more}/mask6.jpg"},
        "blank photo": {f"{blank}/mask4.jpg"},
        "age out of range": {old},
        "unknown gender": {other},
        "contradictory rows": {both},
        "row without folder": {"000999_male_Asian_33"},
        "folder without labels": {rowless},
        "folder name contradicts table": {old, other, clash},
        "hidden file": {f"{hidden}/._mask1.jpg", "._x.jpg"},
        "id of several people": {first.split("_")[0]},
        "missing test photo": {tests[0].name},
        "unreadable test photo": {tests[1].name},
        "extra test photo": {"extra.jpg"},
        "near-duplicate people": {min(first, twin_name)},
    }
    for kind, where in expected.items():
        assert places.pop(kind) == where, kind
    identical = places.pop("identical photos")
    assert f"{copy}/mask1.jpg" in identical
    assert len(identical) == 1 + 7  # and the seven photos of the person copied whole
    assert any("=" in where for where in places.pop("labels of one shot differ"))
    assert places == {}, "nothing is told that was not planted"
    fatal = [problem.fatal for problem in inspected.problems]
    assert fatal == sorted(fatal, reverse=True), "what stops a training comes first"


def test_copies_of_one_file_under_many_names_are_one_line(tmp_path: Path, cache: Path) -> None:
    random = np.random.default_rng(6)
    rows = ["photo,person,mask"]
    for number in range(305):
        picture = random.integers(0, 255, (8, 6, 3), dtype=np.uint8)
        path = tmp_path / f"{number}.png"
        if 0 < number < 300:
            shutil.copy(tmp_path / "0.png", path)
        else:
            Image.fromarray(picture).resize((48, 64), Image.Resampling.BICUBIC).save(path)
        rows.append(f"{number}.png,p{number},wear")
    (tmp_path / "photos.csv").write_text("\n".join(rows) + "\n")
    inspected = inspection.inspect(tmp_path / "photos.csv", cache)
    problems = inspected.problems
    assert [(problem.kind, problem.where) for problem in problems] == [
        ("identical photos", "0.png")
    ]
    assert problems[0].detail.endswith("and 294 more")
    assert inspected.near_duplicates.largest == 300
    assert len(inspected.near_duplicates.pairs) == 299


def shot(mask: tuple[int, int, int, int] | None = None) -> Image.Image:
    """One shot, with a mask drawn at (left, top, right, bottom) if any."""
    coarse = np.random.default_rng(3).integers(0, 255, (12, 9, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((144, 192), Image.Resampling.BICUBIC)
    if mask is not None:
        image.paste((235, 240, 245), mask)
    return image


def test_one_shot_with_different_drawn_masks_has_no_wrong_label(
    tmp_path: Path, cache: Path
) -> None:
    """The rows of the two people take turns, and three photos of each make six pairs or more."""
    high, low = (50, 90, 100, 120), (45, 130, 95, 150)
    photos = {
        "a1": (shot(low), "incorrect"), "b1": (shot(high), "wear"), "a2": (shot(high), "wear"),
        "b2": (shot(low), "incorrect"), "a3": (shot(), "normal"), "b3": (shot(), "normal"),
    }  # fmt: skip
    rows = ["photo,person,mask,gender,age"]
    for number, (name, (image, mask)) in enumerate(photos.items()):
        image.save(tmp_path / f"{name}.jpg", quality=70 + 4 * number)
        rows.append(f"{name}.jpg,{name[0]},{mask},female,40")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    inspected = inspection.inspect(tmp_path, cache)
    assert len(inspected.near_duplicates.pairs) > 3
    (problem,) = inspected.problems
    assert (problem.kind, problem.where) == ("near-duplicate people", "a")
    assert problem.detail.startswith("3 photos also at b, such as a1.jpg = b")


def test_labels_of_one_shot_that_differ_are_problems(tmp_path: Path, cache: Path) -> None:
    """A shot coded again has one mask; gender and age band are compared in every pair."""
    shot().save(tmp_path / "b1.jpg", quality=60)
    shot().resize((288, 384), Image.Resampling.BICUBIC).save(tmp_path / "a1.jpg", quality=90)
    shot((50, 90, 100, 120)).save(tmp_path / "a2.jpg", quality=90)
    (tmp_path / "labels.csv").write_text(
        "photo,person,mask,gender,age\na1.jpg,a,wear,,\na2.jpg,a,wear,female,40\n"
        "b1.jpg,b,normal,male,70\n"
    )
    problems = inspection.inspect(tmp_path, cache).problems
    assert [(problem.kind, problem.where) for problem in problems] == [
        ("near-duplicate people", "a"),
        ("labels of one shot differ", "a = b"),
        ("labels of one shot differ", "a = b"),
        ("labels of one shot differ", "a1.jpg = b1.jpg"),
    ]
    assert [problem.detail for problem in problems[1:]] == [
        "gender is female and male",
        "age band is 30-59 and >=60",
        "mask is wear and not_wear",
    ]


def test_a_table_of_photos_is_inspected_too(tmp_path: Path, cache: Path) -> None:
    random = np.random.default_rng(5)
    for number in range(6):
        pixels = random.integers(0, 255, (8, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((48, 64), Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"{number}.png")
    csv = tmp_path / "photos.csv"
    csv.write_text(
        "photo,mask,gender,age,age_group,mood\n0.png,wear,,,,good\n1.png,perhaps,,,,\n"
        "2.png,wear,male,25,>=60,\n3.png,,female,200,,\n3.png,,female,20,,\ngone.png,wear,,,,\n"
        "4.png,,,,over 20,\n"
    )
    inspected = inspection.inspect(csv, cache)
    assert places_by_kind(inspected) == {
        "unknown column": {"mood"},
        "unknown mask": {"1.png"},
        "contradictory labels": {"2.png"},
        "unknown age": {"3.png"},
        "unknown age_group": {"4.png"},
        "photo listed twice": {"3.png"},
        "photo not found": {"gone.png"},
        "photo without row": {"5.png"},
        checks.APART: {"all photos"},
    }
    assert inspected.photos.table["photo"].tolist() == ["0.png"]
    assert inspected.tests is None


def test_doubts_about_people_are_problems_that_stop_nothing(tmp_path: Path, cache: Path) -> None:
    people = ["Kim", "kim", "a", "a", "b", "b", "1", "001", "c", "c"]
    labels = ["male,20"] * 2 + ["male,20", "female,20", "male,20", "male,50"] + ["female,40"] * 4
    for number in range(len(people)):
        Image.effect_noise((24, 32), 40 + 9 * number).convert("RGB").save(
            tmp_path / f"{number}.png"
        )
    rows = [f"{row}.png,{people[row]},{labels[row]}" for row in range(len(people))]
    (tmp_path / "labels.csv").write_text("\n".join(["photo,person,gender,age", *rows]))
    inspected = inspection.inspect(tmp_path, cache)
    assert places_by_kind(inspected) == {
        "similar names": {"Kim", "1"},
        "person of two genders": {"a"},
        "person of distant ages": {"b"},
    }
    assert not any(problem.fatal for problem in inspected.problems)


def test_names_longer_than_any_file_is_named_are_problems(tmp_path: Path, cache: Path) -> None:
    Image.effect_noise((24, 32), 60).convert("RGB").save(tmp_path / "a.png")
    digits = "9" * 5000
    photos = ["a.png", f"{digits}.png", f"{digits}/a.png"]
    rows = [f"{photo},{digits},wear" for photo in photos]
    (tmp_path / "labels.csv").write_text("\n".join(["photo,person,mask", *rows]))
    inspected = inspection.inspect(tmp_path, cache)
    assert places_by_kind(inspected) == {"unreadable photo": set(photos[1:])}
    assert all(len(line) < 300 for line in checks.summary(inspected.problems))


def test_names_that_are_not_utf8_are_shown_once(clean: Path, cache: Path, tmp_path: Path) -> None:
    images = clean / "train" / "images"
    person = next(path for path in sorted(images.iterdir()) if path.is_dir())
    odd = os.fsdecode("김".encode("cp949"))
    try:
        for folder in (person, clean / "eval" / "images"):
            shutil.copy(person / "mask1.jpg", folder / f"{odd}.jpg")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    (images / odd).mkdir()
    inspected = inspection.inspect(clean, cache)
    assert places_by_kind(inspected) == {
        "name not in UTF-8": {r"\xb1\xe8"},
        "extra file": {rf"{person.name}/\xb1\xe8.jpg"},
        "extra test photo": {r"\xb1\xe8.jpg"},
    }
    page, listing = inspect_page.write(inspected, tmp_path, pictures=False)
    assert r"\xb1\xe8" in page.read_text(encoding="utf-8")
    assert len(listing.read_text(encoding="utf-8").splitlines()) == 4


def test_photos_of_a_table_whose_names_are_not_utf8_are_one_problem_each(
    tmp_path: Path, cache: Path
) -> None:
    rows = ["photo,person,gender"]
    for number, name in enumerate(("김.jpg", "이.jpg", "a.jpg")):
        file = name if name == "a.jpg" else os.fsdecode(name.encode("cp949"))
        try:
            Image.effect_noise((24, 32), 40 + 9 * number).convert("RGB").save(tmp_path / file)
        except OSError:
            pytest.skip("this file system takes UTF-8 alone")
        rows.append(f"{name},{number},male")
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="cp949")
    problems = inspection.inspect(tmp_path, cache).problems
    assert [(each.kind, each.where) for each in problems] == [
        ("name not in UTF-8", "김.jpg"),
        ("name not in UTF-8", "이.jpg"),
    ]


def test_a_folder_named_like_a_photo_is_no_photo(clean: Path, cache: Path) -> None:
    person = next(path for path in (clean / "train" / "images").iterdir() if path.is_dir())
    (clean / "eval" / "images" / "folder.jpg").mkdir()
    before = inspection.inspect(clean, cache).problems
    (person / "other.jpg").mkdir()
    (person / "photo.jfif").touch()
    after = inspection.inspect(clean, cache).problems
    added = sorted((each.kind, each.where) for each in after if each not in before)
    assert before == []
    assert added == [
        ("extra file", f"{person.name}/other.jpg"),
        ("extra file", f"{person.name}/photo.jfif"),
    ]


def test_data_of_which_nothing_can_be_used_is_inspected(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    csv = tmp_path / "photos.csv"
    csv.write_text("photo,mask\na.jpg,wear\n")
    inspected = inspection.inspect(csv, cache)
    assert places_by_kind(inspected) == {"unreadable photo": {"a.jpg"}}
    assert len(inspected.photos.table) == 0  # and no photo counts as a person


def test_a_broken_test_table_is_a_problem_and_no_crash(clean: Path, cache: Path) -> None:
    (clean / "eval" / "info.csv").write_text("name,ans\na.jpg,0\n")
    inspected = inspection.inspect(clean, cache)
    assert places_by_kind(inspected) == {"unreadable test table": {"info.csv"}}


def test_every_kind_in_the_code_has_a_meaning() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        checks.Problem("something new", "here", "what")


def test_the_source_is_left_as_it_was(clean: Path, cache: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in clean.rglob("*") if path.is_file()}

    before = content()
    inspection.inspect(clean, cache)
    assert content() == before
