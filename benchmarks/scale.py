"""Measures training from a cache larger than memory, and what a table of a million photos costs.

    python -m benchmarks.scale pictures [--photos 200000] [--models NAME …] [--folder DIR]
    python -m benchmarks.scale table [--photos 1000000] [--folder DIR]
    python -m benchmarks.scale decode

`pictures` writes drawn pixels in the cache's format, without any photo. Before each measurement the
kernel forgets all of them, and a measurement reads no picture twice: it is as if memory was too
small to keep any. No memory is taken from other programs. Prints the rate at which the disk reads
pictures at random past the kernel's cache, those of the cache (one page fault after the other, a
batch at once, and batches ahead of time), and the ratio of real training to the model step alone,
as `benchmarks/training.py` measures it.

`table` writes empty files for photos, and an index and shards of a cache that knows them. Prints
the seconds and the memory of each step until the first batch; near-duplicates are measured by
`benchmarks/growth.py`.

`decode` prints how many photos of drawn people a core decodes for the cache a second of CPU time.
"""

import argparse
import mmap
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks import growth
from benchmarks.training import BATCH, Bench, Measured, recipe_of
from maskgate.config.recipe import Recipe, Sampling
from maskgate.core import files
from maskgate.core.geometry import Geometry
from maskgate.core.progress import say, track
from maskgate.data import contents, folds, layouts, near_duplicates
from maskgate.data import table as photo_table
from maskgate.data.table import Photos
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.pipeline import cache, sampling
from maskgate.pipeline.loader import Loader
from maskgate.pipeline.shards import ShardFolder, Shards
from maskgate.pipeline.transforms import Augment
from maskgate.synthetic.people import sample_people
from maskgate.training import processes

GEOMETRY: Final = Recipe.model_validate({"model": {"backbone": "resnet18"}}).photo.geometry
SET: Final = "stored"
UPDATES: Final = 48  # of a measured training: an epoch of many more ends with one checkpoint, too
READS: Final = 4096  # pictures of a measurement of reading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(required=True)
    pictures = parts.add_parser("pictures")
    pictures.add_argument("--photos", type=int, default=200_000)
    pictures.add_argument("--models", nargs="+", default=["mobilenetv4_conv_small"])
    pictures.add_argument("--rounds", type=int, default=5)
    pictures.set_defaults(work=measure_pictures)
    table = parts.add_parser("table")
    table.add_argument("--photos", type=int, default=1_000_000)
    table.set_defaults(work=measure_table)
    decode = parts.add_parser("decode")
    decode.add_argument("--photos", type=int, default=56)
    decode.set_defaults(work=measure_decoding)
    for part in (pictures, table, decode):
        part.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        arguments.work(arguments, Path(folder))


# -------------------------------------------------------------------------------- pictures


