"""Splits: people stay whole, strata are even, sizes are exact, fold files are checked."""

import csv
import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from maskgate.data import folds, layouts, near_duplicates
from maskgate.data import table as photo_table
from maskgate.data.column_values import NEVER
from maskgate.data.near_duplicates import Pairs, Thumbnails
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels

Kind = Literal["holdout", "kfold", "all"]
Ints = npt.NDArray[np.int64]
SEEDS = range(20)


def make_photos(people: int, photos: int = 7, seed: int = 0) -> Photos:
    """`people` of uneven gender and age, with `photos` each that show all masks."""
    random = np.random.default_rng(seed)
    gender = random.choice(2, people, p=[0.4, 0.6])
    age = random.choice([20, 40, 65], people, p=[0.5, 0.4, 0.1])
    person = np.repeat(np.arange(people), photos)
    names = [f"{number:03}" for number in person]
    files = [f"{name}/{row % photos}.jpg" for row, name in enumerate(names)]
    mask = np.arange(len(person)) % photos % 3
    return Photos(
        Path("data"),
        photo_table.build(files, names, mask, gender[person], age[person].astype(float)),
    )


def alone(photos: Photos) -> Ints:
    """Clusters in which everybody is by himself."""
    return pd.factorize(photos.table["person"])[0].astype(np.int64)


def by_person(photos: Photos, fold: Ints) -> pd.DataFrame:
    return photos.table.assign(fold=fold).drop_duplicates("person")


def split(
    photos: Photos,
    cluster: Ints | None = None,
    kind: Kind = "kfold",
    count: int = 5,
    fraction: float = 0.2,
    seed: int = 7,
) -> Ints:
    cluster = alone(photos) if cluster is None else cluster
    return folds.split(photos, cluster, kind, count, fraction, seed)


@pytest.mark.parametrize("kind", ["kfold", "holdout"])
@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_in_two_folds(seed: int, kind: Kind) -> None:
    photos = make_photos(53, seed=seed)
    fold = split(photos, kind=kind, seed=seed)
    assert (photos.table.assign(fold=fold).groupby("person")["fold"].nunique() == 1).all()
    assert set(fold) == (set(range(5)) if kind == "kfold" else {0, NEVER})


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_folds_have_equal_shares_of_every_stratum_and_of_all(seed: int, count: int) -> None:
    photos = make_photos(47, seed=seed)
    people = by_person(photos, split(photos, count=count, seed=seed))
    sizes = people["fold"].value_counts().reindex(range(count), fill_value=0)
    assert sizes.max() - sizes.min() <= 1
    cells = people.groupby(["gender", "age_band", "fold"]).size().unstack("fold", fill_value=0)
    cells = cells.reindex(columns=range(count), fill_value=0)
    assert len(cells) > 3
    assert ((cells.max(axis=1) - cells.min(axis=1)) <= 1).all()


def test_clusters_of_equal_size_are_dealt_evenly_too() -> None:
    photos = make_photos(40)
    table = photos.table.sort_values(["gender", "age_band", "person"], kind="stable")
    photos = Photos(photos.root, table.reset_index(drop=True))
    cluster = alone(photos) // 2  # neighbours in a stratum are twins
    fold = split(photos, cluster)
    assert (pd.Series(fold).groupby(cluster).nunique() == 1).all()
    first = photos.table.assign(fold=fold).groupby(cluster).first()
    cells = first.groupby(["gender", "age_band", "fold"]).size().unstack(fill_value=0)
    assert ((cells.max(axis=1) - cells.min(axis=1)) <= 1).all()


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.4])
@pytest.mark.parametrize("people", [10, 30, 101, 200])
def test_a_holdout_is_as_large_as_asked_for(people: int, fraction: float) -> None:
    photos = make_photos(people)
    for seed in SEEDS:
        held = by_person(photos, split(photos, kind="holdout", fraction=fraction, seed=seed))
        assert abs((held["fold"] == 0).sum() - fraction * people) <= 1
        share = held.assign(held=held["fold"] == 0).groupby(["gender", "age_band"])["held"]
        assert ((share.sum() - fraction * share.size()).abs() <= 1).all()


@pytest.mark.parametrize(("people", "fraction"), [(2, 0.2), (3, 0.1), (4, 0.2), (3, 0.9)])
def test_a_holdout_leaves_somebody_on_both_sides(people: int, fraction: float) -> None:
    photos = make_photos(people)
    for seed in SEEDS:
        fold = split(photos, kind="holdout", fraction=fraction, seed=seed)
        assert set(fold) == {0, NEVER}, f"seed {seed}"


