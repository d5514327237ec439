"""Checks a data set: all its problems in one pass, and the numbers for its page."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.config.recipe import Photo
from maskgate.core import files
from maskgate.core.progress import track
from maskgate.data import checks, layouts, names, people, seven_photos
from maskgate.data.checks import NOT_UTF8, Problem
from maskgate.data.folds import NearDuplicates
from maskgate.data.label_map import NO_MAP, LabelMap
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed, printable
from maskgate.faces.view import View
from maskgate.imaging import photo_files, pixels
from maskgate.imaging.pixels import Pixels
from maskgate.pipeline import cache
from maskgate.pipeline.cache import PhotoStore
from maskgate.pipeline.near_duplicates import near_duplicates_of

BLANK: Final = 6.0  # a photo with a lower standard deviation of grey values (0–255) is blank
_APPLE_DOUBLE: Final = b"\x00\x05\x16\x07"  # first bytes of macOS's metadata files on other disks
_LABELS: Final = ("mask", "gender", "age_band")
_SAME_GREY: Final = 16  # grey levels; encoding a photo again changes its thumbnail by less
# Share of a thumbnail's pixels. Among 1,356 people, a photo with another mask drawn on it differs
# in 0.17 and more.
_MAX_CHANGED: Final = 0.01


@dataclass(frozen=True)
class Inspection:
    """A checked data set.

    `photos` are the usable photos, `store` their pictures, `files` (format, width, height; one row
    per photo) how they are stored, `grey` (N, 2) the mean and standard deviation of each photo's
    brightness (0–255). `problems` lists all problems, fatal ones first. `tests` is the number of
    test photos, None if the data has none.
    """

    data: Path
    photos: Photos
    store: PhotoStore
    files: pd.DataFrame
    grey: "np.ndarray"
    near_duplicates: NearDuplicates
    problems: list[Problem]
    tests: int | None


def inspect(data: Path, folder: Path, label_map: LabelMap = NO_MAP) -> Inspection:
    """Read and check everything in `data`; decoded photos are kept in the cache `folder`.

    Raises MaskgateError only if `data` is not a data set.
    """
    photos = layouts.read(data, label_map, folder)
    store, broken = cache.build(photos, View(Photo().geometry), folder)
    photos = photos.without(broken)
    near_duplicates = near_duplicates_of(photos, store, folder)
    thumbnails = (store.thumbnails[slot] for slot in store.slots)
    grey = np.array([(one.mean(), one.std()) for one in thumbnails]).reshape(-1, 2)
    tests, test_problems = _tests(data)
    problems = [
        *people.people_unknown(photos),
        *photos.problems,
        *people.doubtful_people(photos),
        *_unlabelled(photos),
        *_unlisted(photos),
        *_shared_ids(photos.table),
        *_blank(photos.table, grey),
        *_identical(photos.table, store.digests),
        *_same_people(photos.table, store.digests),
        *_near_duplicates(photos.table, near_duplicates, store),
        *test_problems,
    ]
    problems.sort(key=lambda problem: not problem.fatal)
    return Inspection(
        data=data,
        photos=photos,
        store=store,
        files=_headers(photos),
        grey=grey,
        near_duplicates=near_duplicates,
        problems=problems,
        tests=tests,
    )


def _headers(photos: Photos) -> pd.DataFrame:
    paths = [photos.root / name for name in photos.table["photo"]]
    headers = track(map(pixels.header, paths), "measuring photos", len(paths))
    return pd.DataFrame(headers, columns=["format", "width", "height"])


def _unlabelled(photos: Photos) -> Iterator[Problem]:
    """Unreadable ones among the photos that are not in the table because they have no label."""
    misnamed = {each.where for each in photos.problems if each.kind == NOT_UTF8}
    rest = [name for name in photos.unlabelled if name not in misnamed]
    for name, reason in _unreadable(photos.root, rest, "checking unlabelled photos"):
        yield checks.unreadable(name, reason)


def _unreadable(root: Path, names: list[str], title: str) -> Iterator[tuple[str, str]]:
    """The photos below `root` that cannot be decoded, each with the reason."""

    def reason_of(name: str) -> str | None:
        try:
            pixels.decode(root / name)
        except pixels.PhotoError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as pool:
        for name, reason in zip(
            names, track(pool.map(reason_of, names), title, len(names)), strict=True
        ):
            if reason is not None:
                yield name, reason


def _unlisted(photos: Photos) -> Iterator[Problem]:
    """Files that look like photos, lie in a folder of the table's photos, and are not in it."""
    root = photos.root.resolve()
    reported = (problem.where for problem in photos.problems)
    known = {root / name for name in (*photos.table["photo"], *photos.unlabelled, *reported)}
    listed_already = {printable(str(path)) for path in known}  # problems are printable
    for folder in sorted({path.parent for path in known}):
        try:
            paths = sorted(folder.iterdir())
        except OSError:  # already reported, by its row or its photos
            continue
        for path in paths:
            if not _looks_like_photo(path):
                continue
            if {printable(str(path)), str(_as_in_table(path))} & listed_already:
                continue
            where = os.path.relpath(path, root)
            if path.name.startswith("."):
                yield Problem("hidden file", where, _kind_of_hidden(path))
            else:
                yield Problem("photo without row", where, "in no row of the table")


