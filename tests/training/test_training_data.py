"""What training folds get of corrections, ages left out and further data, and never get."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate.config import recipe
from maskgate.data import layouts
from maskgate.data.column_values import EXTRA, NEVER
from maskgate.data.contents import digest
from maskgate.errors import MaskgateError
from maskgate.imaging import pixels
from maskgate.synthetic.people import sample_people
from maskgate.training import training_data as preparing
from maskgate.training.fold_data import Rows
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData

Prepare = Callable[..., TrainingData]


@pytest.fixture
def prepare(tiny: Path, people: Path, cache: Path, tmp_path: Path) -> Prepare:
    """`prepare(*overrides)` gets the sample people ready, or other `data`."""

    def run(
        *overrides: str, data: Path = people, cache: Path = cache, **options: object
    ) -> TrainingData:
        place = TrainOptions("tiny", data, tmp_path / "run", cache, **options)  # type: ignore[arg-type]
        return preparing.prepare(recipe.load(tiny, list(overrides)), place)

    return run


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people more, in the seven-photo layout."""
    root = tmp_path_factory.mktemp("strangers")
    sample_people.make(root, people=8, eval_people=0, size=(64, 48), seed=99, twins=0)
    return root


def folders(people: Path) -> list[Path]:
    images = people / "train" / "images"
    return sorted(path for path in images.iterdir() if path.is_dir())


def photo_of(folder: Path) -> Path:
    return next(folder.glob("mask1.*"))


def re_encoded(source: Path, target: Path) -> None:
    """The photo again: a little smaller cut, brighter, as a coarser JPEG."""
    with Image.open(source) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    image = image.resize(image.size, Image.Resampling.BICUBIC, (1, 1, width - 1, height - 1))
    image.point([min(255, round(level * 1.05)) for level in range(256)] * 3).save(
        target, quality=80
    )


