"""run.json: what a run is of, when it began and ended, and the files it consists of."""

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
OfClasses = Annotated[list[Positive], Field(min_length=labels.COUNT, max_length=labels.COUNT)]


class Versions(Record):
    maskgate: str
    torch: str


class Did(Record):
    """What the training did: see `reports.did`."""

    parameters: Count
    there: OfClasses
    drawn: OfClasses
    mixed: dict[str, Count]
    pseudo: dict[str, Positive] | None = None

    @model_validator(mode="after")
    def _is_counted(self) -> "Did":
        known = {*USES, *labels.ATTRIBUTES}
        if self.pseudo is not None and (missing := sorted(known - self.pseudo.keys())):
            raise ValueError(f"pseudo lacks {missing[0]}")
        return self


class Status(File):
    """run.json. What only a finished run has is needed where `finished` is set."""

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
    seconds: Positive | None = None
    photos_per_second: Positive | None = None
    did: Did | None = None
    members: dict[str, str] = Field({})  # of a system, the digest of each
    finished: Time | None = None
    files: Entries | None = Field(None)  # None of an unfinished run, or one by an older version
    sha256: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "Status":
        missing = sorted(_OF_FINISHED - self.model_fields_set)
        if self.finished is not None and missing:
            raise ValueError(f"{missing[0]} is missing")
        if self.files is not None and self.sha256 is None:
            raise ValueError("its own digest is missing")
        return self


_OF_FINISHED = {
    "root", "command", "versions", "truth", "photos", "people", "largest_cluster", "warnings",
    "seconds", "photos_per_second", "smoke", "twins",
}  # fmt: skip


def read(path: Path) -> Status:
    """What run.json holds. Raises MaskgateError where it is damaged."""
    return _parsed(contents.read(path, None), path)


@lru_cache(maxsize=64)
def _parsed(content: bytes, path: Path) -> Status:
    """Kept by the content, which is read again and again: each file of a run is looked up there."""
    return stored.parse(content, Status, path)


def add(path: Path, news: Mapping[str, Any]) -> None:
    """Replace run.json by one that holds `news` as well, with a digest over all of it; keys that
    this version does not know stay. Raises MaskgateError."""
    before: dict[str, Any] = {}
    if path.exists():
        read(path)
        before = json.loads(contents.read(path, None))
    stored.write(path, Status, before | dict(news))
