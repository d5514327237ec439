"""Report of a data set: its contents, samples and problems.

With a recipe, also the effect of its transforms.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from PIL import Image

from maskgate import labels
from maskgate.core import charts, files
from maskgate.data import checks
from maskgate.data.checks import Problem
from maskgate.pipeline import cache
from maskgate.pipeline.inspection import Inspection
from maskgate.reports import pages
from maskgate.reports.recipe_picture import Effects

PHOTOS_PER_SHEET: Final = 12
MAX_PAIRS: Final = 24
MAX_PROBLEMS: Final = 50
_SIDE: Final = 120  # size of a picture on the page, pixels
_NAMES: Final = {"mask": "Mask", "gender": "Gender", "age_band": "Age band"}


def write(
    inspection: Inspection, folder: Path, pictures: bool, effects: Effects | None = None
) -> tuple[Path, Path]:
    """Write `inspect.html` and `problems.csv` into `folder`; their paths.

    With the `effects` of a recipe, the page describes them and shows a picture, which is also
    written as `recipe.png`. Without `pictures` no photo is shown or written.
    """
    with files.new_folder(folder):
        return _write(inspection, folder, pictures, effects)


def _write(
    inspection: Inspection, folder: Path, pictures: bool, effects: Effects | None
) -> tuple[Path, Path]:
    page, csv_file = folder / "inspect.html", folder / "problems.csv"
    table = inspection.photos.table
    checks.write(csv_file, inspection.problems)
    pages.write(
        page,
        "inspect.html",
        data=str(inspection.data),
        photos=len(table),
        people=table["person"].nunique(),
        tests=inspection.tests,
        fatal=sum(problem.fatal for problem in inspection.problems),
        kinds=_kinds(inspection.problems),
        listing=csv_file.name,
        twins=_twins(inspection) if pictures else [],
        twin_pairs=len(inspection.near_duplicates.pairs),
        attributes=[_shares(table, name) for name in _NAMES if _known(table, name)],
        classes=_classes(table),
        cells=_cells(table),
        ages=_ages(table),
        stored=_stored(inspection),
        colours=_colours(inspection) if len(table) else None,
        sheets=list(_sheets(inspection)) if pictures else [],
        effects=effects,
        effects_picture=_write_effects(inspection, effects, folder)
        if effects and pictures
        else None,
        pictures=pictures,
        photos_per_sheet=PHOTOS_PER_SHEET,
        bands=labels.AGE_BANDS,
        genders=[*labels.GENDERS, "all"],
        bar=charts.share_bar,
    )
    return page, csv_file


def _write_effects(inspection: Inspection, effects: Effects, folder: Path) -> dict[str, str] | None:
    """Write the picture of a recipe's effects; its file and data URL, None without photos."""
    if not len(inspection.photos.table):
        return None
    picture = effects.picture(inspection.photos)
    path = folder / "recipe.png"
    files.replace(path, lambda target: picture.save(target, "PNG"))
    return {"file": path.name, "uri": pages.picture(picture, max(picture.size))}


def _known(table: pd.DataFrame, name: str) -> bool:
    return bool((table[name] != labels.UNKNOWN).any())


def _kinds(problems: list[Problem]) -> list[dict[str, Any]]:
    """The problems by kind, blocking ones first: meaning, number, and the first few."""
    ordered = sorted(problems, key=lambda problem: (not problem.fatal, problem.kind))
    kinds = []
    for (fatal, kind), group in groupby(ordered, lambda problem: (problem.fatal, problem.kind)):
        of_kind = list(group)
        sample = of_kind[:MAX_PROBLEMS]
        meaning = checks.KINDS[kind]
        kinds.append(
            {"kind": kind, "fatal": fatal, "meaning": meaning, "count": len(of_kind)}
            | {"problems": sample, "remedies": list(dict.fromkeys(_remedies(of_kind)))}
        )
    return kinds


def _remedies(problems: list[Problem]) -> Iterator[str]:
    return (problem.remedy for problem in problems if problem.remedy)


