"""Problems of a data set, collected while it is read and reported together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from maskgate.core import files
from maskgate.errors import MaskgateError, listed, printable, truncate
from maskgate.imaging import pixels

_LONGEST: Final = 200  # characters of a name in a message
APART: Final = "people are not kept together: each photo counts as its own person"
NOT_UTF8: Final = "name not in UTF-8"
NO_SUCH_WORD: Final = "mapped word that does not occur"
NO_SUCH_CLASS: Final = "unknown class"
SUBFOLDER: Final = "photos in a subfolder"
OTHER_NAME: Final = "column under another name"
NO_COLUMN: Final = "label that no column has"
# Every kind of problem, and what it means or how to fix it.
KINDS: Final = {
    "unreadable photo": "The file cannot be decoded: get it again, or leave it out.",
    "photo not found": "There is no such file below the folder of the table: correct the name, or"
    " put the photo there.",
    SUBFOLDER: "The table names them without it; they are read from there.",
    "unreadable test photo": "It cannot be predicted, but a submission needs all predictions.",
    "unreadable test table": "Without it no submission can be written.",
    "age out of range": "Correct the age in the table or in the folder's name.",
    "unknown mask": "Correct the word, or map it with --map: wear, incorrect or not_wear.",
    "unknown gender": "Correct the word, or map it with --map: male or female.",
    "unknown age": "Correct the age: years, 0 to 120, or a group within one of <30, 30–59, ≥60.",
    "unknown age_group": "Correct the group: it must lie within one of <30, 30–59, ≥60.",
    NO_SUCH_CLASS: "Map the class to words of mask, gender and age group with --map.",
    NO_SUCH_WORD: "Check the spelling of the word in --map, or in the recipe's map.",
    NO_COLUMN: "It is not trained on: name its column with --mask-column, --gender-column or"
    " --age-column, if there is one.",
    "contradictory labels": "The labels of one row contradict each other: correct one of them.",
    "contradictory rows": "Two rows of one folder differ: remove the wrong one.",
    "row without photo": "Name the photo, or remove the row.",
    "photo listed twice": "Remove one of the two rows.",
    "photo outside the folder": "Only photos in the table's folder and its subfolders are read.",
    "labels of one shot differ": "The same picture with two labels: at least one of them is wrong.",
    "near-duplicate people": "Nearly the same picture under two people; kept in one fold so that"
    " scores are not inflated.",
    "identical photos": "Two files with the same bytes: one may have replaced a lost photo.",
    "blank photo": "Hardly any contrast: a lens cap, or a file that was damaged and saved again.",
    "missing photo": "The person has fewer than seven photos; the others are used.",
    "extra file": "Not one of the seven photos of a person; it is not used.",
    "hidden file": "It has a photo's name but is hidden, as macOS creates them; it is not used.",
    "row without folder": "The table names a person without a folder of photos.",
    "folder without labels": "The table has no row for its photos; they are not used.",
    "folder name contradicts table": "The table is used.",
    "photo without row": "It is in the folder of the photos, but has no row; it is not used.",
    "id of several people": "People are told apart by folder, not by id; check whether it is one"
    " person.",
    OTHER_NAME: "It is read as a known column; rename it to be sure.",
    "column that repeats like people but is not read": "Rename it to person if it tells people"
    " apart: otherwise each photo counts as its own person.",
    APART: "A person may be in both training and validation, which makes scores too high: add a"
    " column person to the table, with the same value for all photos of one person.",
    "similar names": "They differ only in case, leading zeros, a trailing .0, the width of"
    " characters or invisible characters, and count as different people; check whether they are"
    " one.",
    "one name in several spellings": "They differ in Unicode form or white space only.",
    "person of two genders": "Check whether these are two people, or correct the labels.",
    "person of distant ages": "Check whether these are two people, or correct the ages.",
    NOT_UTF8: "Rename the file or folder, such as with convmv -f cp949 -t utf8.",
    "unknown column": "It is not read; check whether its name is mistyped.",
    "missing test photo": "The test table lists it; a submission needs a prediction for it.",
    "correction of nobody here": "Check whether the person's id or folder is mistyped.",
    "no corrections": "The corrections file is empty, so no label is changed.",
    "extra test photo": "The test table does not list it; it gets no prediction.",
}


@dataclass(frozen=True)
class Problem:
    """One problem: its kind (of KINDS), the photo or person, and the detail.

    A `fatal` problem leaves a photo without a reliable label or without pixels; the others are
    warnings. `remedy` is what the user can do, if the detail does not say it. Bytes of names that
    are not UTF-8 are shown as `\\xb1`.
    """

    kind: str
    where: str
    detail: str
    fatal: bool = False
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of problem: {self.kind}")
        for name in ("where", "detail"):
            object.__setattr__(self, name, printable(getattr(self, name)))


def unreadable(name: str, reason: str) -> Problem:
    """The problem of a photo that cannot be read for a `reason`, a PhotoError's."""
    kind = "photo not found" if reason == pixels.NO_FILE else "unreadable photo"
    return Problem(kind, name, reason, fatal=True)


def refuse(problems: Iterable[Problem], data: Path, skip: bool) -> None:
    """Raise MaskgateError that lists all fatal problems, unless `skip`."""
    fatal = [problem for problem in problems if problem.fatal]
    if fatal and not skip:
        remedies = list(dict.fromkeys(problem.remedy for problem in fatal if problem.remedy))
        raise MaskgateError(
            f"{data}: {len(fatal):,} of its entries cannot be used: {listed(_entries(fatal))}; fix"
            " them, or leave them out with --skip-faulty (in Python: skip_faulty=True)"
            f"{''.join(f'; {remedy}' for remedy in remedies)}"
        )


def _entries(problems: list[Problem]) -> list[str]:
    """One entry for each problem, or for all photos with the same unknown word."""
    places: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        key = (problem.detail, "" if problem.remedy else problem.where)
        places.setdefault(key, []).append(_short(problem.where))
    return [
        f"{first} ({detail})" if not others else f"{len(others) + 1:,} × {detail} (first: {first})"
        for (detail, _), (first, *others) in places.items()
    ]


def summary(problems: Iterable[Problem]) -> list[str]:
    """One line per kind: `3 × extra photo (first: 000012/mask6.jpg)`."""
    problems = list(problems)
    first = {problem.kind: _short(problem.where) for problem in reversed(problems)}
    counts = Counter(problem.kind for problem in problems)
    return [f"{count} × {kind} (first: {first[kind]})" for kind, count in counts.items()]


def _short(where: str) -> str:
    return truncate(where, _LONGEST)


def write(path: Path, problems: Iterable[Problem]) -> None:
    """Write a CSV of the problems: `kind,where,detail,fatal`."""
    table = pd.DataFrame(
        [asdict(problem) for problem in problems], columns=["kind", "where", "detail", "fatal"]
    )
    files.replace(path, lambda temporary: table.to_csv(temporary, index=False))
