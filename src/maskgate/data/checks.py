"""Faults of a data set: collected while reading, told together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from maskgate.core import files
from maskgate.errors import MaskgateError, cut, listed, printable

_LONGEST: Final = 200  # characters of a name in a message
APART: Final = "people are not kept together: each photo counts as its own person"
NOT_UTF8: Final = "name not in UTF-8"
# Every kind of problem, and what it means or what to do about it.
KINDS: Final = {
    "unreadable photo": "No pixels can be had: fetch the file anew, or leave it out.",
    "unreadable test photo": "It cannot be answered, and a submission needs every answer.",
    "unreadable test table": "Without it no submission can be written.",
    "age out of range": "Correct the age in the table or in the folder's name.",
    "unknown mask": "Correct the word: wear, incorrect or not_wear.",
    "unknown gender": "Correct the word: male or female.",
    "unknown age": "Correct the age: years, 0 to 120, or a group within one of <30, 30–59, ≥60.",
    "unknown age_group": "Correct the group: it must lie within one of <30, 30–59, ≥60.",
    "contradictory labels": "One row says two things: correct one of them.",
    "contradictory rows": "Two rows of one folder differ: remove the wrong one.",
    "row without photo": "Name the photo, or remove the row.",
    "photo listed twice": "Remove one of the two rows.",
    "photo outside the folder": "Only photos in the table's folder and below are read.",
    "labels of one shot differ": "One shot under two labels: at least one of them is wrong.",
    "near-duplicate people": "One shot under two names: they share a fold, else scores flatter.",
    "identical photos": "The same bytes twice: a copy may stand for a photo that is lost.",
    "blank photo": "Hardly any contrast: a lens cap, or a file that was damaged and saved again.",
    "missing photo": "The person has fewer than seven photos; the others are used.",
    "extra file": "Not one of the seven photos of a person; it is not used.",
    "hidden file": "Named like a photo but hidden, as macOS leaves them; it is not used.",
    "row without folder": "The table names a person whose photos are not there.",
    "folder without labels": "Photos of which the table says nothing; they are not used.",
    "folder name contradicts table": "The table is believed.",
    "photo without row": "It lies beside photos of the table, but has no row; it is not used.",
    "id of several people": "The folder tells people apart, not the id; look whether it is one.",
    "column under another name": "It is read as one of ours; rename it to be sure.",
    "column that repeats like people but is not read": "Rename it to person if it tells people"
    " apart: without, each photo counts as its own person.",
    APART: "One person may be trained on and validated at once, and scores are too high then: give"
    " the table a column person, the same in all photos of one person.",
    "similar names": "They differ in case, leading zeros, a trailing .0, the width of characters or"
    " invisible ones only, and are different people here; look whether they are one.",
    "one name in several spellings": "They differ in Unicode form or white space only.",
    "person of two genders": "Look whether these are two people, or correct the labels.",
    "person of distant ages": "Look whether these are two people, or correct the ages.",
    NOT_UTF8: "Rename the file or folder, such as with convmv -f cp949 -t utf8.",
    "unknown column": "It is not read; look whether its name is mistyped.",
    "missing test photo": "The test table names it; a submission needs an answer to it.",
    "correction of nobody here": "Look whether the person's id or folder is mistyped.",
    "no corrections": "The file of corrections holds none, so that no label is changed.",
    "extra test photo": "The test table does not name it; it gets no answer.",
}


@dataclass(frozen=True)
class Problem:
    """One fault: its kind (of KINDS), the photo or person it concerns, and the detail.

    A `fatal` problem leaves a photo without a trustworthy label or without pixels; the
    others are worth knowing, and reading goes on. Bytes of names that are not UTF-8 are shown as
    `\\xb1`.
    """

    kind: str
    where: str
    detail: str
    fatal: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of problem: {self.kind}")
        for name in ("where", "detail"):
            object.__setattr__(self, name, printable(getattr(self, name)))


def refuse(problems: Iterable[Problem], data: Path, skip: bool) -> None:
    """Raise MaskgateError that tells all fatal problems together, unless told to `skip` them."""
    fatal = [problem for problem in problems if problem.fatal]
    if fatal and not skip:
        told = listed([f"{_short(problem.where)} ({problem.detail})" for problem in fatal])
        raise MaskgateError(
            f"{data}: {len(fatal)} of its entries cannot be used: {told}; mend them, or leave"
            " them out with --skip-faulty"
        )


def summary(problems: Iterable[Problem]) -> list[str]:
    """One line a kind: `3 × extra photo (first: 000012/mask6.jpg)`."""
    problems = list(problems)
    first = {problem.kind: _short(problem.where) for problem in reversed(problems)}
    counts = Counter(problem.kind for problem in problems)
    return [f"{count} × {kind} (first: {first[kind]})" for kind, count in counts.items()]


def _short(where: str) -> str:
    return cut(where, _LONGEST)


def write(path: Path, problems: Iterable[Problem]) -> None:
    """A CSV of the problems: `kind,where,detail,fatal`."""
    table = pd.DataFrame(
        [asdict(problem) for problem in problems], columns=["kind", "where", "detail", "fatal"]
    )
    files.replace(path, lambda beside: table.to_csv(beside, index=False))
