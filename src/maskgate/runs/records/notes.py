"""notes.json: what a team writes down about a run, each note with its author and time.

Notes are written after the run has ended, and are not in its list of files: a new one does not make
the run damaged.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from maskgate.core import authors
from maskgate.errors import MaskgateError, disk_error, printable
from maskgate.runs.records import contents, stored
from maskgate.runs.records.status import Time
from maskgate.runs.records.stored import File, Record

LONGEST: Final = 2000  # characters of a note
PARTS: Final = ("hypothesis", "result", "cause")
_REMEDY: Final = "put back a copy of it, or remove it: the run itself is complete without its notes"


class Note(Record):
    """What somebody wrote about a run at a `time` (ISO 8601)."""

    time: Time
    author: str
    text: Annotated[str, Field(min_length=1, max_length=LONGEST)]

    @property
    def date(self) -> str:
        """The day, such as 2026-11-27."""
        return datetime.fromisoformat(self.time).date().isoformat()

    @property
    def first_line(self) -> str:
        return self.text.splitlines()[0]

    @property
    def parts(self) -> list[tuple[str, str]]:
        """The hypothesis, the result and the cause, each with its title, of a text that is written
        `hypothesis | result | cause`; the cause may be missing. Any other text is one part without
        a title."""
        texts = [part.strip() for part in self.text.split("|")]
        if not 2 <= len(texts) <= len(PARTS) or not all(texts):
            return [("", self.text)]
        return list(zip(PARTS, texts, strict=False))

    def __str__(self) -> str:
        return f"{self.date} {self.author}: {self.text}"


class Notes(File):
    """What notes.json holds, oldest first."""

    notes: list[Note] = Field([])


def read(path: Path) -> tuple[Note, ...]:
    """The notes in a file, oldest first; none where it does not exist. Raises MaskgateError where
    it is damaged."""
    if not path.exists():
        return ()
    content = contents.read(path, None, _REMEDY)
    return tuple(stored.parse(content, Notes, path, _REMEDY).notes)


def add(path: Path, text: str, author: str | None = None) -> Note:
    """Append a note to the file and return it. Raises MaskgateError for a text that is empty or too
    long, for an author without a name, and where the file cannot be written."""
    from filelock import FileLock  # missing in an install for prediction only

    text = check(text)
    note = Note(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        author=printable(authors.name(author)),
        text=text,
    )
    try:
        with FileLock(path.with_name(".notes.lock")):
            stored.write(path, Notes, {"notes": [*read(path), note]})
    except OSError as error:
        raise disk_error(error, path) from error
    return note


def check(text: str) -> str:
    """The text of a note without space around it. Raises MaskgateError where it is empty or too
    long."""
    text = printable(text).strip()
    if not text:
        raise MaskgateError('the note is empty; write it as "hypothesis | result | cause"')
    if len(text) > LONGEST:
        raise MaskgateError(
            f"the note has {len(text):,} characters, more than {LONGEST:,}; shorten it"
        )
    return text
