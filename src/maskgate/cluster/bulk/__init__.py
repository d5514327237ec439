"""Predicts a large folder or bucket of photos on a Ray cluster, into parquet files."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from maskgate.cluster import Cluster, ray_cluster
from maskgate.cluster.bulk import listing, parts
from maskgate.cluster.bulk.block_predictor import BlockPredictor, WorkerSettings, schema
from maskgate.cluster.bulk.listing import Listing
from maskgate.cluster.bulk.parts import Manifest, Parts
from maskgate.cluster.remote import Driver
from maskgate.core.progress import say, track
from maskgate.errors import MaskgateError, listed
from maskgate.faces.reader import BATCH
from maskgate.inference import loading

__all__ = ["PART", "BulkJob", "BulkReport", "predict"]

# Photos per file. Whole batches, so that they are the same as without a cluster: in other batches,
# sums may be rounded differently.
PART: Final = 160 * BATCH
_BLOCK: Final = 4 * BATCH  # photos that a process gets at once


@dataclass(frozen=True)
class BulkJob:
    """One bulk prediction: `photos` are paths and URLs, `part` is the number of photos per file of
    `out`; `trust` allows the model's own code to run. Without a `model` it is the default model of
    each process."""

    model: Path | None
    photos: Sequence[str]
    out: Path
    part: int = PART
    all_faces: bool = False
    cache: Path | None = None
    trust: bool = False


@dataclass(frozen=True)
class BulkReport:
    """What a command did, and all unreadable photos of the output folder."""

    parts: Parts
    photos: int  # predicted by this command
    seconds: float
    faults: list[tuple[str, str]]

    def sentence(self) -> str:
        """One line: folder, number of photos, speed."""
        parts = self.parts
        speed = f", {self.photos / self.seconds:,.1f} photos/s" if self.photos else ""
        unread = f", {len(self.faults):,} of them unreadable" if self.faults else ""
        photos = f"{parts.manifest.count:,} photos in {parts.count:,} parts"
        return f"{parts.folder}: {photos}{unread}{speed}"

    def refuse_faults(self) -> None:
        """Raise MaskgateError that names the photos that could not be read, if there are any."""
        if self.faults:
            unreadable = listed([f"{photo} ({reason})" for photo, reason in self.faults])
            raise MaskgateError(
                f"{len(self.faults):,} of {self.parts.manifest.count:,} photos cannot be read:"
                f" {unreadable}; the column fault in {self.parts.folder} lists all; to accept that,"
                " repeat the command with --skip-faulty"
            )


def predict(order: BulkJob, on: Cluster) -> BulkReport:
    """Predict all photos on the cluster `on`, into files `part-000000.parquet` and so on.

    Their rows are those of `Predictor.predict` in the order of the photos, with a column `fault`:
    why a photo cannot be read, empty if it can. Existing parts are kept. Raises MaskgateError.
    """
    predictor = loading.load(order.model, order.cache, trust=order.trust)
    if order.all_faces:
        predictor.check_all_faces()
    columns, digest = schema(predictor), predictor.digest
    del predictor  # the cluster's processes load their own
    photos = listing.find(order.photos)
    manifest = Manifest(
        model=digest,
        photos=photos.digest,
        count=len(photos),
        part=order.part,
        all_faces=order.all_faces,
        names=photos.names,
    )
    with parts.opened(order.out, manifest, photos.contents) as output:
        started, missing = time.monotonic(), output.missing()
        remaining = sum(len(output.photos(part)) for part in missing)
        say(
            f"{order.out}: {len(photos):,} photos in {output.count:,} parts, of which"
            f" {len(missing):,} are to be written"
        )
        if missing:
            blocks = list(_blocks(photos, output, missing))
            for done in track(
                _write_parts(order, photos, columns, blocks=blocks, output=output, on=on),
                "photos",
                remaining,
            ):
                del done
        return BulkReport(output, remaining, time.monotonic() - started, list(output.faults()))


def _blocks(photos: Listing, output: Parts, missing: Sequence[int]) -> Iterator[pa.Table]:
    """Tables of photos: `row`, `source` and `path`. Each table belongs to one of the `missing`
    parts."""
    for part in missing:
        rows = output.photos(part)
        for start in range(rows.start, rows.stop, _BLOCK):
            block = range(start, min(start + _BLOCK, rows.stop))
            yield pa.table(
                {
                    "row": pa.array(block, pa.int64()),
                    "source": pa.array([photos.places[row] for row in block], pa.int32()),
                    "path": pa.array([photos.paths[row] for row in block], pa.string()),
                }
            )


def _write_parts(
    order: BulkJob,
    photos: Listing,
    columns: pa.Schema,
    blocks: list[pa.Table],
    output: Parts,
    on: Cluster,
) -> Iterator[int]:
    """Write the parts as their photos are predicted; yields once per photo."""
    with ray_cluster.joined(on.address) as ray:
        ray_cluster.quieten()
        share = ray_cluster.share(ray, on.gpus_per_task)
        settings = WorkerSettings(
            model=order.model,
            cache=order.cache,
            trust=order.trust,
            all_faces=order.all_faces,
            sources=photos.sources,
            columns=columns,
            digest=output.manifest.model,
            driver=Driver.current(share.cores),
        )
        answered = ray.data.from_arrow(blocks).map_batches(
            BlockPredictor,
            fn_constructor_args=(settings,),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(share.room, len(blocks))),
            num_cpus=share.cores,
            num_gpus=share.gpus,
        )
        try:
            for rows in answered.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield from range(output.add(rows))
        except ray.exceptions.RayError as error:
            raise ray_cluster.fault_of(error) from error
