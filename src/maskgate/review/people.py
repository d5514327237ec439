"""The people whose labels are reviewed: their photos, their labels, and what a run predicts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.data import layouts, names, seven_photos
from maskgate.data.label_map import NO_MAP, LabelMap
from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.results import known_attributes

Rows = npt.NDArray[np.int64]


class Prediction(NamedTuple):
    """A value in words and its probability."""

    value: str
    probability: float


@dataclass(frozen=True)
class People:
    """A photo table (N rows) of photos in `root`.

    `probabilities` (N, 18) are out of fold, NaN where a photo was not validated. `attributes` are
    those that the model predicts. `digests` are the contents (hex) by photo; without a run empty,
    and then any content is shown.
    """

    root: Path
    table: pd.DataFrame
    probabilities: npt.NDArray[np.float32]
    attributes: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def rows_by_name(self) -> dict[str, Rows]:
        """The rows of each person, by the name in normal form."""
        groups = self.table.groupby(self.table["person"].map(names.normalise)).indices
        return {str(name): np.asarray(rows, np.int64) for name, rows in groups.items()}

    @cached_property
    def row_by_photo(self) -> dict[str, int]:
        """The row of each photo, by the name in normal form."""
        return {names.normalise(photo): row for row, photo in enumerate(self.table["photo"])}

    @cached_property
    def _names_by_id(self) -> dict[str, str]:
        return seven_photos.names_by_id(self.rows_by_name)

    def find(self, name: str) -> str | None:
        """The person of that name or id; None if there is none, or if several have the id."""
        name = names.normalise(name)
        return name if name in self.rows_by_name else self._names_by_id.get(name)

    def label(self, rows: Rows, attribute: str) -> str:
        """The most frequent label of these rows in words; empty if none is known."""
        codes = self.table[attribute].to_numpy()[rows]
        codes = codes[codes != labels.UNKNOWN]
        if not len(codes):
            return ""
        return labels.ATTRIBUTES[attribute][int(np.bincount(codes).argmax())]

    def marginal(self, rows: Rows, attribute: str) -> npt.NDArray[np.float64] | None:
        """The mean out-of-fold probability (C,) of each value over these rows; None if unknown."""
        if attribute not in self.attributes:
            return None
        probabilities = self.probabilities[rows]
        probabilities = probabilities[np.isfinite(probabilities).all(axis=1)]
        if not len(probabilities):
            return None
        return labels.marginals(probabilities.astype(np.float64))[attribute].mean(0)

    def prediction(self, rows: Rows, attribute: str) -> Prediction | None:
        """The most probable value, and its mean probability over these rows."""
        marginal = self.marginal(rows, attribute)
        if marginal is None:
            return None
        code = int(marginal.argmax())
        return Prediction(labels.ATTRIBUTES[attribute][code], float(marginal[code]))


def of_run(run: RunFolder, data: Path | None, label_map: LabelMap = NO_MAP) -> People:
    """The people of a run, whose photos are in `data`, or where the run was trained. Raises
    MaskgateError."""
    table = tables.photos(run)
    root = Path(run.status().root) if data is None else layouts.read(data, label_map).root
    if not root.is_dir():
        raise MaskgateError(
            f"{root}: the photos that {run.path} was trained on are gone; name them with --data"
        )
    tables.check_names(run, table["photo"].tolist(), root)
    probabilities = np.full((len(table), labels.COUNT), np.nan, np.float32)
    attributes: tuple[str, ...] = ()
    results = run.metrics()
    if results.validated:
        rows, predicted = tables.oof(run)
        places = pd.Index(table["photo"]).get_indexer(pd.Index(rows["photo"]))
        probabilities[places] = predicted
        attributes = tuple(known_attributes(results))
    digests = dict(zip(table["photo"], table["digest"], strict=True))
    return People(root, table, probabilities, attributes=attributes, digests=digests)


def of_data(data: Path, label_map: LabelMap = NO_MAP) -> People:
    """The people of a data set, without predictions. Raises MaskgateError."""
    photos = layouts.read(data, label_map)
    nan = np.full((len(photos.table), labels.COUNT), np.nan, np.float32)
    return People(photos.root, photos.table, nan)