def _as_in_table(path: Path) -> Path:
    """The path with its name as in a table, if the name on disk is not UTF-8."""
    name = None if files.is_utf8(path.name) else files.in_cp949(path.name)
    return path if name is None else path.with_name(names.normalise(name))


def _looks_like_photo(path: Path) -> bool:
    """Whether it is a photo, or a hidden file that other programs might read as one."""
    return photo_files.has_photo_suffix(path.name) and path.is_file()


def _kind_of_hidden(path: Path) -> str:
    with path.open("rb") as file:
        is_apple_double = file.read(len(_APPLE_DOUBLE)) == _APPLE_DOUBLE
    if is_apple_double:
        return "an AppleDouble file of macOS, not a photo"
    return "its name begins with a dot"


def _shared_ids(table: pd.DataFrame) -> Iterator[Problem]:
    for number, folders in seven_photos.shared_ids(table["person"].unique()).items():
        yield Problem("id of several people", number, f"folders {listed(folders)}")


def _blank(table: pd.DataFrame, grey: "np.ndarray") -> Iterator[Problem]:
    for row in np.flatnonzero(grey[:, 1] < BLANK):
        brightness, contrast = grey[row]
        detail = f"mean brightness {brightness:.0f} of 255, standard deviation {contrast:.1f}"
        yield Problem("blank photo", table["photo"].iloc[row], detail)


def _identical(table: pd.DataFrame, digests: list[str]) -> Iterator[Problem]:
    for rows in _groups(pd.Series(digests)):
        first, *others = table["photo"].iloc[rows]
        yield Problem("identical photos", first, f"the same bytes as {listed(others)}")
        yield from _clashes(table, rows, first)


def _same_people(table: pd.DataFrame, digests: list[str]) -> Iterator[Problem]:
    """People who share several files: one problem per group of people. A single shared file is
    reported by `_identical`."""
    person = table["person"].to_numpy()
    shared: dict[tuple[str, ...], list[dict[str, int]]] = {}
    for rows in _groups(pd.Series(digests)):
        row_of = dict(sorted((person[row], int(row)) for row in rows))
        if len(row_of) > 1:
            shared.setdefault(tuple(row_of), []).append(row_of)
    for persons, copies in shared.items():
        if len(copies) > 1:
            rows = np.array(list(copies[0].values()))
            a, b = table["photo"].iloc[rows[:2]]
            detail = f"{len(copies)} photos also at {listed([*persons[1:]])}, such as {a} = {b}"
            yield Problem("near-duplicate people", persons[0], detail)
            yield from _clashes(table, rows, " = ".join(persons[:5]))