@pytest.mark.parametrize("kind", ["kfold", "holdout"])
def test_a_split_is_a_function_of_its_seed(kind: Kind) -> None:
    photos = make_photos(40)
    splits = [split(photos, kind=kind, seed=seed).tolist() for seed in SEEDS]
    assert splits == [split(photos, kind=kind, seed=seed).tolist() for seed in SEEDS]
    assert len({tuple(each) for each in splits}) == len(SEEDS)


def test_everybody_has_a_turn_in_the_holdouts_of_many_seeds() -> None:
    photos = make_photos(40)
    held = sum(split(photos, kind="holdout", seed=seed) == 0 for seed in range(200))
    assert held.min() >= 15  # 40 expected
    assert held.max() <= 70


def test_all_means_nobody_is_validated_on() -> None:
    assert split(make_photos(3), kind="all").tolist() == [NEVER] * 21


def test_too_few_people_are_told() -> None:
    four, one = make_photos(4), make_photos(1)
    with pytest.raises(MaskgateError, match="4 people cannot be split in 5 folds"):
        split(four)
    assert set(split(four, count=4)) == {0, 1, 2, 3}
    with pytest.raises(MaskgateError, match="1 people"):
        split(one, kind="holdout")
    with pytest.raises(MaskgateError):  # ten people, but of four shots
        split(make_photos(10), alone(make_photos(10)) % 4)


def test_a_table_without_people_is_stratified_by_mask_too(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("photo", "mask", "gender", "age"))
        for row in range(120):
            mask = random.choice(["wear", "incorrect", "not_wear"], p=[0.6, 0.2, 0.2])
            writer.writerow((f"{row}.jpg", mask, random.choice(["male", "female"]), 20 + row % 50))
    photos = layouts.read(tmp_path)
    assert photos.table["person"].nunique() == 120
    for seed in SEEDS:
        people = photos.table.assign(fold=split(photos, seed=seed))
        cells = people.groupby(["gender", "age_band", "mask", "fold"]).size().unstack(fill_value=0)
        assert len(cells) >= 12
        assert ((cells.max(axis=1) - cells.min(axis=1)) <= 1).all()


def test_partial_labels_can_be_split() -> None:
    photos = make_photos(20)
    table = photos.table.assign(gender=np.int8(-1), age_band=np.int8(-1), label=np.int8(-1))
    sizes = by_person(photos, split(Photos(photos.root, table)))["fold"].value_counts()
    assert sizes.tolist() == [4] * 5


# ---------------------------------------------------------------------------- fold files


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Photos, Ints, Ints]:
    """A fold file of twelve people, the first two of them twins."""
    photos = make_photos(12)
    cluster = np.maximum(alone(photos) - 1, 0)
    fold = split(photos, cluster, count=3)
    path = tmp_path / "folds.csv"
    folds.write(path, photos, cluster, fold)
    return path, photos, cluster, fold


Written = tuple[Path, Photos, Ints, Ints]


def edited(path: Path, person: str, fold: int) -> None:
    rows = pd.read_csv(path, dtype={"person": "str"})
    rows.loc[rows["person"] == person, "fold"] = fold
    rows.to_csv(path, index=False)


def test_a_fold_file_given_back_is_the_same_split(written: Written) -> None:
    path, photos, cluster, fold = written
    assert path.read_text().splitlines()[0] == "person,fold,cluster"
    assert len(path.read_text().splitlines()) == 13
    np.testing.assert_array_equal(folds.read(path, photos, cluster), fold)
    shuffled = photos.take(np.random.default_rng(0).permutation(len(photos.table)))
    again = folds.read(path, shuffled, alone(shuffled))
    fold_of = dict(zip(photos.table["person"], fold, strict=True))
    assert again.tolist() == [fold_of[name] for name in shuffled.table["person"]]


@pytest.mark.parametrize("kind", ["holdout", "all"])
def test_people_never_validated_on_are_written_and_read(kind: Kind, tmp_path: Path) -> None:
    photos = make_photos(10)
    fold = split(photos, kind=kind)
    folds.write(tmp_path / "folds.csv", photos, alone(photos), fold)
    fold_in_file = folds.read(tmp_path / "folds.csv", photos, alone(photos))
    np.testing.assert_array_equal(fold_in_file, fold)


def test_odd_names_survive_the_file(tmp_path: Path) -> None:
    names = ["a,b", 'c"d', "007", "7", "é n", " x"]
    photos = Photos(
        tmp_path, photo_table.build([f"{n}.jpg" for n in names], names, [0] * 6, [0] * 6, [20] * 6)
    )
    fold = split(photos, count=2)
    folds.write(tmp_path / "folds.csv", photos, alone(photos), fold)
    fold_in_file = folds.read(tmp_path / "folds.csv", photos, alone(photos))
    np.testing.assert_array_equal(fold_in_file, fold)


ODD = ["None", "NA", "nan", "NULL", "1e5", "007", "7", "TRUE", "inf", "#N/A", "-1", "=1+1", "sep=;"]