@dataclass(frozen=True)
class OnDisk:
    """`count` pictures in shards."""

    folder: ShardFolder
    count: int

    def store(self, seed: int, rows: int) -> cache.PhotoStore:
        """A store of random pictures, of which the kernel has none in memory."""
        for shard in range(len(self.folder.counts())):
            with open(self.folder.path(shard), "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        slots = np.random.default_rng(seed).permutation(self.count)[:rows]
        pictures = self.folder.open()
        return cache.PhotoStore(pictures, pictures, slots, [str(slot) for slot in slots])


class ByPageFaults(Shards):
    """The kernel is not told which pictures are needed."""

    def prefetch(self, slots: object) -> None:
        pass


def measure_pictures(arguments: argparse.Namespace, folder: Path) -> None:
    on_disk = OnDisk(write_pictures(folder, arguments.photos), arguments.photos)
    size = on_disk.folder.picture_bytes
    print(f"{on_disk.count:,} pictures of {size:,} bytes, {on_disk.count * size / 1e9:.1f} GB\n")
    print("| pictures read at random | a second | MB a second |\n|---|---|---|")
    for threads in (1, 16):
        show_rate(f"past the kernel's cache, threads: {threads}", disk_rate(on_disk, threads), size)
    for seed, (name, read) in enumerate(READERS.items()):
        rates = []
        for number in range(arguments.rounds):
            store = on_disk.store(100 * seed + number, READS)
            since = time.perf_counter()
            read(store)
            rates.append(READS / (time.perf_counter() - since))
        show_rate(name, statistics.median(rates), size)

    accelerator = processes.start("fp32")
    print("\n| training | photos a second | of the step alone |\n|---|---|---|")
    photos = table_of(folder, UPDATES * BATCH)
    for model in arguments.models:
        bench = Bench(recipe_of(model), {SET: photos}, folder, accelerator, stores={})
        results: dict[str, list[Measured]] = {}
        for number in range(arguments.rounds):
            for way in ("from memory", "from disk", "from disk, by page faults"):
                say(f"{model}, round {number + 1} of {arguments.rounds}: {way}")
                store = on_disk.store(1000 + number, UPDATES * BATCH)
                if way == "from memory":
                    store.rows(np.arange(len(store)))
                if "faults" in way:
                    store = by_page_faults(store)
                bench.stores[SET] = store
                results.setdefault(way, []).append(bench.training(SET))
        for way, measured in results.items():
            rate = statistics.median(each.rate for each in measured)
            ratios = sorted(each.ratio or 0.0 for each in measured)
            middle = f"{statistics.median(ratios):.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}]"
            print(f"| {model}, {way} | {rate:,.0f} | {middle} |", flush=True)


def show_rate(name: str, rate: float, size: int) -> None:
    print(f"| {name} | {rate:,.0f} | {rate * size / 1e6:,.0f} |", flush=True)


def write_pictures(folder: Path, count: int) -> ShardFolder:
    shards = ShardFolder(folder, "pixels", (*GEOMETRY.stored, 3))
    shards.reserve(np.arange(count))
    starts = range(0, count, BATCH)
    for start in track(starts, "writing pictures", count, size=BATCH):
        slots = range(start, min(start + BATCH, count))
        noise = np.frombuffer(os.urandom(len(slots) * shards.picture_bytes), np.uint8)
        for slot, picture in zip(slots, noise.reshape(-1, *shards.shape), strict=True):
            shards.write(slot, picture)
        shards.flush()
    return shards


def disk_rate(on_disk: OnDisk, threads: int) -> float:
    """Pictures a second that are read at random, each with all its blocks, past the cache."""
    folder, block = on_disk.folder, mmap.PAGESIZE
    blocks = -(-folder.picture_bytes // block)
    shard_blocks = folder.path(0).stat().st_size // block - blocks
    starts = np.random.default_rng(0).integers(0, shard_blocks, READS) * block
    shard = np.random.default_rng(1).integers(0, max(1, len(folder.counts()) - 1), READS)

    def read(thread: int) -> None:
        opened = [os.open(folder.path(n), os.O_RDONLY | os.O_DIRECT) for n in set(shard.tolist())]
        buffer = mmap.mmap(-1, blocks * block)
        for number, start in zip(shard[thread::threads], starts[thread::threads], strict=True):
            os.preadv(opened[number], [buffer], int(start))
        for descriptor in opened:
            os.close(descriptor)

    since = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, range(threads)))
    return READS / (time.perf_counter() - since)


def by_page_faults(store: cache.PhotoStore) -> cache.PhotoStore:
    pictures = store.pictures
    untold = ByPageFaults(pictures._maps, pictures._per_shard)
    return cache.PhotoStore(untold, untold, store.slots, store.digests)


def read_by_page_faults(store: cache.PhotoStore) -> None:
    read_batches(by_page_faults(store))


def read_batches(store: cache.PhotoStore) -> None:
    for start in range(0, len(store), BATCH):
        store.rows(np.arange(start, start + BATCH))


def read_ahead(store: cache.PhotoStore) -> None:
    """As the loader does, with a model that takes no time."""
    rows = np.arange(len(store))
    table = table_of(Path(), len(store)).table
    loader = Loader(store, table, GEOMETRY, Augment([], GEOMETRY))
    batches = list(rows.reshape(-1, BATCH))
    for _ in loader.training(batches, start=0, rank=0, ranks=1, place=(0,)):
        pass


READERS: Final[dict[str, Callable[[cache.PhotoStore], None]]] = {
    "by page faults": read_by_page_faults,
    f"in batches of {BATCH}": read_batches,
    "through the loader, with its own work": read_ahead,
}


def table_of(root: Path, count: int) -> Photos:
    """Photos of random classes, of which there are no files."""
    random = np.random.default_rng(0)
    names = [f"{number}.jpg" for number in range(count)]
    mask, gender, age = (random.integers(0, end, count) for end in (3, 2, 80))
    return Photos(root, photo_table.build(names, names, mask, gender, age))


# ----------------------------------------------------------------------------------- table


def measure_table(arguments: argparse.Namespace, folder: Path) -> None:
    growth.in_fresh_process(growth.make, folder, arguments.photos, "random", 0)
    growth.in_fresh_process(write_cache, folder)
    (index,) = (folder / "cache").glob("*/index.sqlite")
    size = index.stat().st_size
    print(f"{arguments.photos:,} photos; index {size / 1e6:.0f} MB\n")
    print("| step | seconds | GB at its peak, so far |\n|---|---|---|", flush=True)
    growth.in_fresh_process(measure_steps, folder)


