"""Runs that differ only in their seed form a group; groups with the same truth can be compared."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from maskgate.errors import MaskgateError
from maskgate.evaluation import groups
from maskgate.reports.run_rows import RunRow
from maskgate.runs import RunFolder, comparability
from maskgate.runs.comparability import ValidationSet

FIRST: Final = "{first}"  # in a reason, the names of the two that are not compared
OTHER: Final = "{other}"
_MOST_SETS: Final = 12  # of more sets, the reasons between them are not computed


@dataclass(frozen=True)
class Group:
    """Rows that differ only in their seed, oldest first; of damaged, unfinished and smoke runs each
    is a group of its own.

    `validation_set` is the place of its photos, folds and labels in `Grouping.sets`; None where it
    has no score. `compared` is the newest row of each seed.
    """

    name: str
    rows: tuple[RunRow, ...]
    validation_set: int | None = None

    @property
    def id(self) -> str:
        """The name of its oldest run."""
        return self.rows[0].name

    @property
    def compared(self) -> tuple[RunRow, ...]:
        if self.validation_set is None:
            return ()
        by_seed = {groups.without_seed(row.settings)[1]: row for row in self.rows}
        return tuple(by_seed.values())

    @property
    def mean(self) -> float | None:
        """The mean score of the compared rows; None without a score."""
        scores = [row.score.value for row in self.compared if row.score is not None]
        return sum(scores) / len(scores) if scores else None


@dataclass(frozen=True)
class Set:
    """What groups are scored on: a truth, and the score that it allows; `example` is one run."""

    example: RunRow
    score_of: str


@dataclass(frozen=True)
class Grouping:
    """All groups, oldest first, the sets of photos that they are scored on, why groups of two sets,
    by their places, are not compared, and faults of runs whose photos cannot be read, by name."""

    groups: list[Group]
    sets: list[Set]
    reasons: dict[tuple[int, int], str]
    faults: dict[str, str]


class Grouper:
    """Groups rows; the photos of a run are read once."""

    def __init__(self) -> None:
        self._fingerprints: dict[str, str] = {}
        self._reasons: dict[tuple[tuple[str, str], ...], dict[tuple[int, int], str]] = {}

    def group(self, rows: Sequence[RunRow]) -> Grouping:
        """The groups of these rows, oldest first."""
        sets: dict[tuple[str, str], Set] = {}
        members: dict[str, list[RunRow]] = {}
        set_of: dict[str, int] = {}
        faults: dict[str, str] = {}
        for row in rows:
            key = f"alone {row.name}"
            try:
                place = self._place(row, sets)
            except MaskgateError as error:
                place, faults[row.name] = None, str(error)
            if place is not None:
                key = f"{place} {groups.recipe_key(groups.without_seed(row.settings)[0])}"
                set_of[key] = place
            members.setdefault(key, []).append(row)
        run_groups = [
            Group(_name(each), tuple(each), set_of.get(key)) for key, each in members.items()
        ]
        keys = tuple(sets)
        if keys not in self._reasons:
            self._reasons[keys] = _reasons(list(sets.values()))
        return Grouping(run_groups, list(sets.values()), self._reasons[keys], faults)

    def _place(self, row: RunRow, sets: dict[tuple[str, str], Set]) -> int | None:
        """The place of a row's set, which is added if it is new; None where it has no score. Raises
        MaskgateError."""
        if row.state != "finished" or row.score is None or row.results is None:
            return None
        key = self._fingerprint(row.run), row.results.score_of
        sets.setdefault(key, Set(row, row.results.score_of))
        return list(sets).index(key)

    def _fingerprint(self, run: RunFolder) -> str:
        """That of a run's photos, folds, labels and truth. Raises MaskgateError."""
        entry = (run.files.listed() or {}).get(run.photos_file.name)
        content = run.files.digest(run.photos_file) if entry is None else entry.sha256
        key = hashlib.sha256(f"{content} {run.status().truth}".encode()).hexdigest()
        if key not in self._fingerprints:
            validated = comparability.validation_set(run)
            self._fingerprints[key] = comparability.fingerprint(validated)
        return self._fingerprints[key]


def _name(rows: Sequence[RunRow]) -> str:
    names = [row.name for row in rows]
    if len(rows) == 1:
        return names[0]
    return groups.common_name(names, [groups.without_seed(row.settings)[1] for row in rows])


def _reasons(sets: Sequence[Set]) -> dict[tuple[int, int], str]:
    """Why groups of two sets are not compared, by the places of the sets."""
    if not 1 < len(sets) <= _MOST_SETS:
        return {}
    try:
        validated = [comparability.validation_set(each.example.run) for each in sets]
    except MaskgateError:  # changed since it was grouped
        return {}
    return {
        (one, two): _reason(validated[one], validated[two])
        or f"{OTHER} has another score than {FIRST} ({sets[two].score_of}; {sets[one].score_of})"
        for one, two in combinations(range(len(sets)), 2)
    }


def _reason(first: ValidationSet, other: ValidationSet) -> str:
    return comparability.mismatch(replace(first, name=FIRST), replace(other, name=OTHER))
