"""A page of what corrections change: before and after, who said so and why, with a photo."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from maskgate import labels
from maskgate.core.progress import track
from maskgate.data import corrections
from maskgate.data.corrections import DROP, Correction
from maskgate.data.label_map import NO_MAP, LabelMap
from maskgate.imaging.pixels import PhotoError
from maskgate.reports import pages
from maskgate.review import photos, start
from maskgate.review.people import People, Rows
from maskgate.runs import RunFolder

_SIDE: Final = 240  # pixels of a photo on the page
_BARE: Final = labels.MASKS.index("not_wear")
_TITLES: Final = {"age_band": "age band", DROP: "not trained on"}


@dataclass(frozen=True)
class Card:
    """A correction in words; `picture` is empty, and `fault` says why, if no photo can be shown."""

    person: str
    photo: str
    title: str
    before: str
    after: str
    tier: str
    author: str
    reason: str
    picture: str
    fault: str


def write(
    page: Path, file: Path, run: RunFolder | None, data: Path | None, label_map: LabelMap = NO_MAP
) -> None:
    """Write the page of the corrections in `file`, with photos of the data or the run. Raises
    MaskgateError."""
    fixes = corrections.read(file)
    people = start.of(run, data, label_map)
    changed = corrections.apply(people.table, fixes, corrections.TIERS[-1])
    rows_of = corrections.row_finder(people.table, fixes)
    cards = [
        _card(fix, rows, people)
        for fix in track(fixes.rows, "reading photos", len(fixes.rows))
        if len(rows := rows_of(fix))
    ]
    pages.write(
        page,
        "corrected.html",
        file=file.name,
        cards=cards,
        people=len({card.person for card in cards}),
        changed=int(changed.changed.sum()),
        dropped=int(changed.dropped.sum()),
        unused=[f"{fix.person} (row {fix.row})" for fix in changed.unused],
    )


def _card(fix: Correction, rows: Rows, people: People) -> Card:
    table = people.table
    bare = rows[table["mask"].to_numpy()[rows] == _BARE]
    row = int(bare[0] if len(bare) else rows[0])
    picture = fault = ""
    try:
        picture = pages.picture(photos.read(people, row), _SIDE)
    except PhotoError as error:
        fault = str(error)
    before, after = _words(fix, rows, people)
    return Card(
        person=str(table["person"].iloc[row]),
        photo=str(table["photo"].iloc[row]).rpartition("/")[2] if len(rows) == 1 else "",
        title=_TITLES.get(fix.attribute, fix.attribute),
        before=before,
        after=after,
        tier=fix.tier,
        author=fix.author,
        reason=fix.reason,
        picture=picture,
        fault=fault,
    )


def _words(fix: Correction, rows: Rows, people: People) -> tuple[str, str]:
    """The label before and after, in words."""
    if fix.attribute == DROP:
        parts = (people.label(rows, name) for name in ("gender", "age_band"))
        return ", ".join(filter(None, parts)) or "unknown", "dropped"
    if fix.attribute == "age":
        ages = people.table["age"].to_numpy()[rows]
        known = ages[np.isfinite(ages)]
        return f"{known[0]:g}" if len(known) else "unknown", str(fix.value)
    before = people.label(rows, fix.attribute) or "unknown"
    return before, labels.ATTRIBUTES[fix.attribute][fix.value]
