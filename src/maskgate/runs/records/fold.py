"""fold.json: time and sampling of a fold's training."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from maskgate import labels
from maskgate.runs.records import stored
from maskgate.runs.records.faults import REMEDY
from maskgate.runs.records.stored import Count, File, Positive


class FoldResult(File):
    """`drawn` are the photos of each class drawn in all epochs (18,), `mixed` the number of batches
    by kind of mixing."""

    indent: ClassVar[int | None] = None

    seconds: Positive
    photos: Count
    epochs: Annotated[int, Field(ge=1, lt=2**53)]
    mixed: dict[str, Count]
    drawn: Annotated[list[Count], Field(min_length=labels.COUNT, max_length=labels.COUNT)]


def parse(content: bytes, path: Path, remedy: str = REMEDY) -> FoldResult:
    """The result of a fold in the bytes of the file at `path`. Raises MaskgateError."""
    return stored.parse(content, FoldResult, path, remedy)


def write(path: Path, result: FoldResult) -> None:
    """Write the file, which marks the fold as trained."""
    stored.write(path, FoldResult, result.model_dump())
