"""The tables beside drawn photos: their labels, what was drawn, and who is not among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from maskgate import files, labels
from maskgate.wear.outfits import Outfit
from maskgate.wear.shots import SHOTS

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


def write(out: Path, people: Sequence[Person], lines: Sequence[Mapping[str, Any]]) -> None:
    """photos.csv, drawn.parquet and no_face.csv in `out`, from the journal's line of each person.

    Raises MaskgateError where they cannot be written.
    """
    photos, drawn, nobody = [], [], []
    for person, line in zip(people, lines, strict=True):
        if line["why"]:
            nobody.append((person.name, person.source, line["why"]))
            continue
        face = dict(zip(_POINTS, line["landmarks"], strict=True)) | {"score": line["score"]}
        for told in line["drawn"]:
            photo = f"images/{person.folder}/{told['shot']}.jpg"
            photos.append((photo, person.name, SHOTS[told["shot"]], *_known(person)))
            drawn.append({"photo": photo, "source": person.source, **told, **face})
    told = pd.DataFrame(drawn, columns=list(_KINDS)).astype(_KINDS)
    table = pd.DataFrame(
        photos, columns=["photo", "person", "mask", "gender", "age", "age_group"], dtype="str"
    )
    # Without a column 'photo', or the folder would hold two tables to read.
    missing = pd.DataFrame(nobody, columns=["person", "source", "why"], dtype="str")
    files.replace(out / "drawn.parquet", lambda path: told.to_parquet(path, index=False))
    files.replace(out / "no_face.csv", lambda path: missing.to_csv(path, index=False))
    files.replace(out / "photos.csv", lambda path: table.to_csv(path, index=False))


def _known(person: Person) -> tuple[str, str, str]:
    """Gender, age and age group, empty where unknown."""
    return (
        labels.GENDERS[person.gender] if person.gender != labels.UNKNOWN else "",
        f"{person.age:g}" if person.age >= 0 else "",
        labels.AGE_BANDS[person.age_band] if person.age_band != labels.UNKNOWN else "",
    )
