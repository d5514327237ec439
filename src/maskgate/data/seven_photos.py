"""Reads the competition's layout: one folder per person, with seven photos in it."""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from maskgate.core import files
from maskgate.core.progress import track
from maskgate.data import columns, csv_files, label_words, names
from maskgate.data import table as photo_table
from maskgate.data.checks import NOT_UTF8, Problem
from maskgate.data.label_map import NO_MAP, LabelMap, offer
from maskgate.data.label_words import OLDEST
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.imaging.photo_files import is_photo

STEMS: Final = {**{f"mask{n}": "wear" for n in range(1, 6)}, "incorrect_mask": "incorrect"} | {
    "normal": "not_wear"
}
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


class _FolderName(NamedTuple):
    """The parts of the name of a person's folder, as text."""

    id: str
    gender: str
    age: str


def holds_people(images: Path) -> bool:
    """Whether `images` is a folder with a subfolder named `<id>_<gender>_<race>_<age>`."""
    return images.is_dir() and any(_parsed(path.name) for path in _subfolders(images))


def _parsed(folder: str) -> _FolderName | None:
    """The parts of `<id>_<gender>_<race>_<age>`; id and race may contain `_` if the gender is
    known."""
    *parts, age = folder.split("_")
    if len(parts) < 3 or not parts[0] or not _NUMBER.fullmatch(age):
        return None
    genders = [place for place in range(1, len(parts) - 1) if _code(parts[place]) is not None]
    place = len(parts) - 2  # a race without `_`
    if place not in genders and len(genders) == 1:
        (place,) = genders
    if place not in genders and not re.fullmatch("[a-z]+", parts[place]):
        return None
    return _FolderName("_".join(parts[:place]), parts[place], age)


def _code(gender: str) -> int | None:
    try:
        return label_words.gender(gender)
    except ValueError:
        return None


def _years(age: str) -> float | None:
    try:
        return label_words.years(age)
    except ValueError:
        return None


