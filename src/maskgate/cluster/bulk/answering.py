"""What a process of the cluster does: load the model once, then answer block after block."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from maskgate import labels
from maskgate.cluster.bulk import listing
from maskgate.cluster.bulk.parts import CONTENT
from maskgate.cluster.remote import Driver
from maskgate.data.contents import digest
from maskgate.faces.reader import Photo
from maskgate.inference import loading
from maskgate.inference.predictions import FACE, Predictions
from maskgate.inference.predictor import Predictor


def schema(predictor: Predictor) -> pa.Schema:
    """The columns of a block's answers: `row`, those of `Predictor.predict`, and `fault`."""
    fields: list[tuple[str, Any]] = [("row", pa.int64()), ("photo", pa.string())]
    if predictor.finds_faces:
        fields += [(name, pa.float32()) for name in FACE]
    for name in labels.ATTRIBUTES:
        fields += [(name, pa.string()), (f"{name}_probability", pa.float32())]
    fields += [("label", pa.int8()), *((name, pa.float32()) for name in labels.PROBABILITY_COLUMNS)]
    return pa.schema([*fields, ("fault", pa.string())])


class Answering:
    """A model, loaded with the first block: what fails then is told as a fault of that.

    Its answers have a further column CONTENT: a digest of the photo's file.
    """

    def __init__(
        self,
        model: Path,
        cache: Path | None,
        trust: bool,
        all_faces: bool,
        sources: list[str],
        columns: pa.Schema,
        driver: Driver,
    ) -> None:
        self.model, self.cache, self.trust, self.all_faces = model, cache, trust, all_faces
        self.sources, self.columns, self.driver = sources, columns, driver
        self.predictor: Predictor | None = None

    def __call__(self, block: pa.Table) -> pa.Table:
        if self.predictor is None:
            self.driver.settle()
            self.predictor = loading.load(self.model, self.cache, trust=self.trust)
        places = [self.sources[number] for number in block["source"].to_pylist()]
        paths = block["path"].to_pylist()
        numbers = block["row"].to_pylist()
        contents = dict.fromkeys(numbers, "")  # of those that can be fetched, digests
        photos: list[Photo] = [
            partial(_fetched, place, path, contents, number)
            for place, path, number in zip(places, paths, numbers, strict=True)
        ]
        names = [listing.name(*each) for each in zip(places, paths, strict=True)]
        rows, predictions, faults = self.predictor.rows(photos, names, self.all_faces)
        read = self._table([numbers[row] for row in rows], predictions)
        unread = pa.Table.from_pylist(
            [
                {"row": numbers[row], "photo": names[row], "fault": why}
                for row, why in faults.items()
            ],
            schema=self.columns,
        )
        whole = pa.concat_tables([read, unread])
        of_rows = [contents[row] for row in whole["row"].to_pylist()]
        return whole.append_column(CONTENT, pa.array(of_rows, pa.string()))

    def _table(self, rows: list[int], predictions: Predictions) -> pa.Table:
        """Predictions with the numbers of their photos; null is what the model does not know."""
        columns = {"row": rows, **predictions.columns(), "fault": [None] * len(rows)}
        columns["label"] = np.ma.masked_equal(columns["label"], labels.UNKNOWN)
        return pa.table(
            [pa.array(columns[field.name], field.type, from_pandas=True) for field in self.columns],
            schema=self.columns,
        )


def _fetched(place: str, path: str, contents: dict[int, str], number: int) -> bytes:
    """The bytes of a photo, whose digest is noted."""
    content = listing.fetch(place, path)
    contents[number] = digest(content).hex()
    return content
