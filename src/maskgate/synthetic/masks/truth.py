"""The tables beside drawn photos: their labels, what was drawn, and who is not among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from maskgate import labels
from maskgate.core import files
from maskgate.errors import disk_error
from maskgate.synthetic.masks.outfits import Outfit
from maskgate.synthetic.masks.shots import SHOTS

# Why people are left out.
UNREADABLE: Final = "unreadable photo"
NO_FACE: Final = "no face found"
UNSEEN: Final = "no mask can be seen"
# `photos.csv` names the photo that each was drawn from by the digest of its content, in hex.
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
    """One bare face and what is known of who it is; `folder` is its name below OUT/images."""

    name: str
    source: str
    folder: str
    gender: int
    age: float
    age_band: int


def write(
    out: Path,
    people: Sequence[Person],
    lines: Mapping[str, Mapping[str, Any]],
    left_out: Mapping[str, str],
) -> None:
    """The tables in `out`, from the journal's line of each person and why others are left out.

    Both are told by the person's name. Raises MaskgateError where they cannot be written.
    """
    photos, drawn, nobody = [], [], []
    for person in people:
        if person.name in left_out:
            nobody.append((person.name, person.source, left_out[person.name]))
            continue
        line = lines[person.name]
        face = dict(zip(_POINTS, line["landmarks"], strict=True)) | {"score": line["score"]}
        for told in line["drawn"]:
            photo, mask = f"images/{person.folder}/{told['shot']}.jpg", SHOTS[told["shot"]]
            photos.append((photo, person.name, mask, *_known(person), line["drawn_from"]))
            drawn.append({"photo": photo, "source": person.source, **told, **face})
    told = pd.DataFrame(drawn, columns=list(_KINDS)).astype(_KINDS)
    table = pd.DataFrame(photos, columns=_COLUMNS, dtype="str")
    # Without a column 'photo', or the folder would hold two tables to read.
    missing = pd.DataFrame(nobody, columns=["person", "source", "why"], dtype="str")
    files.replace(out / DRAWN, lambda path: told.to_parquet(path, index=False))
    files.replace(out / LEFT_OUT, lambda path: missing.to_csv(path, index=False))
    files.replace(out / PHOTOS, lambda path: table.to_csv(path, index=False))


def remove(out: Path) -> None:
    """Remove the tables. Raises MaskgateError where they cannot be removed."""
    for name in (PHOTOS, LEFT_OUT, DRAWN):
        try:
            (out / name).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, out / name) from error


def _known(person: Person) -> tuple[str, str, str]:
    """Gender, age and age group, empty where unknown."""
    return (
        labels.GENDERS[person.gender] if person.gender != labels.UNKNOWN else "",
        f"{person.age:g}" if person.age >= 0 else "",
        labels.AGE_BANDS[person.age_band] if person.age_band != labels.UNKNOWN else "",
    )