def _subfolders(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def read(images: Path, csv: Path | None, label_map: LabelMap = NO_MAP) -> Photos:
    """The people in `images`, labelled by `csv` or by their folders' names, with all problems.

    A folder is a person; folders whose names differ only in Unicode form or white space are one.
    The `label_map` is for the columns gender and age of the `csv`. Raises MaskgateError.
    """
    problems: list[Problem] = []
    folders = {path.name: path for path in sorted(_subfolders(images)) if _usable(path, problems)}
    if csv is None:
        _refuse_map(label_map, images)
        people = _people_of_names(folders)
    else:
        people = _people_of_table(csv, folders, problems, label_map)
    unlabelled_folders = sorted(set(folders) - set(people))
    for name in unlabelled_folders:
        reason = "no row in train.csv" if csv is not None else "no such name is read"
        problems.append(Problem("folder without labels", name, reason))
    photo, person, mask, gender, age, unlabelled = [], [], [], [], [], []
    contradictory = {problem.where for problem in problems if problem.fatal}
    for name in track(people, "reading folders", len(people)):
        files_of_person = _photos_of(folders[name], problems)
        codes = None
        if name not in contradictory:
            codes = _person_codes(name, *people[name], problems)
        for file, code in files_of_person:
            if codes is None:
                unlabelled.append(f"{name}/{file}")
                continue
            photo.append(f"{name}/{file}")
            person.append(names.normalise(name))
            mask.append(code)
            gender.append(codes[0])
            age.append(codes[1])
    for name in unlabelled_folders:
        unlabelled += [f"{name}/{file}" for file, _ in _photos_of(folders[name], [])]
    table = photo_table.build(photo, person, mask, gender=gender, age=age)
    return Photos(images, table, problems, unlabelled)


def _usable(folder: Path, problems: list[Problem]) -> bool:
    """Whether its name is UTF-8. If not, it is a problem, fatal if the name is a person's."""
    if files.is_utf8(folder.name):
        return True
    fatal = _parsed(folder.name) is not None
    problems.append(Problem(NOT_UTF8, folder.name, files.not_utf8(folder.name), fatal))
    return False


def id_of(person: str) -> str | None:
    """The full id in the name of a person's folder (`001498-1`); None for other names."""
    name = _parsed(person)
    return name.id if name else None


def shared_ids(people: Iterable[str]) -> dict[str, list[str]]:
    """The folders by id, for each id that several of the folders `people` have."""
    by_id: dict[str, list[str]] = {}
    for name in people:
        if number := id_of(name):
            by_id.setdefault(number, []).append(name)
    return {number: names for number, names in by_id.items() if len(names) > 1}


def names_by_id(people: Collection[str]) -> dict[str, str]:
    """The folder of each id that one alone of the folders `people` has."""
    several = shared_ids(people)
    ids = ((id_of(name), name) for name in people)
    return {number: name for number, name in ids if number and number not in several}


def _people_of_names(folders: dict[str, Path]) -> dict[str, tuple[str, str]]:
    parsed = {name: _parsed(name) for name in folders}
    return {name: (parts.gender, parts.age) for name, parts in parsed.items() if parts}


def _refuse_map(label_map: LabelMap, images: Path) -> None:
    if label_map:
        raise MaskgateError(
            f"{images}: has no train.csv with columns to name or words to map; leave them out"
        )


def _people_of_table(
    csv: Path, folders: dict[str, Path], problems: list[Problem], label_map: LabelMap
) -> dict[str, tuple[str, str]]:
    """Gender and age by folder, under its name on disk, for each folder that a row names."""
    rows = columns.use_columns(csv_files.load(csv), label_map.columns, csv)
    rows, renaming_problems = columns.rename_columns(rows, columns.PEOPLE, csv)
    rows, word_problems = columns.map_words(rows, label_map.words, csv)
    problems += renaming_problems + word_problems
    missing = {"gender", "age", "path"} - set(rows.columns)
    if missing:
        raise MaskgateError(
            f"{csv}: lacks the columns {listed(sorted(missing))}; it needs id,gender,race,age,path,"
            " or remove the file and the folder names are read instead"
        )
    if not len(rows):
        raise MaskgateError(
            f"{csv}: has no row below its header; add the people, or remove the file and the folder"
            " names are read instead"
        )
    spellings: dict[str, list[str]] = {}
    for name in folders:
        spellings.setdefault(names.normalise(name), []).append(name)
    people: dict[str, tuple[str, str]] = {}
    for row in rows.fillna("").itertuples(index=False):
        path, table_labels = str(row.path), (str(row.gender), str(row.age))
        folders_of_row = spellings.get(_folder(path), [])
        if not folders_of_row:
            problems.append(
                Problem("row without folder", path, f"no such folder, row in {csv.name}")
            )
        for name in folders_of_row:
            if name not in people:
                people[name] = table_labels
                problems += _contradicted(name, table_labels, csv.name)
            elif not _same(people[name], table_labels):
                detail = f"{csv.name} gives {people[name]} and {table_labels}"
                problems.append(Problem("contradictory rows", name, detail, fatal=True))
    return people


def _folder(path: str) -> str:
    """The name of a person's folder, in normal form, from a path in a table; the path may end in
    `/` or start with `images`."""
    head, _, name = path.replace("\\", "/").rstrip("/").rpartition("/")
    below = head.rpartition("/")[2]
    return names.normalise(name if below in ("", ".", "images") else path)


def _same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two genders and ages are equal in text or in meaning."""
    return one == other or (
        (_code(one[0]), _years(one[1])) == (_code(other[0]), _years(other[1]))
        and None not in (_code(one[0]), _years(one[1]))
    )


def _contradicted(name: str, table_labels: tuple[str, str], csv: str) -> Iterator[Problem]:
    parts = _parsed(name)
    if parts and not _same((parts.gender, parts.age), table_labels):
        detail = f"{csv} says {table_labels[0]}, {table_labels[1]}; {csv} is used"
        yield Problem("folder name contradicts table", name, detail)


def _person_codes(
    name: str, gender: str, age: str, problems: list[Problem]
) -> tuple[int, float] | None:
    """Gender code and years of a person, None if either is invalid."""
    code, years = _code(gender), _years(age)
    if code is None:
        detail = f"gender {label_words.quoted(gender)}"
        problems.append(
            Problem("unknown gender", name, detail, fatal=True, remedy=offer("gender", [gender]))
        )
    if years is None:
        detail = f"age {label_words.quoted(age)} is not 0–{OLDEST}"
        problems.append(Problem("age out of range", name, detail, fatal=True))
    return None if code is None or years is None else (code, years)


def _photos_of(folder: Path, problems: list[Problem]) -> list[tuple[str, int]]:
    """File names and mask codes of a person; dot files (AppleDouble too) are not photos."""
    file_by_stem: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        where = f"{folder.name}/{path.name}"
        stem = path.stem.lower()
        if not is_photo(path) or stem not in STEMS:
            problems.append(Problem("extra file", where, "not one of the seven photos"))
        elif stem in file_by_stem:
            problems.append(Problem("extra file", where, f"{file_by_stem[stem]} exists already"))
        else:
            file_by_stem[stem] = path.name
    for stem in STEMS:
        if stem not in file_by_stem:
            problems.append(Problem("missing photo", f"{folder.name}/{stem}", "not in the folder"))
    return [(name, label_words.MASK_WORDS[STEMS[stem]]) for stem, name in file_by_stem.items()]