def _shares(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Photos and people for each value of an attribute, and for unknown."""
    values = [*labels.ATTRIBUTES[name], "unknown"]  # UNKNOWN, -1, is the last
    rows = [
        _count(table[table[name].to_numpy() % len(values) == code], len(table), value)
        for code, value in enumerate(values)
    ]
    return {"name": _NAMES[name], "rows": rows if rows[-1]["photos"] else rows[:-1]}


def _count(rows: pd.DataFrame, total: int, name: str) -> dict[str, Any]:
    people = rows["person"].nunique()
    return {"name": name, "photos": len(rows), "people": people, "share": len(rows) / max(total, 1)}


def _classes(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Photos and people of the 18 classes; empty if no photo is fully labelled."""
    full = table[table["label"] != labels.UNKNOWN]
    most = int(full["label"].value_counts().max()) if len(full) else 0
    return [
        _count(full[full["label"] == label], most, name)
        for label, name in enumerate(labels.CLASSES if most else ())
    ]


def _cells(table: pd.DataFrame) -> list[list[int]]:
    """People by gender (rows) and age band (columns), with sums; empty if nobody has both."""
    people = table.drop_duplicates("person")
    known = people[(people["gender"] != labels.UNKNOWN) & (people["age_band"] != labels.UNKNOWN)]
    if not len(known):
        return []
    counts = np.zeros((len(labels.GENDERS) + 1, len(labels.AGE_BANDS) + 1), dtype=int)
    np.add.at(counts, (known["gender"], known["age_band"]), 1)
    counts[-1], counts[:, -1] = counts.sum(0), counts.sum(1)
    counts[-1, -1] = counts[:-1, -1].sum()
    return counts.tolist()


def _ages(table: pd.DataFrame) -> str:
    """People by year of age, men above and women below the line; unknown ages are left out."""
    people = table.drop_duplicates("person").dropna(subset="age")
    if not len(people):
        return ""
    years = people["age"].astype(int)
    first, last = int(years.min()), int(years.max())
    counts = {
        name: np.bincount(years[people["gender"] == code] - first, minlength=last - first + 1)
        for code, name in enumerate(labels.GENDERS)
    }
    return charts.columns(
        {name: count.tolist() for name, count in counts.items()},
        list(range(first, last + 2)),
        "years",
        "People by age: male above, female below the line",
        marks=labels.AGE_BOUNDARIES,
    )


def _stored(inspection: Inspection) -> dict[str, list[dict[str, Any]]]:
    """How the photos are stored: sizes and formats, the most frequent first."""
    files, table = inspection.files, inspection.photos.table
    size = files["width"].astype("str") + " × " + files["height"].astype("str")
    suffix = table["photo"].str.rsplit(".", n=1).str[-1].str.lower()
    kind = files["format"] + " in ." + suffix
    return {
        name: [
            {"name": value, "photos": count, "share": count / len(table)}
            for value, count in column.value_counts().head(12).items()
        ]
        for name, column in (("Width × height", size), ("Format", kind))
    }


def _colours(inspection: Inspection) -> dict[str, Any]:
    store = inspection.store
    mean, std = cache.statistics(store, np.arange(len(store)))
    counts, edges = np.histogram(inspection.grey[:, 0], bins=32, range=(0, 256))
    chart = charts.columns({"photos": counts.tolist()}, edges.tolist(), "mean grey", "Brightness")
    channels = zip(("red", "green", "blue"), mean, std, strict=True)
    return {
        "channels": list(channels),
        "swatch": "rgb({})".format(",".join(f"{255 * value:.0f}" for value in mean)),
        "brightness": chart,
    }


def _picture(inspection: Inspection, row: int) -> str:
    return pages.picture(Image.fromarray(inspection.store[row]), _SIDE)


def _twins(inspection: Inspection) -> list[dict[str, Any]]:
    """The pairs of people who share a near-duplicate: one pair of photos each, side by side."""
    table = inspection.photos.table
    row_of = dict(zip(table["photo"], range(len(table)), strict=True))
    person, mask = table["person"].to_numpy(), table["mask"].to_numpy()
    pairs = [[row_of[name] for name in pair] for pair in inspection.near_duplicates.pairs]
    by_people = {  # the pair with fewest masks last, so that it is kept
        tuple(sorted(str(person[row]) for row in rows)): rows
        for rows in sorted(pairs, key=lambda rows: int(mask[rows].sum()))
    }
    return [
        {
            "people": people,
            "photos": [table["photo"].iloc[row] for row in rows],
            "pictures": [_picture(inspection, row) for row in rows],
        }
        for people, rows in list(by_people.items())[:MAX_PAIRS]
    ]


def _sheets(inspection: Inspection) -> Iterator[dict[str, Any]]:
    """A contact sheet of each class, or of each combination of known labels.

    Up to ON_A_SHEET photos of different people, the same at every call.
    """
    table = inspection.photos.table
    for _, rows in table.groupby(list(_NAMES)):
        codes = [int(rows[name].iloc[0]) for name in _NAMES]
        words = [
            labels.ATTRIBUTES[name][code]
            for name, code in zip(_NAMES, codes, strict=True)
            if code != labels.UNKNOWN
        ]
        people = rows.drop_duplicates("person")
        chosen = people.sample(min(PHOTOS_PER_SHEET, len(people)), random_state=0).index
        yield {
            "name": " ".join(words) or "unlabelled",
            "photos": len(rows),
            "pictures": [(table["photo"][row], _picture(inspection, row)) for row in chosen],
        }
