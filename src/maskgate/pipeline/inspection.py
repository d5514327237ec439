"""Looks a data set over: everything wrong with it in one pass, and what its page shows."""

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
from maskgate.data import layouts, names, people, seven_photos
from maskgate.data.checks import NOT_UTF8, Problem
from maskgate.data.folds import Twins
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed, printable
from maskgate.faces.view import View
from maskgate.imaging import photo_files, pixels
from maskgate.imaging.pixels import Pixels
from maskgate.pipeline import cache
from maskgate.pipeline.cache import PhotoStore
from maskgate.pipeline.twins import twins_of

BLANK: Final = 6.0  # standard deviation of the grey values (0–255) of a photo that shows nothing
_APPLE_DOUBLE: Final = b"\x00\x05\x16\x07"  # what macOS puts beside a file on foreign disks
_LABELS: Final = ("mask", "gender", "age_band")
_CODING: Final = 16  # grey levels of a thumbnail; coding a photo again changes it by less
# Share of a thumbnail. Of 1,356 people, shots with another mask drawn differ in .17 and more.
_MAY_DIFFER: Final = 0.01


@dataclass(frozen=True)
class Inspection:
    """A data set looked over.

    `photos` are those that can be read and trusted, `store` their pictures, `files` (format,
    width, height; a row each) how they are stored, `grey` (N, 2) mean and standard deviation
    of each one's brightness (0–255). `problems` hold all faults, the fatal ones first.
    `tests` is the number of test photos, None where the data has none.
    """

    data: Path
    photos: Photos
    store: PhotoStore
    files: pd.DataFrame
    grey: "np.ndarray"
    twins: Twins
    problems: list[Problem]
    tests: int | None


def inspect(data: Path, folder: Path) -> Inspection:
    """Read and check everything in `data`; decoded photos are kept in the cache `folder`.

    Raises MaskgateError only where `data` is no data set.
    """
    photos = layouts.read(data)
    store, broken = cache.build(photos, View(Photo().geometry), folder)
    photos = photos.without(broken)
    twins = twins_of(photos, store, folder)
    thumbnails = (store.thumbnails[slot] for slot in store.slots)
    grey = np.array([(one.mean(), one.std()) for one in thumbnails]).reshape(-1, 2)
    tests, test_problems = _tests(data)
    problems = [
        *people.apart(photos),
        *photos.problems,
        *people.doubtful(photos),
        *_unlabelled(photos),
        *_unlisted(photos),
        *_shared_ids(photos.table),
        *_blank(photos.table, grey),
        *_identical(photos.table, store.digests),
        *_same_people(photos.table, store.digests),
        *_alike(photos.table, twins, store),
        *test_problems,
    ]
    problems.sort(key=lambda problem: not problem.fatal)
    return Inspection(
        data=data,
        photos=photos,
        store=store,
        files=_headers(photos),
        grey=grey,
        twins=twins,
        problems=problems,
        tests=tests,
    )


def _headers(photos: Photos) -> pd.DataFrame:
    paths = [photos.root / name for name in photos.table["photo"]]
    shown = track(map(pixels.header, paths), "measuring photos", len(paths))
    return pd.DataFrame(shown, columns=["format", "width", "height"])


def _unlabelled(photos: Photos) -> Iterator[Problem]:
    """Photos without a trustworthy label are in no table, but may be damaged as well."""
    misnamed = {each.where for each in photos.problems if each.kind == NOT_UTF8}
    rest = [name for name in photos.unlabelled if name not in misnamed]
    for name, why in _unreadable(photos.root, rest, "checking unlabelled photos"):
        yield Problem("unreadable photo", name, why, fatal=True)


def _unreadable(root: Path, names: list[str], what: str) -> Iterator[tuple[str, str]]:
    """The photos below `root` that cannot be decoded, and why."""

    def fault(name: str) -> str | None:
        try:
            pixels.decode(root / name)
        except pixels.PhotoError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as pool:
        for name, why in zip(names, track(pool.map(fault, names), what, len(names)), strict=True):
            if why is not None:
                yield name, why


def _unlisted(photos: Photos) -> Iterator[Problem]:
    """Files that look like photos, in the folders of photos of the table, but are not in it."""
    root = photos.root.resolve()
    told = (problem.where for problem in photos.problems)
    known = {root / name for name in (*photos.table["photo"], *photos.unlabelled, *told)}
    listed_already = {printable(str(path)) for path in known}  # problems are printable
    for folder in sorted({path.parent for path in known}):
        try:
            there = sorted(folder.iterdir())
        except OSError:  # told of already, by its row or its photos
            continue
        for path in there:
            if not _looks_like_photo(path):
                continue
            if {printable(str(path)), str(_as_a_table_has_it(path))} & listed_already:
                continue
            where = os.path.relpath(path, root)
            if path.name.startswith("."):
                yield Problem("hidden file", where, _kind_of_hidden(path))
            else:
                yield Problem("photo without row", where, "in no row of the table")


