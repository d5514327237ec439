"""Reads the competition's layout: a folder a person, seven photos in it."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from maskgate.data import table as photo_table
from maskgate.data.checks import Problem
from maskgate.data.csv_photos import GENDER_WORDS, MASK_WORDS, OLDEST, load_csv
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.photo_files import is_photo
from maskgate.progress import track

STEMS: Final = {**{f"mask{n}": "wear" for n in range(1, 6)}, "incorrect_mask": "incorrect"} | {
    "normal": "not_wear"
}
_FOLDER: Final = re.compile(r"(?P<id>.+)_(?P<gender>[a-z]+)_(?P<race>[^_]*)_(?P<age>-?\d+)")


def holds_people(images: Path) -> bool:
    """Whether `images` is a folder that holds a folder named `<id>_<gender>_<race>_<age>`."""
    return images.is_dir() and any(_FOLDER.fullmatch(path.name) for path in _subfolders(images))


def _subfolders(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def read(images: Path, csv: Path | None) -> Photos:
    """The people in `images`, labelled by `csv` or by their folders' names, faults collected."""
    problems: list[Problem] = []
    folders = {path.name: path for path in sorted(_subfolders(images))}
    people = _people_of_names(folders) if csv is None else _people_of_table(csv, folders, problems)
    nobodys = sorted(set(folders) - set(people))
    for name in nobodys:
        listed_in = "no row in train.csv" if csv is not None else "no such name is read"
        problems.append(Problem("folder without labels", name, listed_in))
    photo, person, mask, gender, age, unlabelled = [], [], [], [], [], []
    contradictory = {problem.where for problem in problems if problem.fatal}
    for name in track(people, "reading folders", len(people)):
        found = _photos_of(folders[name], problems)
        codes = None
        if name not in contradictory:
            codes = _person_codes(name, *people[name], problems)
        for file, code in found:
            if codes is None:
                unlabelled.append(f"{name}/{file}")
                continue
            photo.append(f"{name}/{file}")
            person.append(name)
            mask.append(code)
            gender.append(codes[0])
            age.append(codes[1])
    for name in nobodys:
        unlabelled += [f"{name}/{file}" for file, _ in _photos_of(folders[name], [])]
    table = photo_table.build(photo, person, mask, gender, age)
    return Photos(images, table, problems, unlabelled)


def id_of(person: str) -> str | None:
    """The id in the name of a person's folder, in full (`001498-1`); None in another name."""
    match = _FOLDER.fullmatch(person)
    return match["id"] if match else None


def shared_ids(people: Iterable[str]) -> dict[str, list[str]]:
    """The folders of each id that several of the folders `people` carry."""
    by_id: dict[str, list[str]] = {}
    for name in people:
        if number := id_of(name):
            by_id.setdefault(number, []).append(name)
    return {number: names for number, names in by_id.items() if len(names) > 1}


def _people_of_names(folders: dict[str, Path]) -> dict[str, tuple[str, str]]:
    matches = {name: _FOLDER.fullmatch(name) for name in folders}
    return {name: (match["gender"], match["age"]) for name, match in matches.items() if match}


def _people_of_table(
    csv: Path, folders: dict[str, Path], problems: list[Problem]
) -> dict[str, tuple[str, str]]:
    rows = load_csv(csv)
    missing = {"gender", "age", "path"} - set(rows.columns)
    if missing:
        raise MaskgateError(
            f"{csv}: lacks the columns {listed(sorted(missing))}; it needs id,gender,race,age,path,"
            " or remove the file and the folder names are read instead"
        )
    people: dict[str, tuple[str, str]] = {}
    for row in rows.fillna("").itertuples(index=False):
        name, told = str(row.path), (str(row.gender), str(row.age))
        if name not in folders:
            problems.append(
                Problem("row without folder", name, f"no such folder, row in {csv.name}")
            )
        elif people.get(name, told) != told:
            detail = f"{csv.name} gives {people[name]} and {told}"
            problems.append(Problem("contradictory rows", name, detail, fatal=True))
        else:
            people[name] = told
            match = _FOLDER.fullmatch(name)
            if match and (match["gender"], match["age"]) != told:
                detail = f"{csv.name} says {told[0]}, {told[1]}; {csv.name} is believed"
                problems.append(Problem("folder name contradicts table", name, detail))
    return people


def _person_codes(
    name: str, gender: str, age: str, problems: list[Problem]
) -> tuple[int, int] | None:
    """Gender code and years of a person, None where either makes no sense."""
    code = GENDER_WORDS.get(gender.strip().lower())
    if code is None:
        problems.append(Problem("unknown gender", name, f"gender {gender!r}", fatal=True))
    years = int(age) if re.fullmatch(r"-?\d+", age.strip()) else -1
    if not 0 <= years <= OLDEST:
        detail = f"age {age!r} is not 0–{OLDEST}"
        problems.append(Problem("age out of range", name, detail, fatal=True))
    return None if code is None or not 0 <= years <= OLDEST else (code, years)


def _photos_of(folder: Path, problems: list[Problem]) -> list[tuple[str, int]]:
    """File names and mask codes of a person; dot files (AppleDouble too) are not photos."""
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        where = f"{folder.name}/{path.name}"
        if not is_photo(path) or path.stem not in STEMS:
            problems.append(Problem("extra file", where, "not one of the seven photos"))
        elif path.stem in found:
            problems.append(Problem("extra file", where, f"{found[path.stem]} is there already"))
        else:
            found[path.stem] = path.name
    for stem in STEMS:
        if stem not in found:
            problems.append(Problem("missing photo", f"{folder.name}/{stem}", "not in the folder"))
    return [(name, MASK_WORDS[STEMS[stem]]) for stem, name in found.items()]
