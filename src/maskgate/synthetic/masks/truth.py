"""The tables of drawn photos: their labels, the drawings, and the people left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from maskgate import labels
from maskgate.core import files
from maskgate.errors import disk_error
from maskgate.synthetic.masks.outfits import Outfit

# Why people are left out.
UNREADABLE: Final = "unreadable photo"
NO_FACE: Final = "no face found"
UNSEEN: Final = "no mask can be seen"
# In `photos.csv`, `drawn_from` is the digest, in hex, of the photo that was drawn on.
PHOTOS: Final = "photos.csv"
DRAWN: Final = "drawn.parquet"
LEFT_OUT: Final = "left_out.csv"
_COLUMNS: Final = ["photo", "person", "mask", "gender", "age", "age_group", "drawn_from"]
_POINTS: Final = [f"{axis}{number}" for number in range(5) for axis in "xy"]
_TYPES: Final = {str: "str", float: "float64", bool: "boolean", int: "Int64"}
_KINDS: Final = {
    **dict.fromkeys(("photo", "source", "shot"), "str"),
    **{name: _TYPES[kind] for name, kind in Outfit.__annotations__.items()},
    **dict.fromkeys((*_POINTS, "score"), "float64"),
}


@dataclass(frozen=True)
class Person:
    """A person with one bare face, and their labels; `folder` is their folder in OUT/images."""

    name: str
    source: str
    folder: str
    gender: int
    age: float
    age_band: int
    age_group: str = ""  # its first and last year, `20-29`, where the table has it


def write(
    out: Path,
    people: Sequence[Person],
    lines: Mapping[str, Mapping[str, Any]],
    *,
    left_out: Mapping[str, str],
    shots: Mapping[str, str],
) -> None:
    """Write the tables in `out`, from the journal's lines and the reasons in `left_out`, both by
    the person's name, and the mask label of each of the `shots`.

    Raises MaskgateError if they cannot be written.
    """
    photos, drawn, left_out_rows = [], [], []
    for person in people:
        if person.name in left_out:
            left_out_rows.append((person.name, person.source, left_out[person.name]))
            continue
        line = lines[person.name]
        face = dict(zip(_POINTS, line["landmarks"], strict=True)) | {"score": line["score"]}
        for shot in line["drawn"]:
            photo, mask = f"images/{person.folder}/{shot['shot']}.jpg", shots[shot["shot"]]
            photos.append((photo, person.name, mask, *_known(person), line["drawn_from"]))
            drawn.append({"photo": photo, "source": person.source, **shot, **face})
    drawn_table = pd.DataFrame(drawn, columns=list(_KINDS)).astype(_KINDS)
    table = pd.DataFrame(photos, columns=_COLUMNS, dtype="str")
    # No column 'photo': otherwise the folder would have two tables of photos.
    missing = pd.DataFrame(left_out_rows, columns=["person", "source", "why"], dtype="str")
    files.replace(out / DRAWN, lambda path: drawn_table.to_parquet(path, index=False))
    files.replace(out / LEFT_OUT, lambda path: missing.to_csv(path, index=False))
    files.replace(out / PHOTOS, lambda path: table.to_csv(path, index=False))


def remove(out: Path) -> None:
    """Remove the tables. Raises MaskgateError if that fails."""
    for name in (PHOTOS, LEFT_OUT, DRAWN):
        try:
            (out / name).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, out / name) from error


def _known(person: Person) -> tuple[str, str, str]:
    """Gender, age and age group, empty where unknown."""
    band = labels.AGE_BANDS[person.age_band] if person.age_band != labels.UNKNOWN else ""
    return (
        labels.GENDERS[person.gender] if person.gender != labels.UNKNOWN else "",
        f"{person.age:g}" if person.age >= 0 else "",
        person.age_group or band,
    )
