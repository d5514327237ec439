"""The photo table: one row per photo, for every layout of data."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core import notebook
from maskgate.data.checks import Problem

COLUMNS: Final = ("photo", "person", "mask", "gender", "age", "age_band", "label")
AGE_GROUP: Final = ("age_from", "age_to")


@dataclass(frozen=True)
class Photos:
    """A data set: the folder, the photo table and its problems.

    `table` has the columns of COLUMNS: `photo` (path relative to `root`), `person`, the
    codes `mask`, `gender`, `age_band` and `label` (int8, -1 where unknown) and `age` in
    years (float32, NaN where unknown). A table with age groups also has those of AGE_GROUP: the
    first and the last year of each group (float32, NaN where unknown). Drawn photos may have
    another column, `drawn_from`: the digests in hex of the photos that they were made from, with
    spaces between them, else "".
    `unlabelled` are photos that are not in the table because they have no reliable label.
    """

    root: Path
    table: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)

    def without(self, problems: Iterable[Problem]) -> "Photos":
        """The data set without the photos that `problems` name; these are added to its problems."""
        problems = list(problems)
        bad = {problem.where for problem in problems}
        table = self.table[~self.table["photo"].isin(bad)].reset_index(drop=True)
        return replace(self, table=table, problems=[*self.problems, *problems])

    def in_words(self) -> pd.DataFrame:
        """The photo table with labels in words; see `in_words`."""
        return in_words(self.table)

    def __repr__(self) -> str:
        table = self.table
        lines = [f"{self.root}: {len(table):,} photos of {table['person'].nunique():,} people"]
        for name, values in labels.ATTRIBUTES.items():
            counts = [
                (value, int((table[name] == code).sum())) for code, value in enumerate(values)
            ]
            counts.append(("unknown", int((table[name] == labels.UNKNOWN).sum())))
            texts = [f"{value} {count:,}" for value, count in counts if count]
            lines.append(f"{name}: {', '.join(texts)}")
        kinds = Counter(problem.kind for problem in self.problems)
        lines += [f"{count} × {kind}" for kind, count in kinds.most_common()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """In a notebook: how many photos and people have each label, and the kinds of problems."""
        table = self.table
        rows = [
            (name.replace("_", " "), value, f"{chosen.sum():,}", f"{people:,}")
            for name, values in labels.ATTRIBUTES.items()
            for code, value in [*enumerate(values), (labels.UNKNOWN, "unknown")]
            if (people := table.loc[chosen := table[name] == code, "person"].nunique())
        ]
        count = f"{self.root}: {len(table):,} photos of {table['person'].nunique():,} people"
        problems = Counter(problem.kind for problem in self.problems)
        return notebook.paragraph(count) + "".join(
            notebook.table(header, body)
            for header, body in (
                (["attribute", "label", "photos", "people"], rows),
                (["problem", "how often"], problems.most_common()),
            )
            if body
        )

    def take(self, rows: "np.ndarray") -> "Photos":
        """The data set with only the rows at these positions."""
        return replace(self, table=self.table.iloc[rows].reset_index(drop=True))


def origins(table: pd.DataFrame) -> "pd.Series[str]":
    """The digests, in hex, of the photos that drawn ones were made from: one each, under the index
    of the drawn photo in the table. Photos that are not drawn have none."""
    drawn_from = table.get("drawn_from", pd.Series(dtype="str")).fillna("")
    return drawn_from.str.split().explode().dropna()


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """A photo table with words in place of codes: `mask`, `gender` and `age_band` by their values,
    such as `not_wear`, `label` by its class, such as `wear male <30`; missing where unknown."""
    values = labels.ATTRIBUTES | {"label": labels.CLASSES}
    words = {
        name: pd.Series([*names, None], dtype="str").iloc[table[name]].set_axis(table.index)
        for name, names in values.items()  # UNKNOWN, -1, is the last
    }
    return table.assign(**words)


def build(
    photo: Iterable[str],
    person: Iterable[str],
    mask: Iterable[int],
    gender: Iterable[int],
    age: Iterable[float],
    age_band: Iterable[int] | None = None,
) -> pd.DataFrame:
    """A photo table from its columns, each (N,); by default bands are computed from the ages."""
    years = np.asarray(age, dtype=np.float32)
    band = labels.age_band(years) if age_band is None else np.asarray(age_band, dtype=np.int8)
    masks, genders = (np.asarray(column, dtype=np.int8) for column in (mask, gender))
    return pd.DataFrame(
        {
            "photo": pd.Series(list(photo), dtype="str"),
            "person": pd.Series(list(person), dtype="str"),
            "mask": masks,
            "gender": genders,
            "age": years,
            "age_band": band,
            "label": labels.encode(masks, genders, band),
        }
    )