def write_cache(folder: Path) -> None:
    """Make an empty file for each photo of the table, and a cache that knows all of them."""
    photos = [folder / name for name in names_of(folder)]
    for parent in {photo.parent for photo in photos}:
        parent.mkdir()
    for photo in track(photos, "making files", len(photos)):
        photo.touch()
    view, count = View(GEOMETRY), len(photos)
    place = folder / "cache" / view.name
    with contents.open_index(place, cache._SCHEMA) as index:
        digests = [contents.digest(str(number).encode()) for number in range(count)]
        stamped = ((str(path), files.stamp(path)) for path in photos)
        rows = ((*each, digest) for each, digest in zip(stamped, digests, strict=True))
        index.executemany("INSERT INTO files VALUES (?, ?, ?)", rows)
        index.executemany(
            "INSERT INTO pictures VALUES (?, ?)", zip(digests, range(count), strict=True)
        )
        index.commit()
    shapes: dict[str, tuple[int, ...]] = {"pixels": (*GEOMETRY.stored, 3)}
    for name, shape in (shapes | {"thumbnails": near_duplicates.THUMBNAIL}).items():
        shards = ShardFolder(place, name, shape)
        for shard in range(-(-count // shards.per_shard)):  # black, and without blocks on the disk
            held = min(shards.per_shard, count - shard * shards.per_shard)
            shards.path(shard).touch()
            os.truncate(shards.path(shard), held * shards.picture_bytes)


def names_of(folder: Path) -> list[str]:
    lines = (folder / "photos.csv").read_text().splitlines()[1:]
    return [line.partition(",")[0] for line in lines]


def measure_steps(folder: Path) -> None:
    with step("read the CSV, look for each file"):
        photos = layouts.read(folder / "photos.csv")
    with step("look each photo up in the cache"):
        store, problems = cache.build(photos, View(GEOMETRY), folder / "cache")
    assert not problems
    with step("split people into folds"):
        nobody = np.empty((0, 2), dtype=np.int64)
        cluster = folds.join_people(photos, nobody).cluster
        fold = folds.split(photos, cluster, "kfold", 5, 0.2, 0)
    rows, table = np.flatnonzero(fold != 0), photos.table
    for name in sampling.SAMPLERS:
        with step(f"draw an epoch: {name}"):
            order = sampling.epoch_order(Sampling(name=name), rows, table, 7, 0, 1)
    with step("make the loader"):
        loader = Loader(store, table, GEOMETRY, Augment([], GEOMETRY))
    with step("the first batch of an epoch"):
        drawn = sampling.batches(order, BATCH)
        next(iter(loader.training(drawn, start=0, rank=0, ranks=1, place=(7,))))
    part = np.arange(10_000)
    with step(f"hash {len(part):,} thumbnails"):
        near_duplicates.hashes(store.thumbnails_of, len(part))
    with step(f"measure the colours of {len(part):,} photos"):
        cache.statistics(store, part)


# ---------------------------------------------------------------------------------- decode


def measure_decoding(arguments: argparse.Namespace, folder: Path) -> None:
    sample_people.make(folder / "people", -(-arguments.photos // 7), 0, (512, 384), twins=0)
    photos = layouts.read(folder / "people")
    images = [pixels.decode(photos.root / name) for name in photos.table["photo"]]
    print("| JPEG | kB | model | photos a second and core |\n|---|---|---|---|")
    for width, height in ((192, 256), (384, 512), (1536, 2048)):
        paths = [folder / f"{width}-{number}.jpg" for number in range(len(images))]
        for path, image in zip(paths, images, strict=True):
            image.resize((width, height), Image.Resampling.LANCZOS).save(path, quality=92)
        size = statistics.mean(path.stat().st_size for path in paths) / 1e3
        for geometry in (GEOMETRY, Geometry(224, 168, GEOMETRY.margin)):
            rate = max(decoded_per_second(paths, View(geometry)) for _ in range(3))
            model = f"{geometry.width}×{geometry.height}"
            print(f"| {width}×{height} | {size:.0f} | {model} | {rate:.0f} |", flush=True)


def decoded_per_second(paths: list[Path], view: View) -> float:
    since = time.process_time()
    for path in paths:
        image = pixels.decode(path.read_bytes())
        view.stored(image, None)
        near_duplicates.thumbnail(image)
    return len(paths) / (time.process_time() - since)


@contextmanager
def step(name: str) -> Iterator[None]:
    since = time.perf_counter()
    yield
    seconds = time.perf_counter() - since
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"| {name} | {seconds:.1f} | {peak:.1f} |", flush=True)


if __name__ == "__main__":
    main()