def test_people_called_like_nothing_or_like_numbers_survive_the_file(tmp_path: Path) -> None:
    rows = "".join(f"{number}.jpg,{name},20\n" for number, name in enumerate(ODD))
    (tmp_path / "labels.csv").write_text(f"photo,person,age\n{rows}")
    photos = layouts.read(tmp_path / "labels.csv")
    assert photos.table["person"].tolist() == ODD
    fold = split(photos, count=2)
    folds.write(tmp_path / "folds.csv", photos, alone(photos), fold)
    fold_in_file = folds.read(tmp_path / "folds.csv", photos, alone(photos))
    np.testing.assert_array_equal(fold_in_file, fold)


def test_folds_saved_as_fractions_are_whole_numbers(written: Written) -> None:
    path, photos, cluster, fold = written
    rows = pd.read_csv(path, dtype={"person": "str"})
    rows["fold"] = rows["fold"].astype("float64")  # as pandas has it while one is missing
    rows.to_csv(path, index=False)
    assert ".0" in path.read_text()
    np.testing.assert_array_equal(folds.read(path, photos, cluster), fold)
    rows["fold"] = [f"{number:.0f}.000" for number in rows["fold"]]
    rows.to_csv(path, index=False)
    np.testing.assert_array_equal(folds.read(path, photos, cluster), fold)
    never = np.full_like(fold, NEVER)
    rows.assign(fold="-1.0").to_csv(path, index=False)
    np.testing.assert_array_equal(folds.read(path, photos, cluster), never)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("000,0.5", "row 3: fold '0.5' is not a whole number"),
        ("000,first", "row 3: fold 'first' is not a whole number"),
        ("000,1e2", "row 3: fold '1e2' is not a whole number"),
        ("000,0.", "row 3: fold '0.' is not a whole number"),
        (f"000,{'9' * 40}", f"row 3: fold '{'9' * 40}' is too large"),
        (f"000,{'9' * 5000}", f"row 3: fold '{'9' * 60}…' is too large"),
        ("000,", "row 3 gives no fold"),
        (",0", "row 3 gives no person"),
    ],
)
def test_odd_rows_of_a_fold_file_are_refused_with_the_reason(
    row: str, reason: str, written: Written
) -> None:
    path, photos, cluster, _ = written
    path.write_text(f"person,fold\n001,0\n{row}\n")
    with pytest.raises(MaskgateError) as caught:
        folds.read(path, photos, cluster)
    assert str(caught.value) == (
        f"{path}: not a fold file with columns person,fold ({reason}); give a run's folds.csv"
    )


def test_people_are_found_in_any_spelling(tmp_path: Path) -> None:
    forms = [unicodedata.normalize(form, "김 철수") for form in ("NFC", "NFD")]
    table = photo_table.build(["1.jpg", "2.jpg"], [forms[0], "Lee"], [0] * 2, [0] * 2, [20] * 2)
    photos = Photos(tmp_path, table)
    path = tmp_path / "folds.csv"
    path.write_text(f"Fold;Person\n1; {forms[1]}\n0;Lee\n", encoding="utf-16")
    assert folds.read(path, photos, alone(photos)).tolist() == [1, 0]
    path.write_text(f"person,fold\n{forms[1]},1\nLee,0\n{forms[0]},0\n")
    with pytest.raises(MaskgateError, match="leaks, these people are in two folds"):
        folds.read(path, photos, alone(photos))


def test_more_people_than_needed_are_no_fault(written: Written) -> None:
    path, photos, cluster, fold = written
    few = np.flatnonzero(alone(photos) < 5)
    fold_in_file = folds.read(path, photos.take(few), cluster[few])
    np.testing.assert_array_equal(fold_in_file, fold[few])


def test_a_person_in_two_folds_is_a_leak(written: Written) -> None:
    path, photos, cluster, fold = written
    with path.open("a") as file:
        file.write(f"005,{(fold[5 * 7] + 1) % 3},5\n")
    with pytest.raises(MaskgateError, match="two folds: 005"):
        folds.read(path, photos, cluster)


def test_twins_in_two_folds_are_a_leak(written: Written) -> None:
    path, photos, cluster, fold = written
    edited(path, "001", (int(fold[0]) + 1) % 3)
    with pytest.raises(MaskgateError, match=r"leaks.*000, 001"):
        folds.read(path, photos, cluster)
    edited(path, "001", NEVER)  # trained on in every fold: as much of a leak
    with pytest.raises(MaskgateError, match=r"leaks.*000, 001"):
        folds.read(path, photos, cluster)


