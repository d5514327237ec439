"""The page of labels that are probably wrong, `suspects.html`, beside the table `suspects.csv`."""

from pathlib import Path, PurePath
from typing import Any, Final

import pandas as pd
from rich.table import Table

from maskgate import labels
from maskgate.core import terminal
from maskgate.data.seven_photos import STEMS
from maskgate.label_errors import suspects
from maskgate.label_errors.estimate import PLANTED_SHARE
from maskgate.label_errors.suspects import Suspects
from maskgate.reports import links, mistakes, pages
from maskgate.runs import RunFolder, tables

ON_PAGE: Final = 100
MAX_PHOTOS: Final = 7  # of a person
_ORDER: Final = list(STEMS)


def write(
    result: Suspects, run: RunFolder, folder: Path, photos: bool = True, data: Path | None = None
) -> tuple[Path, Path]:
    """Write `suspects.csv` and `suspects.html` into `folder`; their paths.

    The photos are those in `data`, by default where the run was trained; without `photos` the page
    shows no photo of anyone.
    """
    csv, page = folder / "suspects.csv", folder / "suspects.html"
    status = run.status()
    rows = result.table.head(ON_PAGE)
    root = mistakes.root(run, data) if photos else None
    cards, faults = _cards(rows, run, root)
    suspects.write(csv, result.table)
    pages.write(
        page,
        "suspects.html",
        status=status,
        count=len(result.table),
        least=suspects.LEAST,
        expected=result.table["probability"].sum(),
        summaries=result.summaries,
        planted_share=PLANTED_SHARE,
        attributes=[name for name in labels.ATTRIBUTES if (rows["attribute"] == name).any()],
        cards=cards,
        photos=photos,
        faults=faults,
        file=csv.name,
        report=links.to_report(folder, run.path),
    )
    mistakes.warn(faults, root)
    return csv, page


def show(result: Suspects) -> None:
    """Print a table of the checks."""
    table = Table("labels", "checked", "probably wrong", "recall", box=None, pad_edge=False)
    for each in result.summaries:
        table.add_row(
            each.what,
            f"{each.number:,}",
            f"{each.share * each.number:.0f} ({100 * each.share:.1f}%)",
            f"{each.recall:.2f}",
        )
    console = terminal.console()
    console.print(table)
    console.print(
        f"recall: of errors planted in {100 * PLANTED_SHARE:g}% of the labels, the share that is"
        " listed before half of the list is wrong",
        soft_wrap=True,
    )


def _cards(
    rows: pd.DataFrame, run: RunFolder, root: Path | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The page's entry for each suspect, and the error for each photo that cannot be shown."""
    table = tables.photos(run)
    digests = dict(zip(table["photo"], table["digest"], strict=True))
    people = table[table["person"].isin(rows["person"])].groupby("person", sort=False)["photo"]
    photos_of = {person: sorted(names, key=_place) for person, names in people}
    names = list(dict.fromkeys(name for each in photos_of.values() for name in each[:MAX_PHOTOS]))
    photo_cards, faults = mistakes.cards(pd.DataFrame({"photo": names}), root, digests)
    picture_of = {card["photo"]: card["picture"] for card in photo_cards}
    entries = []
    for rank, row in enumerate(rows.to_dict("records"), 1):
        of_person = photos_of.get(row["person"], [])[:MAX_PHOTOS]
        if row["photo"] and row["photo"] not in of_person:
            of_person = [row["photo"], *of_person[: MAX_PHOTOS - 1]]
        pictures = [
            {"uri": picture_of.get(name, ""), "name": PurePath(name).name,
             "marked": name == row["photo"]}
            for name in of_person
        ]  # fmt: skip
        entries.append(
            {**{str(key): value for key, value in row.items()}, "rank": rank, "pictures": pictures}
        )
    return entries, faults


def _place(photo: str) -> tuple[int, str]:
    """A photo's place among those of its person: bare, mask incorrect, worn; then by name."""
    stem = PurePath(photo).stem.lower()
    return (-_ORDER.index(stem) if stem in _ORDER else 1, photo)
