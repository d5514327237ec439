"""An outside opinion on labels: a CSV of people or photos with mask, gender or age."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from maskgate.data import csv_files, names
from maskgate.errors import MaskgateError
from maskgate.review import questions
from maskgate.review.decisions import Subject
from maskgate.review.people import People

# The attribute by column; the first column that is present is read.
_COLUMNS: Final = {"mask": ("mask",), "gender": ("gender",), "age_band": ("age_band", "age")}


@dataclass(frozen=True)
class Opinions:
    """Values in words, by person (of all photos) or photo, and attribute."""

    values: dict[tuple[str, str], list[str]]

    def about(self, subject: Subject, photos: list[str]) -> str:
        """The most frequent opinion on a subject in words, with its share if opinions on the
        `photos` differ; empty if there is none."""
        keys = [subject.person, *photos] if not subject.photo else [subject.photo]
        values = [value for key in keys for value in self.values.get((key, subject.attribute), [])]
        if not values:
            return ""
        (value, count), *others = Counter(values).most_common()
        return f"{value} ({count} of {len(values)} photos)" if others else value


def read(path: Path, people: People) -> Opinions:
    """The opinions of a CSV with the column person or photo, such as `maskgate predict` writes.
    Raises MaskgateError if it has no such column, or nothing on these people."""
    columns = csv_files.read(path)
    known = {
        attribute: name
        for attribute, candidates in _COLUMNS.items()
        for name in candidates[::-1]
        if name in columns
    }
    key_column = next((name for name in ("photo", "person") if name in columns), None)
    if key_column is None or not known:
        raise MaskgateError(
            f"{path}: not an opinion: it needs a column photo or person, and one of mask, gender,"
            " age_band and age"
        )
    values: dict[tuple[str, str], list[str]] = {}
    for line, cell in enumerate(columns[key_column]):
        key = _key(cell or "", key_column, people)
        for attribute, name in known.items():
            value = questions.value(attribute, columns[name][line] or "")
            if key is not None and value:
                values.setdefault((key, attribute), []).append(value)
    if not values:
        raise MaskgateError(
            f"{path}: has no opinion on the people in {people.root}; check its names"
        )
    return Opinions(values)


def _key(cell: str, column: str, people: People) -> str | None:
    """The person or photo that a cell names; a photo may have more folders before its name."""
    if column == "person":
        return people.find(cell)
    candidates = _ends(names.normalise(cell))
    return next((name for name in candidates if name in people.row_by_photo), None)


def _ends(photo: str) -> Iterator[str]:
    parts = PurePosixPath(photo.replace("\\", "/")).parts
    return ("/".join(parts[start:]) for start in range(len(parts)))