def _as_a_table_has_it(path: Path) -> Path:
    """The path with the name that a table has for a file whose name on disk is not UTF-8."""
    read = None if files.is_utf8(path.name) else files.in_cp949(path.name)
    return path if read is None else path.with_name(names.normalise(read))


def _looks_like_photo(path: Path) -> bool:
    """Whether it is a photo, or a hidden file that other programs might take for one."""
    return photo_files.has_photo_suffix(path.name) and path.is_file()


def _kind_of_hidden(path: Path) -> str:
    with path.open("rb") as file:
        double = file.read(len(_APPLE_DOUBLE)) == _APPLE_DOUBLE
    return "no picture but an AppleDouble file of macOS" if double else "its name begins with a dot"


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
    """People who share several files, one problem for all who share the same; one file that they
    share has a line of its own, as identical photos."""
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


def _alike(table: pd.DataFrame, twins: Twins, store: PhotoStore) -> Iterator[Problem]:
    """People who share a shot, one problem a pair of people; not those who share its very file."""
    digest, person = np.array(store.digests, dtype="str"), table["person"].to_numpy()
    rows = twins.rows[digest[twins.rows[:, 0]] != digest[twins.rows[:, 1]]]
    # Whichever row comes first in the table, all photos of two people are in one group.
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
    """A problem for each label in which two people's pairs (P, 2) of rows of one shot differ.

    Gender and age band are the person's. Different masks may be drawn on one shot, so that mask is
    compared only where the photos hardly differ.
    """
    for name in ("gender", "age_band"):
        yield from _clashes(table, _differing(table, name, pairs)[:1].ravel(), people, (name,))
    worn = _differing(table, "mask", pairs)
    same = worn[_hardly_differ(store.thumbnails_of(worn[:, 0]), store.thumbnails_of(worn[:, 1]))]
    for pair in same[:1]:
        yield from _clashes(table, pair, " = ".join(table["photo"].iloc[pair]), ("mask",))


def _differing(table: pd.DataFrame, name: str, pairs: "np.ndarray") -> "np.ndarray":
    """Those of the pairs (P, 2) of rows whose labels of that name are known and differ."""
    codes = table[name].to_numpy()[pairs]
    return pairs[(codes != labels.UNKNOWN).all(1) & (codes[:, 0] != codes[:, 1])]


def _hardly_differ(first: Pixels, second: Pixels) -> "np.ndarray":
    """Which of the thumbnails (n, 64, 48) are the same but for how they are coded."""
    far = np.abs(first.astype(np.int16) - second) > _CODING
    return far.mean(axis=(1, 2)) < _MAY_DIFFER


def _clashes(
    table: pd.DataFrame, rows: "np.ndarray", where: str, names: Sequence[str] = _LABELS
) -> Iterator[Problem]:
    """A problem where known labels of photos of one shot differ."""
    for name in names:
        codes = table[name].iloc[rows]
        known = codes[codes != labels.UNKNOWN]
        if known.nunique() > 1:
            words = [labels.ATTRIBUTES[name][code] for code in known.unique()]
            told = f"{name.replace('_', ' ')} is {' and '.join(words)}"
            yield Problem("labels of one shot differ", where, told)


def _groups(keys: pd.Series) -> Iterator["np.ndarray"]:
    """Positions of each key that occurs more than once."""
    again = keys[keys.duplicated(keep=False)]
    yield from (group.to_numpy() for group in again.groupby(again, sort=False).groups.values())


def _tests(data: Path) -> tuple[int | None, list[Problem]]:
    """How many test photos there are, and what is wrong with them, each looked at by itself."""
    csv = photo_files.test_table(data)
    if csv is None:
        return None, []
    try:
        images, rows = layouts.read_eval(data)
    except MaskgateError as error:
        return None, [Problem("unreadable test table", csv.name, str(error))]
    named = rows["photo"].tolist()
    there = {path.name for path in images.iterdir() if _looks_like_photo(path)}
    problems = [
        Problem("missing test photo", name, f"no such file in {images.name}")
        for name in named
        if name not in there
    ]
    hidden = {name for name in there if name.startswith(".")}
    problems += [
        Problem("hidden file", name, f"in {images.name} of the test photos")
        for name in sorted(hidden)
    ]
    problems += [
        Problem("extra test photo", name, f"not in {csv.name}")
        for name in sorted(there - hidden - set(named))
    ]
    found = [name for name in named if name in there]
    for name, why in _unreadable(images, found, "checking test photos"):
        problems.append(Problem("unreadable test photo", name, why))
    return len(named), problems