def noise(target: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    Image.fromarray(random.integers(0, 255, (64, 48, 3), dtype=np.uint8)).save(target)


def copies(people: Path, to: Path) -> Path:
    """A CSV with a person for each of the sample people: a photo of theirs, and one of noise.

    Every other photo is re-encoded, the rest have the same bytes.
    """
    rows = []
    to.mkdir()
    for number, folder in enumerate(folders(people)):
        if number % 2:
            re_encoded(photo_of(folder), to / f"{number}.jpg")
        else:
            shutil.copy(photo_of(folder), to / f"{number}.jpg")
        noise(to / f"{number}-more.png", number)
        rows += [(f"{number}.jpg", folder.name, "wear"), (f"{number}-more.png", folder.name, "")]
    table = pd.DataFrame(rows, columns=["photo", "person", "mask"])
    table.to_csv(to / "photos.csv", index=False)
    return to


def rows_of(ready: TrainingData, fold: int) -> tuple[Rows, Rows]:
    """The rows that a fold is trained and validated on."""
    data = ready.fold_data(fold)
    return data.train, data.validation


def fix(path: Path, *rows: str) -> str:
    path.write_text("\n".join(["person,field,value,tier,reason", *rows]) + "\n")
    return f"labels.corrections={path}"


# ------------------------------------------------------------------------ further data


def test_whoever_is_validated_never_trains_by_way_of_further_data(
    prepare: Prepare, people: Path, tmp_path: Path
) -> None:
    more = copies(people, tmp_path / "more")
    ready = prepare("folds.count=3", f"data=[{{path: {more}}}]")
    fold = ready.photos.table["fold"].to_numpy()
    count, table = len(fold), ready.table
    assert ready.folds == [0, 1, 2]
    of_person = dict(zip(ready.photos.table["person"], fold, strict=True))
    fold_of = table["person"].str.removeprefix(f"{more}:").map(of_person)
    np.testing.assert_array_equal(fold_of[:count], fold)
    for number in ready.folds:
        training, validation = rows_of(ready, number)
        np.testing.assert_array_equal(validation, np.flatnonzero(fold == number))
        # Of the further people all are kept out whose twin is validated, noise too, and no other.
        np.testing.assert_array_equal(training, np.flatnonzero(fold_of != number))
        contents = {ready.store.digests[row] for row in training}
        assert not contents & ready.fold_data(number).contents_of_people
    extra = ready.extra()
    assert [list(each) for each in extra["not_in"]] == [[fold] for fold in fold_of[count:]]
    assert extra["digest"].tolist() == ready.store.digests[count:]


def test_people_of_one_name_in_two_data_sets_are_one_person(
    prepare: Prepare, tmp_path: Path
) -> None:
    """40 people with other photos of 10 of them in a further data set: no leak."""
    for name, people, seed in (("first", range(40), 0), ("second", range(30, 60), 9000)):
        (tmp_path / name).mkdir()
        rows = []
        for each in people:
            for photo in range(2):
                file = f"{each}-{photo}.png"
                noise(tmp_path / name / file, seed + 100 * each + photo)
                rows.append((file, f"person {each}", "wear", "male", 30 + each % 3))
        columns = ["photo", "person", "mask", "gender", "age"]
        pd.DataFrame(rows, columns=columns).to_csv(tmp_path / name / "photos.csv", index=False)
    further = tmp_path / "second"
    ready = prepare(
        "folds.count=4", f"data=[{{path: {further}}}]", data=tmp_path / "first" / "photos.csv"
    )
    person = ready.table["person"].str.removeprefix(f"{further}:").to_numpy()
    for number in ready.folds:
        training, validation = rows_of(ready, number)
        assert not set(person[training]) & set(person[validation])
        everyone = np.arange(len(person))
        kept_out = np.setdiff1d(everyone, training)
        assert set(person[kept_out]) == set(person[validation])  # and nobody else
    extra = ready.extra()
    assert (extra["not_in"].map(len) > 0).sum() == 10 * 2
    assert [line for line in ready.warnings if "person 30" in line] == [
        f"10 people of {further} have names of people here (first: {further}:person 30): each"
        " counts as the same person, and is not trained on in the fold that validates that person"
    ]
    assert ready.near_duplicates.pairs == []  # they share a name, no photo


def test_photos_without_people_have_no_names_in_common(prepare: Prepare, tmp_path: Path) -> None:
    for name, seed in (("first", 0), ("second", 50)):
        (tmp_path / name).mkdir()
        for number in range(8):
            noise(tmp_path / name / f"{number}.png", seed + number)
        table = pd.DataFrame({"photo": [f"{n}.png" for n in range(8)], "mask": "wear"})
        table.to_csv(tmp_path / name / "photos.csv", index=False)
    override = f"data=[{{path: {tmp_path / 'second'}}}]"
    ready = prepare(override, data=tmp_path / "first" / "photos.csv")
    assert not [line for line in ready.warnings if "names of people here" in line]
    assert not ready.extra()["not_in"].map(len).any()


def test_folds_are_the_same_whatever_is_trained_on_beside(
    prepare: Prepare, people: Path, strangers: Path, tmp_path: Path
) -> None:
    alone = prepare()
    # One further person with a photo of everybody: it must not join all people in one cluster.
    more = copies(people, tmp_path / "more")
    table = pd.read_csv(more / "photos.csv").assign(person="everybody")
    table.to_csv(more / "photos.csv", index=False)
    male = fix(tmp_path / "fixes.csv", *(f"{f.name},gender,male,sure," for f in folders(people)))
    for changes in (
        [f"data=[{{path: {more}}}, {{path: {strangers}, weight: 2}}]"],
        [male, "labels.truth=sure"],
        ["labels.leave_out_ages=[30, 31, 32, 33]", "labels.old_from=45"],
    ):
        ready = prepare(*changes)
        np.testing.assert_array_equal(ready.photos.table["fold"], alone.photos.table["fold"])
        np.testing.assert_array_equal(ready.photos.table["cluster"], alone.photos.table["cluster"])
        assert ready.photos.table["photo"].tolist() == alone.photos.table["photo"].tolist()
        assert ready.store.digests[: len(alone.photos.table)] == alone.store.digests


def test_without_further_data_the_clusters_are_those_of_the_people(prepare: Prepare) -> None:
    ready = prepare()
    np.testing.assert_array_equal(ready.table["cluster"], ready.photos.table["cluster"])
    assert len(ready.extra()) == 0
    assert len(ready.table) == len(ready.photos.table)


def test_clusters_that_no_further_photo_joins_keep_their_number(
    prepare: Prepare, people: Path, strangers: Path, tmp_path: Path
) -> None:
    ready = prepare(f"data=[{{path: {strangers}}}]")
    count = len(ready.photos.table)
    np.testing.assert_array_equal(ready.table["cluster"][:count], ready.photos.table["cluster"])
    assert ready.table["cluster"][count:].min() > ready.photos.table["cluster"].max()
    for number in ready.folds:  # strangers always train
        assert set(range(count, len(ready.table))) <= set(ready.fold_data(number).train)
    ready = prepare(f"data=[{{path: {copies(people, tmp_path / 'more')}}}]")
    np.testing.assert_array_equal(ready.table["cluster"][:count], ready.photos.table["cluster"])
    assert set(ready.table["cluster"][count:]) == set(ready.photos.table["cluster"])


def test_the_same_file_counts_as_one_shot_even_without_contrast(
    prepare: Prepare, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        (tmp_path / name).mkdir()
        noise(tmp_path / name / "n.png", seed)
        Image.new("RGB", (48, 64)).save(tmp_path / name / "black.png")
    rows = [("a/n.png", "a"), ("a/black.png", "a"), ("b/n.png", "b")]
    table = pd.DataFrame(rows, columns=["photo", "person"]).assign(mask="wear")
    table.to_csv(tmp_path / "photos.csv", index=False)
    more = [("n.png", "c"), ("black.png", "c")]
    table = pd.DataFrame(more, columns=["photo", "person"]).assign(mask="wear")
    table.to_csv(tmp_path / "c" / "more.csv", index=False)
    ready = prepare(f"data=[{{path: {tmp_path / 'c'}}}]", data=tmp_path / "photos.csv")
    fold = int(ready.photos.table["fold"][0])
    assert ready.fold_data(fold).train.tolist() == [2]
    assert ready.fold_data(1 - fold).train.tolist() == [0, 1, 3, 4]


def test_a_photo_made_from_two_people_trains_where_neither_is_validated(
    prepare: Prepare, tmp_path: Path
) -> None:
    for seed in range(6):
        noise(tmp_path / f"{seed}.png", seed)
    rows = [(f"{seed}.png", f"p{seed}", "wear") for seed in range(6)]
    table = pd.DataFrame(rows, columns=["photo", "person", "mask"])
    table.to_csv(tmp_path / "photos.csv", index=False)
    folds = prepare("folds.count=3", data=tmp_path / "photos.csv").photos.table["fold"].tolist()
    one = 0
    other = next(row for row in range(6) if folds[row] != folds[one])
    digests = [digest((tmp_path / f"{row}.png").read_bytes()).hex() for row in (one, other)]
    (tmp_path / "more").mkdir()
    noise(tmp_path / "more" / "pasted.png", 9)
    noise(tmp_path / "more" / "other.png", 10)
    rows = [("pasted.png", "m", " ".join(digests)), ("other.png", "n", "")]
    more = pd.DataFrame(rows, columns=["photo", "person", "drawn_from"]).assign(mask="wear")
    more.to_csv(tmp_path / "more" / "photos.csv", index=False)
    ready = prepare(
        "folds.count=3", f"data=[{{path: {tmp_path / 'more'}}}]", data=tmp_path / "photos.csv"
    )
    assert ready.photos.table["fold"].tolist() == folds
    for fold in range(3):
        train = ready.fold_data(fold).train.tolist()
        assert (6 in train) == (fold not in (folds[one], folds[other]))
        assert 7 in train
        assert {row for row in train if row < 6} == {row for row in range(6) if folds[row] != fold}


def test_the_store_holds_every_row_of_the_training_table(
    prepare: Prepare, people: Path, strangers: Path, tmp_path: Path
) -> None:
    ready = prepare(f"data=[{{path: {strangers}, weight: 3}}]", cache=tmp_path / "fresh")
    assert len(ready.store) == len(ready.table)
    roots = {"": people, str(strangers): strangers}
    geometry = recipe.Photo(height=32, width=24, margin=0.25).geometry
    count = len(ready.photos.table)
    for row in (0, count - 1, count, len(ready.table) - 1):
        entry = ready.table.iloc[row]
        path = roots[entry["data"]] / "train" / "images" / entry["photo"].split(":")[-1]
        with Image.open(path) as opened:
            expected = pixels.resize(opened.convert("RGB"), *geometry.stored)
        np.testing.assert_array_equal(ready.store[row], expected)
    np.testing.assert_array_equal(
        ready.table["weight"], np.where(ready.table["data"] == "", 1.0, 3.0)
    )


def test_all_further_data_train_where_nobody_is_validated(
    prepare: Prepare, people: Path, tmp_path: Path
) -> None:
    more = copies(people, tmp_path / "more")
    ready = prepare(f"data=[{{path: {more}}}]", "folds.kind=all")
    assert len(ready.fold_data(0).train) == len(ready.table)


def test_people_who_are_only_trained_on_do_not_keep_their_twins_out(
    prepare: Prepare, people: Path, tmp_path: Path
) -> None:
    more = copies(people, tmp_path / "more")
    ready = prepare(f"data=[{{path: {more}}}]", "folds.kind=holdout")
    assert ready.folds == [0]
    never = set(ready.photos.table["cluster"][ready.photos.table["fold"] == NEVER])
    is_shared = (ready.table["source"] == EXTRA) & ready.table["cluster"].isin(never)
    rows = np.flatnonzero(is_shared).tolist()
    assert rows
    assert set(rows) <= set(ready.fold_data(0).train)


def test_smoke_takes_a_few_photos_of_each_data_set(
    prepare: Prepare, people: Path, strangers: Path, tmp_path: Path
) -> None:
    more = copies(people, tmp_path / "more")
    override = f"data=[{{path: {more}}}, {{path: {strangers}}}]"
    fixes = fix(tmp_path / "fixes.csv", *(f"{f.name},age,40,sure," for f in folders(people)))
    ready = prepare(override, fixes, smoke=True)
    counts = ready.table["data"].value_counts()
    assert set(counts.index) == {"", str(more), str(strangers)}
    assert counts.max() <= preparing.SMOKE_PHOTOS
    # Whom a smoke test leaves aside is not called unknown.
    assert not [line for line in ready.warnings if "correction" in line]


# -------------------------------------------------------------------- labels and ages


def test_ages_left_out_are_validated_but_not_trained_on(prepare: Prepare, people: Path) -> None:
    years = [int(age) for age in sorted(set(layouts.read(people).table["age"]))[:3]]
    ready = prepare(f"labels.leave_out_ages={years}")
    out = ready.photos.table["age"].isin(years).to_numpy()
    assert out.any()
    validated: set[int] = set()
    for number in ready.folds:
        training, validation = rows_of(ready, number)
        np.testing.assert_array_equal(
            training, np.flatnonzero((ready.photos.table["fold"] != number) & ~out)
        )
        validated |= set(validation.tolist())
    assert validated == set(range(len(out)))


def test_ages_left_out_of_further_data_do_not_train_either(
    prepare: Prepare, strangers: Path
) -> None:
    ages = sorted(set(layouts.read(strangers).table["age"]))[:2]
    ready = prepare(
        f"data=[{{path: {strangers}}}]", f"labels.leave_out_ages={[int(a) for a in ages]}"
    )
    out = ready.table["age"].isin(ages).to_numpy()
    assert out[len(ready.photos.table) :].any()
    for number in ready.folds:
        assert not out[ready.fold_data(number).train].any()
    kept_out = ready.extra()["not_in"].map(len) == len(ready.folds)
    np.testing.assert_array_equal(kept_out, out[len(ready.photos.table) :])


def test_the_truth_is_fixed(
    prepare: Prepare, people: Path, strangers: Path, tmp_path: Path
) -> None:
    alone = prepare()
    first = folders(people)[0].name
    ready = prepare(
        "labels.old_from=40",
        "labels.leave_out_ages=[30]",
        f"data=[{{path: {strangers}}}]",
        fix(tmp_path / "fixes.csv", f"{first},age,77,likely,", f"{first},mask1,incorrect,sure,"),
    )
    pd.testing.assert_frame_equal(ready.photos.table, alone.photos.table)
    assert ready.labels.truth == alone.labels.truth == "bands 30/60, labels as read"
    person_rows = ready.table[ready.table["person"] == first]
    assert person_rows["age"].eq(77).all()
    assert person_rows["age_band"].eq(2).all()
    worn = person_rows["photo"].map(lambda photo: Path(photo).stem)
    assert person_rows["mask"][worn == "mask1"].tolist() == [1]
    assert person_rows["mask"][worn == "mask2"].tolist() == [0]
    count = len(ready.photos.table)
    old = ready.photos.table["age"].ge(40).to_numpy() | (ready.photos.table["person"] == first)
    np.testing.assert_array_equal(ready.table["age_band"][:count] == 2, old)
    assert ready.labels.changed == 7


def test_a_corrected_truth_is_that_of_its_tier(
    prepare: Prepare, people: Path, tmp_path: Path
) -> None:
    first, second = (folder.name for folder in folders(people)[:2])
    rows = (f"{first},age,77,sure,", f"{second},age,77,likely,", "nobody,age,7,sure,")
    ready = prepare(fix(tmp_path / "fixes.csv", *rows), "labels.truth=sure")
    age = ready.photos.table.groupby("person")["age"].first()
    assert (age[first], age[second] == 77) == (77, False)
    assert ready.table.groupby("person")["age"].first()[[first, second]].tolist() == [77, 77]
    assert ready.labels.truth.startswith("bands 30/60, labels corrected by fixes.csv up to sure (")
    assert "1 × correction of nobody here (first: nobody)" in ready.warnings


@pytest.mark.slow
def test_what_is_trained_on_makes_another_run(
    prepare: Prepare, people: Path, tmp_path: Path
) -> None:
    more, path = copies(people, tmp_path / "more"), tmp_path / "fixes.csv"
    first, override = folders(people)[0].name, f"data=[{{path: {more}}}]"

    digests = [prepare().digest]
    for rows in ([], [f"{first},age,77,sure,"], [f"{first},age,77,sure,a reason"]):
        digests.append(prepare(fix(path, *rows)).digest)
    digests.append(prepare("labels.leave_out_ages=[60,61,62,63,64,65,66]").digest)
    digests.append(prepare("labels.old_from=40").digest)
    digests.append(prepare(override).digest)
    noise(more / "0-more.png", 1234)
    digests.append(prepare(override).digest)
    table = pd.read_csv(more / "photos.csv").assign(mask="not_wear")
    table.to_csv(more / "photos.csv", index=False)
    digests.append(prepare(override).digest)
    assert len(set(digests)) == len(digests)
    assert prepare(override).digest == digests[-1]


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["labels.leave_out_ages=[30, 31, 32, 33, 60]", "labels.old_from=45"],
        ["data=[{path: MORE}, {path: STRANGERS, weight: 2}]", "folds.kind=holdout", "FIXES"],
        ["pseudo.photos=PHOTOS", "pseudo.run=RUN", "data=[{path: STRANGERS}]"],
    ],
    ids=["plain", "ages", "extra", "unlabelled"],
)
def test_the_digest_is_the_one_that_runs_of_earlier_versions_have(
    changes: list[str], prepare: Prepare, people: Path, strangers: Path, trained: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Else an unfinished run could not be resumed: the formula of version 0.1, from the photos."""
    names = {
        "MORE": str(copies(people, tmp_path / "more")),
        "STRANGERS": str(strangers),
        "PHOTOS": str(people / "eval"),
        "RUN": str(trained),
        "FIXES": fix(tmp_path / "fixes.csv", f"{folders(people)[0].name},age,77,sure,"),
    }
    for name, value in names.items():
        changes = [change.replace(name, value) for change in changes]
    ready = prepare(*changes)
    columns = ["photo", "person", "mask", "gender", "age", "age_band", "label"]
    texts = [
        ready.photos.table[columns].to_csv(index=False),
        ready.table[[*columns, "data", "weight"]].to_csv(index=False),
    ]
    described = [*texts, ready.store.digests, ready.labels.truth, ready.labels.sha256]
    years = [30, 31, 32, 33, 60] if "leave_out_ages" in str(changes) else []
    unlabelled = len(layouts.read_eval(people / "eval")[1]) if "pseudo" in str(changes) else 0
    left_out = [math.floor(age) in years for age in ready.table["age"].fillna(-1)]
    left_out[len(left_out) - unlabelled :] = [True] * unlabelled
    fold = np.array(ready.photos.table["fold"], dtype=np.int64)
    digest = hashlib.sha256(json.dumps(described).encode())
    digest.update(fold.tobytes() + np.array(left_out, dtype=np.bool_).tobytes())
    assert ready.digest == digest.hexdigest()


# --------------------------------------------------------------------------- who is who


def labelled(folder: Path, header: str, *rows: str) -> Path:
    """A table of photos 0.png, 1.png …, which are noise, and what the `rows` tell of each."""
    folder.mkdir()
    for number in range(len(rows)):
        noise(folder / f"{number}.png", 1000 + number)
    lines = [header, *(f"{number}.png,{row}" for number, row in enumerate(rows))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_photos_without_people_are_the_first_warning(prepare: Prepare, tmp_path: Path) -> None:
    rows = [f"wear,n{number // 2}" for number in range(8)]
    ready = prepare(data=labelled(tmp_path / "data", "photo,mask,name", *rows))
    assert ready.warnings == [
        "1 × people are not kept together: each photo counts as its own person (first: all photos)",
        "2 × label that no column has (first: gender)",
        "1 × column that repeats like people but is not read (first: name)",
    ]
    more = f"data=[{{path: {tmp_path / 'data'}}}]"
    assert not any("kept together" in warning for warning in prepare(more).warnings)


def test_a_near_name_keeps_people_in_one_fold(prepare: Prepare, tmp_path: Path) -> None:
    rows = [f"wear,{'Kim' if number % 2 else 'kim'}{number // 4}" for number in range(16)]
    ready = prepare(data=labelled(tmp_path / "data", "photo,mask,person_id", *rows))
    people = ready.photos.table["person"]
    assert people.nunique() == 8
    assert (pd.Series(ready.photos.table["fold"]).groupby(people).nunique() == 1).all()
    assert ready.warnings == [
        "1 × column under another name (first: person_id)",
        "4 × similar names (first: kim0)",
    ]


def test_people_who_contradict_themselves_are_counted(prepare: Prepare, tmp_path: Path) -> None:
    rows = ["male,20,a", "female,20,a", "male,20,b", "male,50,b", "male,20,c", "male,28,c"]
    ready = prepare(data=labelled(tmp_path / "data", "photo,gender,age,person", *rows))
    assert ready.warnings == [
        "1 × person of two genders (first: a)",
        "1 × person of distant ages (first: b)",
    ]


def test_photos_without_labels_must_have_names_in_utf8(
    prepare: Prepare, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "bare").mkdir()
    odd = tmp_path / "bare" / os.fsdecode("김.png".encode("cp949"))
    try:
        odd.touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    with pytest.raises(MaskgateError) as caught:
        prepare(f"pseudo={{run: {trained}, photos: {tmp_path / 'bare'}}}")
    assert r"\xb1\xe8.png (its name on disk is not UTF-8, in CP949 it reads 김.png; rename it)" in (
        str(caught.value)
    )


# ------------------------------------------------------------------------------- faults


def test_faults_of_further_data_name_it(prepare: Prepare, people: Path, tmp_path: Path) -> None:
    more = copies(people, tmp_path / "more")
    (more / "0.jpg").write_bytes(b"no photo")
    override = f"data=[{{path: {more}}}]"
    with pytest.raises(MaskgateError, match=rf"^{more}: 1 of its entries .*0\.jpg"):
        prepare(override)
    ready = prepare(override, skip_faulty=True)
    assert f"1 × unreadable photo (first: 0.jpg) in {more}" in ready.warnings
    assert len(ready.store) == len(ready.table)
    (more / "photos.csv").write_text("photo,mask\n1.jpg,perhaps\n")
    with pytest.raises(MaskgateError, match=rf"^{more}: 1 of its entries .*'perhaps'"):
        prepare(override)
    with pytest.raises(MaskgateError, match=rf"^{more}: no photo that can be used"):
        prepare(override, skip_faulty=True)


def test_data_that_are_missing_or_named_twice_are_refused(
    prepare: Prepare, people: Path, strangers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MaskgateError, match="none: no such file or folder, but the recipe's data"):
        prepare("data=[{path: none}]")
    with pytest.raises(MaskgateError, match="is trained on already"):
        prepare(f"data=[{{path: {people}}}]")
    monkeypatch.chdir(strangers.parent)
    with pytest.raises(MaskgateError, match="is trained on already"):
        prepare(f"data=[{{path: {strangers}}}, {{path: {strangers.name}}}]")
    assert prepare(f"data=[{{path: {strangers.name}}}]").table["data"].iloc[-1] == strangers.name


def test_faulty_corrections_are_told_before_a_photo_is_read(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layouts, "read", lambda _: pytest.fail("photos are read"))
    with pytest.raises(MaskgateError, match="unknown field"):
        prepare(fix(tmp_path / "fixes.csv", "a,colour,red,sure,"))
    with pytest.raises(MaskgateError, match="no such file of corrections"):
        prepare("labels.corrections=gone.csv")