def test_missing_people_are_told(written: Written) -> None:
    path, photos, cluster, _ = written
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("003", "004"))]
    path.write_text("\n".join(lines))
    with pytest.raises(MaskgateError, match=r"2 people \(003, 004\)"):
        folds.read(path, photos, cluster)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello\nworld\n",
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)),
        b"person,cluster\n000,1\n",
        b"person,fold\n000,first\n",
        b"person,fold\n000,\n",
        b"person,fold\n000,0.5\n",
        b"person,fold\n000," + b"9" * 40 + b"\n",
        b"person,fold\n000," + b"9" * 5000 + b"\n",
        b"person,fold\n,0\n",
        b"person,fold\n000,0,1\n",
        b"person,fold\n000\n",
        b"person,fold,person\n000,0,1\n",
    ],
    ids=[
        "empty",
        "text",
        "binary",
        "no fold",
        "word",
        "missing",
        "fraction",
        "40 digits",
        "5,000 digits",
        "nobody",
        "long row",
        "short row",
        "twice",
    ],
)
def test_what_is_no_fold_file_is_refused(content: bytes, written: Written) -> None:
    path, photos, cluster, _ = written
    path.write_bytes(content)
    with pytest.raises(MaskgateError, match=r"folds\.csv: not a fold file"):
        folds.read(path, photos, cluster)
    with pytest.raises(MaskgateError, match="not a fold file"):
        folds.read(path.parent / "none.csv", photos, cluster)


def test_a_fold_file_without_a_row_is_of_other_data(written: Written) -> None:
    path, photos, cluster, _ = written
    path.write_text("person,fold,cluster\n")
    with pytest.raises(MaskgateError, match="gives no fold for 12 people"):
        folds.read(path, photos, cluster)


def test_fold_numbers_below_never_are_refused(written: Written) -> None:
    path, photos, cluster, _ = written
    edited(path, "005", -2)
    with pytest.raises(MaskgateError, match="folds"):
        folds.read(path, photos, cluster)


# ---------------------------------------------------------------------------- twins


def test_pairs_of_photos_join_their_people() -> None:
    photos = make_photos(6, photos=2)
    pairs = np.array([[1, 2], [3, 9], [0, 3]])  # people 0 and 1, 1 and 4, 0 and 1 again
    twins = folds.join_people(photos, pairs)
    people = pd.Series(photos.table["person"]).groupby(twins.cluster).unique()
    assert sorted(map(list, people)) == [["000", "001", "004"], ["002"], ["003"], ["005"]]
    assert twins.largest == 3
    assert twins.pairs[0] == ("000/1.jpg", "001/0.jpg")
    assert len(twins.pairs) == 3


@pytest.mark.parametrize("pairs", [np.empty((0, 2), dtype=np.int64), np.array([], dtype=np.int64)])
def test_without_pairs_everybody_is_alone(pairs: Ints) -> None:
    twins = folds.join_people(make_photos(4), pairs)
    assert len(np.unique(twins.cluster)) == 4
    assert (twins.pairs, twins.largest) == ([], 1)


def test_identical_files_are_looked_at_once_and_join_their_people(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """300 copies of one file under 300 names, and of another under 20 of them."""
    random = np.random.default_rng(0)
    looked: list[int] = []
    confirmed = near_duplicates.confirmed

    def counted(pairs: Pairs, thumbnails: Thumbnails) -> npt.NDArray[np.bool_]:
        looked.append(len(pairs))
        return confirmed(pairs, thumbnails)

    monkeypatch.setattr(near_duplicates, "confirmed", counted)
    for count in (75, 300):
        pictures = random.integers(0, 256, (count + 3, 64, 48), dtype=np.uint8)
        pictures[:count], pictures[count] = pictures[0], 0
        contents = ["same"] * count + ["black", "black", "other"]
        people = [f"p{n}" for n in range(count)] + ["p0", "q", "r"]
        table = pd.DataFrame({"photo": [f"{n}.jpg" for n in range(count + 3)], "person": people})
        row_counts: list[int] = []

        def thumbnails(
            rows: npt.NDArray[np.int64],
            pictures: Pixels = pictures,
            row_counts: list[int] = row_counts,
        ) -> Pixels:
            row_counts.append(len(rows))
            return pictures[rows]

        twins = folds.find_near_duplicates(Photos(Path(), table), thumbnails, contents=contents)
        assert row_counts[0] == 3  # photos hashed, of different content
        assert len(twins.pairs) == count - 1 + 1
        assert twins.largest == count + 1
        assert len(np.unique(twins.cluster)) == 2
        fold = folds.split(
            Photos(Path(), table.assign(gender=0, age_band=0, mask=0)), twins.cluster, "kfold", 2,
            0.2, 0,
        )  # fmt: skip
        assert len(set(fold[: count + 2])) == 1
    assert looked[0] == looked[1] <= 16  # not one more pair for four times as many copies
