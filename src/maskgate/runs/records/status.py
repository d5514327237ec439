"""run.json: recipe and data of a run, when it started and finished, and its files."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, model_validator

from maskgate import labels
from maskgate.data.column_values import USES
from maskgate.runs.records import contents, stored
from maskgate.runs.records.contents import Entries
from maskgate.runs.records.stored import Count, File, Positive, Record


def _is_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Time = Annotated[str, AfterValidator(_is_time)]
PerClass = Annotated[list[Positive], Field(min_length=labels.COUNT, max_length=labels.COUNT)]


class Versions(Record):
    maskgate: str
    torch: str


class TrainingCounts(Record):
    """Counts of the training data: photos of each class that were `available`, and `drawn` in an
    epoch (means of the folds), and the mixed batches; see `reports.recipe_summary`."""

    parameters: Count
    available: PerClass = Field(alias="there")
    drawn: PerClass
    mixed: dict[str, Count]
    pseudo: dict[str, Positive] | None = None

    @model_validator(mode="after")
    def _check_pseudo(self) -> "TrainingCounts":
        known = {*USES, *labels.ATTRIBUTES}
        if self.pseudo is not None and (missing := sorted(known - self.pseudo.keys())):
            raise ValueError(f"pseudo lacks {missing[0]}")
        return self


class Status(File):
    """run.json. Where `finished` is set, the keys of a finished run are required."""

    sealed: ClassVar[bool] = True
    nullable = frozenset({"finished", "files"})

    recipe: str
    digest: str
    data: str = ""
    root: Annotated[str, Field(pattern=r"^[^\x00]*$")] = ""
    smoke: bool = False
    command: str = ""
    started: str = ""
    versions: Versions | None = None
    truth: str = ""
    photos: Count = 0
    people: Count = 0
    more: Count = 0
    corrected: Count = 0
    left_out: Count = 0
    unlabelled: Count = 0
    largest_cluster: Count = 0
    twins: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field([])
    warnings: list[str] = Field([])
    untracked: dict[str, str] = Field({})  # by tracker that lacks a part of the run, a warning
    seconds: Positive | None = None
    photos_per_second: Positive | None = None
    did: TrainingCounts | None = None
    members: dict[str, str] = Field({})  # of a system, the digest of each
    finished: Time | None = None
    files: Entries | None = Field(None)  # None in an unfinished run, or one of an older version
    sha256: str | None = None

    @model_validator(mode="after")
    def _check_required(self) -> "Status":
        missing = sorted(_REQUIRED_IF_FINISHED - self.model_fields_set)
        if self.finished is not None and missing:
            raise ValueError(f"{missing[0]} is missing")
        if self.files is not None and self.sha256 is None:
            raise ValueError("its own digest is missing")
        return self

    @property
    def all_warnings(self) -> list[str]:
        """The warnings of the training, then those of trackers that lack a part of it."""
        return [*self.warnings, *self.untracked.values()]


_REQUIRED_IF_FINISHED = {
    "root", "command", "versions", "truth", "photos", "people", "largest_cluster", "warnings",
    "seconds", "photos_per_second", "smoke", "twins",
}  # fmt: skip


def read(path: Path) -> Status:
    """What run.json holds. Raises MaskgateError where it is damaged."""
    return _parsed(contents.read(path, None), path)


@lru_cache(maxsize=512)
def _parsed(content: bytes, path: Path) -> Status:
    """Cached by content: it is looked up for each file of a run that is read."""
    return stored.parse(content, Status, path)


def update(path: Path, changes: Mapping[str, Any]) -> None:
    """Set keys of run.json, and its digest of all of them; keys that this version does not know
    stay. Raises MaskgateError."""
    before: dict[str, Any] = {}
    if path.exists():
        read(path)
        before = json.loads(contents.read(path, None))
    stored.write(path, Status, before | dict(changes))
