"""Reads a data set from disk: the competition's seven-photo layout, or a plain CSV.

The only place that knows how photos and labels lie in folders.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.data.checks import Problem
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.pixels import SUFFIXES

STEMS: Final = {**{f"mask{n}": "wear" for n in range(1, 6)}, "incorrect_mask": "incorrect"} | {
    "normal": "not_wear"
}
OLDEST: Final = 120
_FOLDER: Final = re.compile(r"(?P<id>.+)_(?P<gender>[a-z]+)_(?P<race>[^_]*)_(?P<age>-?\d+)")
_MASK_WORDS: Final = {word: code for code, word in enumerate(labels.MASKS)} | {"normal": 2}
_GENDER_WORDS: Final = {word: code for code, word in enumerate(labels.GENDERS)} | {"m": 0, "f": 1}


def read(data: Path) -> Photos:
    """The labelled photos of `data`: a CSV, a folder with one, or the seven-photo layout.

    A folder may be the one above `train`, `train` itself or its `images`. Faults are
    collected in `problems`. Raises MaskgateError where nothing of either kind is found.
    """
    if not data.exists():
        raise MaskgateError(f"{data}: no such file or folder; give the folder of photos or its CSV")
    if data.is_file():
        return _read_csv(data)
    for folder in (data, data / "train"):
        for images in (folder, folder / "images"):
            if images.is_dir() and any(map(_looks_like_person, _subfolders(images))):
                beside = [images / "train.csv", images.parent / "train.csv"]
                csv = next((path for path in beside if path.is_file()), None)
                return _read_people(images, csv)
    tables = [path for path in sorted(data.glob("*.csv")) if "photo" in _header(path)]
    if len(tables) == 1:
        return _read_csv(tables[0])
    if tables:
        names = listed([path.name for path in tables])
        raise MaskgateError(f"{data}: holds several tables ({names}); name the one to read")
    raise MaskgateError(
        f"{data}: holds neither folders named <id>_<gender>_<race>_<age> with seven photos each"
        " nor a CSV with a column 'photo'; see docs/data.md for the two layouts"
    )


def _subfolders(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def _looks_like_person(folder: Path) -> bool:
    return _FOLDER.fullmatch(folder.name) is not None


def _header(path: Path) -> list[str]:
    return [str(name) for name in _load_csv(path, rows=0).columns]


def _load_csv(path: Path, rows: int | None = None) -> pd.DataFrame:
    """The CSV with every field as text. Raises MaskgateError where it is none."""
    try:
        return pd.read_csv(path, dtype="str", encoding="utf-8-sig", nrows=rows)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise MaskgateError(f"{path}: not a CSV in UTF-8 ({error}); save it as one") from error


# ---------------------------------------------------------------- the seven-photo layout


def _read_people(images: Path, csv: Path | None) -> Photos:
    problems: list[Problem] = []
    folders = {path.name: path for path in sorted(_subfolders(images))}
    people = _people_of_names(folders) if csv is None else _people_of_table(csv, folders, problems)
    for name in sorted(set(folders) - set(people)):
        listed_in = "no row in train.csv" if csv is not None else "no such name is read"
        problems.append(Problem("folder without labels", name, listed_in))
    photo, person, mask, gender, age = [], [], [], [], []
    contradictory = {problem.where for problem in problems if problem.fatal}
    for name, (gender_word, age_text) in people.items():
        if name in contradictory:
            continue
        gender_code, years = _person_codes(name, gender_word, age_text, problems)
        if gender_code is None or years is None:
            continue
        for path, code in _photos_of(folders[name], problems):
            photo.append(f"{name}/{path}")
            person.append(name)
            mask.append(code)
            gender.append(gender_code)
            age.append(years)
    return Photos(images, photo_table.build(photo, person, mask, gender, age), problems)


def _people_of_names(folders: dict[str, Path]) -> dict[str, tuple[str, str]]:
    matches = {name: _FOLDER.fullmatch(name) for name in folders}
    return {name: (match["gender"], match["age"]) for name, match in matches.items() if match}


def _people_of_table(
    csv: Path, folders: dict[str, Path], problems: list[Problem]
) -> dict[str, tuple[str, str]]:
    rows = _load_csv(csv)
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
) -> tuple[int | None, int | None]:
    code = _GENDER_WORDS.get(gender.strip().lower())
    if code is None:
        problems.append(Problem("unknown gender", name, f"gender {gender!r}", fatal=True))
    years = int(age) if re.fullmatch(r"-?\d+", age.strip()) else -1
    if not 0 <= years <= OLDEST:
        problems.append(
            Problem("age out of range", name, f"age {age!r} is not 0–{OLDEST}", fatal=True)
        )
        return code, None
    return code, years


def _photos_of(folder: Path, problems: list[Problem]) -> list[tuple[str, int]]:
    """File names and mask codes of a person; dot files (AppleDouble too) are not photos."""
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        where = f"{folder.name}/{path.name}"
        if path.suffix.lower() not in SUFFIXES or path.stem not in STEMS:
            problems.append(Problem("extra file", where, "not one of the seven photos"))
        elif path.stem in found:
            problems.append(Problem("extra file", where, f"{found[path.stem]} is there already"))
        else:
            found[path.stem] = path.name
    for stem in STEMS:
        if stem not in found:
            problems.append(Problem("missing photo", f"{folder.name}/{stem}", "not in the folder"))
    return [(name, _MASK_WORDS[STEMS[stem]]) for stem, name in found.items()]


# ---------------------------------------------------------------------------- plain CSV


def _read_csv(path: Path) -> Photos:
    rows = _load_csv(path)
    if "photo" not in rows.columns:
        raise MaskgateError(
            f"{path}: lacks the column 'photo' (it has {listed(list(rows.columns)) or 'none'});"
            " the columns are photo,person,mask,gender,age or age_group, all but photo optional"
        )
    if not {"mask", "gender", "age", "age_group"} & set(rows.columns):
        raise MaskgateError(f"{path}: has no label; it needs mask, gender, age or age_group")
    problems: list[Problem] = []
    rows["photo"] = rows["photo"].fillna("").str.strip()
    _report(problems, rows, rows["photo"] == "", "row without photo", "photo", "row {row}")
    repeated = rows["photo"].duplicated() & (rows["photo"] != "")
    _report(problems, rows, repeated, "photo listed twice", "photo", "listed before")
    mask = _column(rows, "mask", _words(_MASK_WORDS), problems)
    gender = _column(rows, "gender", _words(_GENDER_WORDS), problems)
    age = _column(rows, "age", _years, problems)
    band = np.where(age >= 0, labels.age_band(age), labels.UNKNOWN)
    group = _column(rows, "age_group", _band_of_group, problems).astype(np.int8)
    clash = (group != labels.UNKNOWN) & (band != labels.UNKNOWN) & (group != band)
    _report(problems, rows, clash, "contradictory labels", "age_group", "its age says otherwise")
    band = np.where(band == labels.UNKNOWN, group, band)
    person = rows["person"] if "person" in rows.columns else pd.Series(pd.NA, index=rows.index)
    table = photo_table.build(
        rows["photo"],
        person.fillna(rows["photo"]),
        mask,
        gender,
        np.where(age >= 0, age, np.nan),
        band,
    )
    bad = {problem.where for problem in problems if problem.fatal}
    keep = ~(table["photo"].isin(bad) | repeated | (rows["photo"] == ""))
    return Photos(path.parent, table[keep].reset_index(drop=True), problems)


def _report(
    problems: list[Problem],
    rows: pd.DataFrame,
    at: "pd.Series | np.ndarray",
    kind: str,
    column: str,
    detail: str,
) -> None:
    for row in np.flatnonzero(np.asarray(at)):
        where = str(rows["photo"].iloc[row]) or f"row {row + 2}"
        told = detail.format(row=row + 2, value=rows[column].iloc[row])
        problems.append(Problem(kind, where, told, fatal=True))


def _column(
    rows: pd.DataFrame, name: str, parse: Callable[[str], float], problems: list[Problem]
) -> "np.ndarray":
    """Codes (N,) of a column, -1 where the column or the value is missing."""
    if name not in rows.columns:
        return np.full(len(rows), labels.UNKNOWN)
    codes, values = pd.factorize(rows[name].str.strip().str.lower())
    parsed = np.array([*map(parse, values), labels.UNKNOWN], dtype=np.float64)
    column = parsed[codes]  # factorize gives -1, the last, where the value is missing
    _report(problems, rows, np.isnan(column), f"unknown {name}", name, name + " {value!r}")
    return np.where(np.isnan(column), labels.UNKNOWN, column)


def _words(codes: dict[str, int]) -> Callable[[str], float]:
    return lambda word: codes.get(re.sub(r"[\s-]+", "_", word), np.nan)


def _years(text: str) -> float:
    try:
        years = float(text)
    except ValueError:
        return np.nan
    return years if 0 <= years <= OLDEST else np.nan


def _band_of_group(text: str) -> float:
    """The band that holds a whole age group: `20-29`, `<30`, `70+`, `more than 70`, `>=60`."""
    match = re.fullmatch(r"(\D*)(\d+)(\D*)(\d+)?(\D*)", text)
    if match is None:
        return np.nan
    before, number, between, second, after = match.groups()
    low = high = int(number)
    if second is not None:
        high = int(second)
    else:
        words = f"{before} {between} {after}".split()
        match words:
            case []:
                pass
            case ["<"] | ["under"] | ["below"] | ["younger", "than"] | ["less", "than"]:
                low, high = 0, low - 1
            case ["<="] | ["≤"] | ["up", "to"] | ["or", "younger"] | ["and", "under"]:
                low = 0
            case [">"] | ["over"] | ["above"] | ["older", "than"] | ["more", "than"]:
                low, high = low + 1, OLDEST
            case [">="] | ["≥"] | ["+"] | ["from"] | ["or", "older"] | ["and", "over"]:
                high = OLDEST
            case _:
                return np.nan
    first, last = labels.age_band([low, high])
    return float(first) if first == last and low <= high <= OLDEST else np.nan


# ------------------------------------------------------------------------ the test photos


def read_eval(data: Path) -> tuple[Path, pd.DataFrame]:
    """Folder of the test photos and `info.csv` as it stands (columns ImageID, ans; text).

    `data` is the folder with `info.csv` or the one above `eval`. Raises MaskgateError.
    """
    for folder in (data, data / "eval"):
        csv = folder / "info.csv"
        if csv.is_file():
            rows = _load_csv(csv)
            if "ImageID" not in rows.columns:
                raise MaskgateError(f"{csv}: lacks the column 'ImageID'; it needs ImageID,ans")
            return (folder / "images" if (folder / "images").is_dir() else folder), rows
    raise MaskgateError(f"{data}: holds no info.csv; give the folder with info.csv and images/")
