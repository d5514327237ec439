"""The outcomes so far, in a file beside the page, so that an interrupted check continues."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maskgate.core import files
from maskgate.door.acceptance.measuring import Outcome
from maskgate.door.readings import Policy
from maskgate.errors import MaskgateError

_SUFFIX: Final = ".progress.json"
RedoReason = Literal["mistake", "disturbed", "technical"]
SkipReason = Literal["nobody", "place"]


class Checked(BaseModel):
    """What is checked: the service's settings when the check began."""

    door: str
    policy: Policy
    model: str
    digest: str
    version: str
    unsure_below: float
    near: float
    model_config = ConfigDict(frozen=True, extra="forbid")


class Attempt(BaseModel):
    """One passage that was measured or skipped; with `redo` it was repeated, and why."""

    passage: int = Field(ge=0)
    outcome: Outcome | None = None
    skip: SkipReason | None = None
    redo: RedoReason | None = None
    model_config = ConfigDict(extra="forbid")


class Record(BaseModel):
    """All attempts, in order: only counts and times."""

    version: Literal[1] = 1
    checked: Checked
    attempts: list[Attempt] = []
    model_config = ConfigDict(extra="forbid")

    def valid(self) -> dict[int, Attempt]:
        """The attempts that count, by the number of the passage from 0."""
        return {each.passage: each for each in self.attempts if each.redo is None}

    def following(self, count: int) -> int | None:
        """The first of `count` passages without an attempt that counts."""
        done = self.valid()
        return next((number for number in range(count) if number not in done), None)

    def last(self) -> Attempt | None:
        """The latest attempt that counts."""
        return next((each for each in reversed(self.attempts) if each.redo is None), None)

    def redone(self) -> Counter[RedoReason]:
        """How many attempts were repeated, by reason."""
        return Counter(each.redo for each in self.attempts if each.redo is not None)

    def redone_let_in(self) -> int:
        """In how many of these the kiosk said go to people who may not pass."""
        return sum(
            each.redo is not None and each.outcome is not None and each.outcome.is_let_in
            for each in self.attempts
        )


def record_file(page: Path) -> Path:
    """The file of a page's record."""
    return page.with_name(page.stem + _SUFFIX)


def checked(kiosk: dict[str, Any], service: dict[str, Any], door: str) -> Checked | None:
    """From the answers of /v1/kiosk and /v1/settings; None if they are not as expected."""
    names = {"policy", "near"}, {"model", "digest", "version", "unsure_below"}
    values = {
        name: each.get(name)
        for each, of in zip((kiosk, service), names, strict=True)
        for name in of
    }
    try:
        return Checked.model_validate(values | {"door": door})
    except ValidationError:
        return None


def load(page: Path, current: Checked) -> Record:
    """The record of an unfinished check, or a new one. Raises MaskgateError if the file is damaged,
    or of a door with other settings."""
    path = record_file(page)
    if not path.exists():
        return Record(checked=current)
    try:
        record = Record.model_validate(json.loads(files.content(path, "a record")))
    except ValueError as error:  # a ValidationError is one
        raise MaskgateError(
            f"{path}: not the record of a check, or damaged; remove it to start again"
        ) from error
    for name in Checked.model_fields:
        before, now = getattr(record.checked, name), getattr(current, name)
        if before != now:
            raise MaskgateError(
                f"{path}: the check began with {name} {before}, and it is now {now}; remove the"
                " file to start again, or name another --out"
            )
    return record


def save(page: Path, record: Record) -> None:
    """Replace the file of the record. Raises MaskgateError."""
    files.replace_text(record_file(page), record.model_dump_json(indent=1) + "\n")
