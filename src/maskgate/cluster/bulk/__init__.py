"""A large folder or bucket of photos → parquet, on a Ray cluster, a part at a time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from maskgate.cluster import ray_cluster
from maskgate.cluster.bulk import listing, parts
from maskgate.cluster.bulk.answering import Answering, schema
from maskgate.cluster.bulk.listing import Listing
from maskgate.cluster.bulk.parts import Asked, Parts
from maskgate.cluster.remote import Driver
from maskgate.core.progress import say, track
from maskgate.errors import MaskgateError, listed
from maskgate.faces.reader import BATCH
from maskgate.inference import loading

__all__ = ["PART", "BulkJob", "Done", "predict"]

# Photos. Whole batches, so that these hold the same photos as without a cluster: in others, a sum
# may be rounded otherwise.
PART: Final = 160 * BATCH
_BLOCK: Final = 4 * BATCH  # at once to a process of the cluster


@dataclass(frozen=True)
class BulkJob:
    """What is asked for: `photos` are paths and addresses, `part` photos a file of `out`; `trust`
    where the user vouches for the model's code."""

    model: Path
    photos: Sequence[str]
    out: Path
    part: int = PART
    all_faces: bool = False
    cache: Path | None = None
    trust: bool = False


@dataclass(frozen=True)
class Done:
    """What a command has done, and what the whole folder holds of unreadable photos."""

    parts: Parts
    photos: int  # answered by this command
    seconds: float
    faults: list[tuple[str, str]]

    def sentence(self) -> str:
        """One line: where, how many, how fast."""
        whole = self.parts
        speed = f", {self.photos / self.seconds:,.1f} photos/s" if self.photos else ""
        unread = f", {len(self.faults):,} of them unreadable" if self.faults else ""
        return (
            f"{whole.folder}: {whole.asked.count:,} photos in {whole.count:,} parts{unread}{speed}"
        )

    def refuse_faults(self) -> None:
        """Raise MaskgateError that names photos that could not be read, where there are any."""
        if self.faults:
            told = listed([f"{photo} ({why})" for photo, why in self.faults])
            raise MaskgateError(
                f"{len(self.faults):,} of {self.parts.asked.count:,} photos cannot be read: {told};"
                f" the column fault in {self.parts.folder} tells of each; to leave them at that,"
                " repeat the command with --skip-faulty"
            )


def predict(order: BulkJob, on: str) -> Done:
    """Answer all photos on the cluster `on`, into files `part-000000.parquet` and so on.

    Their rows are those of `Predictor.predict` in the order of the photos, with a column `fault`:
    why a photo cannot be read, empty where it can. Parts that are there already are left. Raises
    MaskgateError.
    """
    predictor = loading.load(order.model, order.cache, trust=order.trust)
    if order.all_faces:
        predictor.check_all_faces()
    columns, digest = schema(predictor), predictor.digest
    del predictor  # the cluster's processes load their own
    photos = listing.find(order.photos)
    asked = Asked(
        model=digest,
        photos=photos.digest,
        count=len(photos),
        part=order.part,
        all_faces=order.all_faces,
        names=photos.names,
    )
    with parts.opened(order.out, asked, photos.contents) as whole:
        since, wanted = time.monotonic(), whole.missing()
        left = sum(len(whole.photos(part)) for part in wanted)
        say(
            f"{order.out}: {len(photos):,} photos in {whole.count:,} parts, of which"
            f" {len(wanted):,} are to be written"
        )
        if wanted:
            blocks = list(_blocks(photos, whole, wanted))
            for done in track(
                _written(order, photos, columns, blocks=blocks, whole=whole, on=on), "photos", left
            ):
                del done
        return Done(whole, left, time.monotonic() - since, list(whole.faults()))


def _blocks(photos: Listing, whole: Parts, wanted: Sequence[int]) -> Iterator[pa.Table]:
    """Tables of the photos of some parts: `row`, `source` and `path`; none is of two parts."""
    for part in wanted:
        rows = whole.photos(part)
        for start in range(rows.start, rows.stop, _BLOCK):
            some = range(start, min(start + _BLOCK, rows.stop))
            yield pa.table(
                {
                    "row": pa.array(some, pa.int64()),
                    "source": pa.array([photos.places[row] for row in some], pa.int32()),
                    "path": pa.array([photos.paths[row] for row in some], pa.string()),
                }
            )


def _written(
    order: BulkJob,
    photos: Listing,
    columns: pa.Schema,
    blocks: list[pa.Table],
    whole: Parts,
    on: str,
) -> Iterator[int]:
    """Write the parts as their photos are answered; a number for each of these."""
    with ray_cluster.joined(on) as ray:
        ray_cluster.quieten()
        share = ray_cluster.share(ray)
        answered = ray.data.from_arrow(blocks).map_batches(
            Answering,
            fn_constructor_args=(
                order.model,
                order.cache,
                order.trust,
                order.all_faces,
                photos.sources,
                columns,
                Driver.here(share.cores),
            ),
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(share.room, len(blocks))),
            num_cpus=share.cores,
            num_gpus=share.gpus,
        )
        try:
            for rows in answered.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield from range(whole.add(rows))
        except ray.exceptions.RayError as error:
            raise ray_cluster.fault_of(error) from error
