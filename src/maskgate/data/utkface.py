"""Reads a folder of faces with age and gender in their names: `25_0_2_20170116174525125.jpg`.

These are the names of UTKFace (Zhang et al., Age Progression/Regression by Conditional Adversarial
Autoencoder, CVPR 2017): age, gender (0 male, 1 female), race and the time of collection.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from maskgate import labels
from maskgate.core import files
from maskgate.data import table as photo_table
from maskgate.data.checks import NOT_UTF8, Problem
from maskgate.data.label_words import OLDEST
from maskgate.data.table import Photos
from maskgate.imaging.photo_files import is_photo

_FULL_NAME: Final = re.compile(r"\d{1,3}_[01]_\d_\d{6,}\..+")
# Some names have no race, which is not needed.
_LABELS: Final = re.compile(r"(?P<age>\d+)_(?P<gender>\d+)_.+")
_DIGITS: Final = 9  # more digits are not an age, and int() refuses thousands of digits
_GENDERS: Final = {"0": labels.GENDERS.index("male"), "1": labels.GENDERS.index("female")}


def holds_faces(folder: Path) -> bool:
    """Whether `folder` has a photo named `<age>_<gender>_<race>_<time>`."""
    return folder.is_dir() and any(_FULL_NAME.fullmatch(path.name) for path in _photos(folder))


def _photos(folder: Path) -> Iterator[Path]:
    return filter(is_photo, folder.iterdir())


def read(folder: Path) -> Photos:
    """The photos in `folder`, one per person, with all problems; their masks are unknown."""
    problems: list[Problem] = []
    rows: list[tuple[str, int, int]] = []
    unlabelled = []
    for name in sorted(path.name for path in _photos(folder)):
        if not files.is_utf8(name):
            fatal = _LABELS.fullmatch(name) is not None
            problems.append(Problem(NOT_UTF8, name, files.not_utf8(name), fatal))
            continue
        codes = _codes(name, problems)
        if codes is None:
            unlabelled.append(name)
        else:
            rows.append((name, *codes))
    photo, gender, age = zip(*rows, strict=True) if rows else ((), (), ())
    table = photo_table.build(photo, photo, [labels.UNKNOWN] * len(rows), gender=gender, age=age)
    return Photos(folder, table, problems, unlabelled)


def _codes(name: str, problems: list[Problem]) -> tuple[int, int] | None:
    """Gender code and years in a photo's name, None if either is invalid."""
    match = _LABELS.fullmatch(name)
    if match is None:
        detail = "its name is not <age>_<gender>_<race>_<time>"
        problems.append(Problem("photo without row", name, detail))
        return None
    gender = _GENDERS.get(match["gender"])
    age = int(match["age"]) if len(match["age"]) <= _DIGITS else OLDEST + 1
    if gender is None:
        detail = f"gender {match['gender']!r} is neither 0 (male) nor 1 (female)"
        problems.append(Problem("unknown gender", name, detail, fatal=True))
    if age > OLDEST:
        detail = f"age {match['age']!r} is not 0–{OLDEST}"
        problems.append(Problem("age out of range", name, detail, fatal=True))
    return None if gender is None or age > OLDEST else (gender, age)
