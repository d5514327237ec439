"""A process of the cluster: it loads the model once, then predicts block after block."""

import socket
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
from maskgate.errors import MaskgateError
from maskgate.faces.reader import Photo
from maskgate.inference import loading
from maskgate.inference.predictions import AGE, FACE, Predictions
from maskgate.inference.predictor import Predictor


def schema(predictor: Predictor) -> pa.Schema:
    """The columns of a block's predictions: `row`, those of `Predictor.predict`, and `fault`."""
    fields: list[tuple[str, Any]] = [("row", pa.int64()), ("photo", pa.string())]
    if predictor.finds_faces:
        fields += [(name, pa.float32()) for name in FACE]
    for name in labels.ATTRIBUTES:
        fields += [(name, pa.string()), (f"{name}_probability", pa.float32())]
        if name in predictor.thresholds:
            fields.append((f"{name}_unsure", pa.bool_()))
    if predictor.predicts_ages:
        fields.append((AGE, pa.float32()))
    fields += [("label", pa.int8()), *((name, pa.float32()) for name in labels.PROBABILITY_COLUMNS)]
    return pa.schema([*fields, ("fault", pa.string())])


class BlockPredictor:
    """Predicts blocks of photos. The model is loaded with the first block, so that an error in
    loading is reported as that of a block; it must have the `digest` that it has for the driver.

    Its tables have an extra column CONTENT: a digest of the photo's file.
    """

    def __init__(
        self,
        model: Path | None,
        cache: Path | None,
        trust: bool,
        all_faces: bool,
        sources: list[str],
        columns: pa.Schema,
        digest: str,
        driver: Driver,
    ) -> None:
        self.model, self.cache, self.trust, self.all_faces = model, cache, trust, all_faces
        self.sources, self.columns, self.driver = sources, columns, driver
        self.digest = digest
        self.predictor: Predictor | None = None

    def __call__(self, block: pa.Table) -> pa.Table:
        if self.predictor is None:
            self.driver.set_up()
            self.predictor = loading.load(self.model, self.cache, trust=self.trust)
            self._check_same(self.predictor)
        places = [self.sources[number] for number in block["source"].to_pylist()]
        paths = block["path"].to_pylist()
        numbers = block["row"].to_pylist()
        contents = dict.fromkeys(numbers, "")  # digests; empty if the photo cannot be fetched
        photos: list[Photo] = [
            partial(_fetch, place, path, contents, number)
            for place, path, number in zip(places, paths, numbers, strict=True)
        ]
        names = [listing.name(*each) for each in zip(places, paths, strict=True)]
        rows, predictions, faults = self.predictor.rows(photos, names, self.all_faces)
        read = self._table([numbers[row] for row in rows], predictions)
        unread = pa.Table.from_pylist(
            [
                {"row": numbers[row], "photo": names[row], "fault": reason}
                for row, reason in faults.items()
            ],
            schema=self.columns,
        )
        table = pa.concat_tables([read, unread])
        digests = [contents[row] for row in table["row"].to_pylist()]
        return table.append_column(CONTENT, pa.array(digests, pa.string()))

    def _check_same(self, predictor: Predictor) -> None:
        """Raise MaskgateError where this node predicts otherwise than the driver."""
        if predictor.digest != self.digest:
            detectors = [view.detector for view in predictor.views if view.detector is not None]
            raise MaskgateError(
                f"{socket.gethostname()}: has another model than the node that started the command,"
                f" or another face detector ({', '.join(each.name for each in detectors)}); give"
                " both the same files"
            )

    def _table(self, rows: list[int], predictions: Predictions) -> pa.Table:
        """Predictions with the numbers of their photos; null if the model does not predict it."""
        columns = {"row": rows, **predictions.columns(), "fault": [None] * len(rows)}
        columns["label"] = np.ma.masked_equal(columns["label"], labels.UNKNOWN)
        return pa.table(
            [pa.array(columns[field.name], field.type, from_pandas=True) for field in self.columns],
            schema=self.columns,
        )


def _fetch(place: str, path: str, contents: dict[int, str], number: int) -> bytes:
    """The bytes of a photo; its digest is stored in `contents`."""
    content = listing.fetch(place, path)
    contents[number] = digest(content).hex()
    return content
