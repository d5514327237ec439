"""A process of the cluster: it loads the model once, then predicts block after block."""

import socket
from dataclasses import dataclass
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


@dataclass(frozen=True)
class WorkerSettings:
    """What each process of the cluster needs to predict blocks."""

    model: Path | None  # None for the default model of the process
    cache: Path | None
    trust: bool  # whether the model's own code may run
    all_faces: bool
    sources: list[str]  # `Listing.sources`
    columns: pa.Schema  # of the predictions
    digest: str  # of the model, as the driver has it
    driver: Driver


@dataclass
class _BlockPhoto:
    """A photo of a block; a call of it fetches its bytes. `content_digest` is empty before, and if
    the photo cannot be fetched."""

    row: int  # in the listing
    source: str
    path: str
    content_digest: str = ""

    @property
    def name(self) -> str:
        return listing.name(self.source, self.path)

    def __call__(self) -> bytes:
        content = listing.fetch(self.source, self.path)
        self.content_digest = digest(content).hex()
        return content


class BlockPredictor:
    """Predicts blocks of photos. The model is loaded with the first block, so that an error in
    loading is reported as that of a block; it must be the driver's.

    Its tables have an extra column CONTENT: a digest of the photo's file.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.predictor: Predictor | None = None

    def __call__(self, block: pa.Table) -> pa.Table:
        if self.predictor is None:
            self.predictor = self._load()
        photos = self._photos(block)
        names = [photo.name for photo in photos]
        places, predictions, faults = self.predictor.rows(photos, names, self.settings.all_faces)
        read = self._table([photos[place].row for place in places], predictions)
        unread = pa.Table.from_pylist(
            [
                {"row": photos[place].row, "photo": names[place], "fault": reason}
                for place, reason in faults.items()
            ],
            schema=self.settings.columns,
        )
        table = pa.concat_tables([read, unread])
        digest_of_row = {photo.row: photo.content_digest for photo in photos}
        digests = [digest_of_row[row] for row in table["row"].to_pylist()]
        return table.append_column(CONTENT, pa.array(digests, pa.string()))

    def _load(self) -> Predictor:
        settings = self.settings
        settings.driver.set_up()
        predictor = loading.load(settings.model, settings.cache, trust=settings.trust)
        self._check_same(predictor)
        return predictor

    def _photos(self, block: pa.Table) -> list[_BlockPhoto]:
        columns = (block[name].to_pylist() for name in ("row", "source", "path"))
        return [
            _BlockPhoto(row, self.settings.sources[source], path)
            for row, source, path in zip(*columns, strict=True)
        ]

    def _check_same(self, predictor: Predictor) -> None:
        """Raise MaskgateError where this node predicts otherwise than the driver."""
        if predictor.digest != self.settings.digest:
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
        arrays = [
            pa.array(columns[field.name], field.type, from_pandas=True)
            for field in self.settings.columns
        ]
        return pa.table(arrays, schema=self.settings.columns)