def _near_duplicates(
    table: pd.DataFrame, near_duplicates: NearDuplicates, store: PhotoStore
) -> Iterator[Problem]:
    """People who share a near-duplicate, one problem per pair of people; not identical files."""
    digest, person = np.array(store.digests, dtype="str"), table["person"].to_numpy()
    rows = near_duplicates.rows[
        digest[near_duplicates.rows[:, 0]] != digest[near_duplicates.rows[:, 1]]
    ]
    # The smaller name first, so that all pairs of two people are in one group.
    rows = np.where((person[rows[:, :1]] <= person[rows[:, 1:]]), rows, rows[:, ::-1])
    pairs = pd.DataFrame(rows, columns=["a", "b"])
    for (a, b), shared in pairs.groupby([person[rows[:, 0]], person[rows[:, 1]]]):
        count, first = shared["a"].nunique(), table["photo"].iloc[shared.iloc[0]].tolist()
        photos = "1 photo" if count == 1 else f"{count:,} photos"
        yield Problem(
            "near-duplicate people", str(a), f"{photos} also at {b}, such as {' = '.join(first)}"
        )
        yield from _clashes_of_people(table, shared.to_numpy(), store, f"{a} = {b}")


def _clashes_of_people(
    table: pd.DataFrame, pairs: "np.ndarray", store: PhotoStore, people: str
) -> Iterator[Problem]:
    """A problem for each label in which two people's near-duplicates, pairs (P, 2) of rows, differ.

    Gender and age band belong to the person. Different masks may be drawn on the same photo, so
    the mask is compared only if the photos are almost identical.
    """
    for name in ("gender", "age_band"):
        yield from _clashes(table, _differing(table, name, pairs)[:1].ravel(), people, (name,))
    worn = _differing(table, "mask", pairs)
    same = worn[_almost_same(store.thumbnails_of(worn[:, 0]), store.thumbnails_of(worn[:, 1]))]
    for pair in same[:1]:
        yield from _clashes(table, pair, " = ".join(table["photo"].iloc[pair]), ("mask",))


def _differing(table: pd.DataFrame, name: str, pairs: "np.ndarray") -> "np.ndarray":
    """The pairs (P, 2) of rows whose labels of that name are known and differ."""
    codes = table[name].to_numpy()[pairs]
    return pairs[(codes != labels.UNKNOWN).all(1) & (codes[:, 0] != codes[:, 1])]


def _almost_same(first: Pixels, second: Pixels) -> "np.ndarray":
    """Which thumbnails (n, 64, 48) differ only by their encoding, (n,)."""
    differs = np.abs(first.astype(np.int16) - second) > _SAME_GREY
    return differs.mean(axis=(1, 2)) < _MAX_CHANGED


def _clashes(
    table: pd.DataFrame, rows: "np.ndarray", where: str, names: Sequence[str] = _LABELS
) -> Iterator[Problem]:
    """A problem if known labels of near-duplicates differ."""
    for name in names:
        codes = table[name].iloc[rows]
        known = codes[codes != labels.UNKNOWN]
        if known.nunique() > 1:
            words = [labels.ATTRIBUTES[name][code] for code in known.unique()]
            detail = f"{name.replace('_', ' ')} is {' and '.join(words)}"
            yield Problem("labels of one shot differ", where, detail)


def _groups(keys: pd.Series) -> Iterator["np.ndarray"]:
    """The positions of each key that occurs more than once."""
    repeated = keys[keys.duplicated(keep=False)]
    groups = repeated.groupby(repeated, sort=False).groups
    yield from (group.to_numpy() for group in groups.values())


def _tests(data: Path) -> tuple[int | None, list[Problem]]:
    """The number of test photos, and their problems."""
    csv = photo_files.test_table(data)
    if csv is None:
        return None, []
    try:
        images, rows = layouts.read_eval(data)
    except MaskgateError as error:
        return None, [Problem("unreadable test table", csv.name, str(error))]
    listed_names = rows["photo"].tolist()
    names_on_disk = {path.name for path in images.iterdir() if _looks_like_photo(path)}
    problems = [
        Problem("missing test photo", name, f"no such file in {images.name}")
        for name in listed_names
        if name not in names_on_disk
    ]
    hidden = {name for name in names_on_disk if name.startswith(".")}
    problems += [
        Problem("hidden file", name, f"in {images.name} of the test photos")
        for name in sorted(hidden)
    ]
    problems += [
        Problem("extra test photo", name, f"not in {csv.name}")
        for name in sorted(names_on_disk - hidden - set(listed_names))
    ]
    present = [name for name in listed_names if name in names_on_disk]
    for name, reason in _unreadable(images, present, "checking test photos"):
        problems.append(Problem("unreadable test photo", name, reason))
    return len(listed_names), problems
