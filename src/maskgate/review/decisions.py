"""What reviewers decide: a journal of every decision, and the corrections that follow from it.

The journal is a CSV beside the corrections file: `corrections.csv` has `corrections-reviews.csv`. A
decision is appended and flushed to the disk before it is acknowledged, so that a killed process
loses none; then the corrections file is replaced. A line that a killed process has cut short is
removed when the journal is opened again.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

from filelock import FileLock, Timeout

from maskgate import labels
from maskgate.core import files
from maskgate.data import corrections, csv_files
from maskgate.errors import MaskgateError, disk_error, listed

Choice = Literal["keep", "change", "unsure", "drop"]
CHOICES: Final[tuple[Choice, ...]] = get_args(Choice)
_UNDO: Final = "undo"
_HEADER: Final = ("person", "field", "value", "tier", "reason", "author")


class Subject(NamedTuple):
    """What is decided: an attribute of a person, or of a `photo` (empty for all of the person)."""

    person: str
    photo: str
    attribute: str


@dataclass(frozen=True)
class Decision:
    """A row of the journal. `label` is the label as read, `value` the right one if it is changed,
    both in words; `time` is in ISO 8601."""

    time: str
    author: str
    person: str
    photo: str
    attribute: str
    label: str
    decision: str
    value: str
    tier: str
    reason: str

    @property
    def subject(self) -> Subject:
        """What it decides."""
        return Subject(self.person, self.photo, self.attribute)


_COLUMNS: Final = tuple(field.name for field in fields(Decision))


def journal_file(path: Path) -> Path:
    """The journal of a corrections file."""
    return path.with_name(f"{path.stem}-reviews.csv")


def read(path: Path) -> list[Decision]:
    """The decisions that hold, in order, from a journal or the corrections file of one.

    Of several decisions on one subject the last holds. Raises MaskgateError.
    """
    if "decision" not in csv_files.header(path):
        journal = journal_file(path)
        if not journal.exists():
            raise MaskgateError(
                f"{path}: not the decisions of a reviewer, and {journal.name} is not beside it;"
                " give a file that `maskgate review` has written"
            )
        path = journal
    return list(latest(_without_undone(_parse(path))).values())


def latest(decisions: Iterable[Decision]) -> dict[Subject, Decision]:
    """The last decision on each subject, in the order of the first ones."""
    return {decision.subject: decision for decision in decisions}


def _parse(path: Path) -> list[Decision]:
    columns = csv_files.read(path)
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise MaskgateError(f"{path}: not a journal of reviews: it lacks {listed(missing)}")
    cells = zip(*([cell or "" for cell in columns[name]] for name in _COLUMNS), strict=True)
    decisions = [Decision(*row) for row in cells]
    for line, each in enumerate(decisions, 2):
        if error := _error(each):
            raise MaskgateError(f"{path}: line {line}: {error}; restore the line")
    return decisions


def _error(decision: Decision) -> str:
    """What is wrong with a row of a journal, or empty."""
    if decision.decision == _UNDO:
        return ""
    if decision.decision not in CHOICES:
        return f"unknown decision {decision.decision!r}"
    values = labels.ATTRIBUTES.get(decision.attribute)
    if values is None:
        return f"unknown attribute {decision.attribute!r}"
    if decision.decision == "change" and decision.value not in values:
        return f"unknown {decision.attribute} {decision.value!r}"
    if decision.tier not in corrections.TIERS:
        return f"unknown tier {decision.tier!r}"
    return "" if decision.person else "no person"


def _without_undone(decisions: Iterable[Decision]) -> list[Decision]:
    """An undo takes back the last decision that holds; with several authors, that of its author."""
    kept: list[Decision] = []
    for decision in decisions:
        if decision.decision != _UNDO:
            kept.append(decision)
        elif (place := _last_of(kept, decision.author)) is not None:
            del kept[place]
    return kept


def _last_of(decisions: Sequence[Decision], author: str) -> int | None:
    places = [place for place, each in enumerate(decisions) if each.author == author]
    return places[-1] if places else None


# ------------------------------------------------------------------------- corrections


def corrections_text(decisions: Iterable[Decision]) -> str:
    """The corrections file: a row for each subject that was changed or dropped."""
    rows = []
    for each in latest(decisions).values():
        if each.decision in ("change", "drop"):
            field = each.attribute if each.decision == "change" else corrections.DROP
            value = each.value if each.decision == "change" else "yes"
            rows.append(
                (each.photo or each.person, field, value, each.tier, each.reason, each.author)
            )
    by_field = {row[:2]: row for row in rows}  # a person may be dropped by two attributes
    return _csv([_HEADER, *by_field.values()])


def _csv(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


# ----------------------------------------------------------------------------- journal


def check(path: Path) -> None:
    """Raise MaskgateError if there can be no journal of a corrections file at `path`: it has none,
    or the folder does not exist."""
    files.check_target(path)
    files.check_target(journal_file(path))
    if path.exists() and not journal_file(path).exists():
        raise MaskgateError(
            f"{path}: exists, and `maskgate review` has not written it; give another --out"
        )


class Journal:
    """The journal of the corrections file at `path`, open for one process at a time.

    Raises MaskgateError if the file was written or changed by other means, or if another process
    has the journal open.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, journal_file(path)
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise MaskgateError(
                f"{path}: another maskgate review writes it; stop that one, or give another --out"
            ) from error
        try:
            self._rows = self._opened()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other processes open it."""
        self._lock.release()

    @property
    def decisions(self) -> list[Decision]:
        """The decisions that were not undone, in order."""
        return _without_undone(self._rows)

    def add(self, decision: Decision) -> None:
        """Write a decision to the disk, then the corrections. Raises MaskgateError."""
        self._append(decision)
        self._write_corrections()

    def undo(self, author: str, time: str) -> Decision | None:
        """Take back the author's last decision, which is returned; None if there is none."""
        decisions = self.decisions
        place = _last_of(decisions, author)
        if place is None:
            return None
        undone = decisions[place]
        self._append(replace(undone, time=time, decision=_UNDO))
        self._write_corrections()
        return undone

    def _opened(self) -> list[Decision]:
        check(self.path)
        if not self.file.exists():
            files.replace_text(self.file, _csv([_COLUMNS]))
        self._remove_cut_line()
        rows = _parse(self.file)
        self._check_corrections(rows)
        files.replace_text(self.path, corrections_text(_without_undone(rows)))
        return rows

    def _remove_cut_line(self) -> None:
        content = self.file.read_bytes()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            os.truncate(self.file, end)

    def _check_corrections(self, rows: list[Decision]) -> None:
        """Raise MaskgateError if the corrections are not those of the journal, or of the journal
        before its last row, after which a process may have been killed."""
        if not self.path.exists():
            return
        content = files.content(self.path, "a corrections file").decode("utf-8", "replace")
        expected = [corrections_text(_without_undone(part)) for part in (rows, rows[:-1])]
        if content not in expected:
            raise MaskgateError(
                f"{self.path}: was changed since `maskgate review` wrote it, and would be replaced;"
                " give another --out, or move it away"
            )

    def _append(self, decision: Decision) -> None:
        line = _csv([astuple(decision)]).encode("utf-8")
        try:
            with self.file.open("ab", buffering=0) as journal:
                size = journal.seek(0, os.SEEK_END)
                try:
                    if journal.write(line) != len(line):
                        raise OSError(0, "the disk is full")
                    os.fsync(journal.fileno())
                except OSError:
                    journal.truncate(size)
                    raise
        except OSError as error:
            raise disk_error(error, self.file) from error
        self._rows.append(decision)

    def _write_corrections(self) -> None:
        files.replace_text(self.path, corrections_text(self.decisions))
