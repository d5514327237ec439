"""Measures the time to read, search and split larger and larger tables of synthetic photos.

    python benchmarks/growth.py [10000 100000 1000000] [--kinds random clustered] [--seed 0]

Each person has seven photos; names, labels and hashes, of photos and of their parts, are random,
and there are no pixels. `random` hashes are 64 fair bits; `clustered` ones are 8–14 bits from one
of 3,000 centres, as if many people looked alike. One person in a hundred is a near-duplicate of
another: the same hashes with 0–10 bits flipped, mirrored in every second case. Only these planted
pairs join people, as a comparison of pixels would confirm only them.

Measured for each size, in a separate process after the table is written: seconds to read it, to
search it for near-duplicates, and to split it into five folds, write and read them; CPU seconds in
all; the peak memory; the proposed pairs, and the share of the planted ones among them. Prints a
Markdown table, and exponents of growth: 1 is linear, 2 would be a comparison of all pairs.
"""

import argparse
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.data import folds, layouts, near_duplicates
from maskgate.data.alignments import PARTS
from maskgate.data.near_duplicates import Hashes

KINDS: Final = ("random", "clustered")
PHOTOS: Final = 7  # of a person
CENTRES: Final = 3000
MASKS: Final = np.array([*["wear"] * 5, "incorrect", "not_wear"])
SECONDS: Final = ("read", "search", "folds", "total", "CPU")
COLUMNS: Final = dict.fromkeys(SECONDS, ".1f") | {  # and how they are written
    "GB": ".2f",
    "pairs a photo": ".1f",
    "twin photos": ".1%",
    "twin people": ".1%",
}
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seed", type=int, default=0, help="of all that is made up")
    arguments = parser.parse_args()

    print(f"| photos | hashes | {' | '.join(COLUMNS)} |")
    print(f"|---|---|{'---|' * len(COLUMNS)}", flush=True)
    exponents = []
    for kind in arguments.kinds:
        rows = {}
        for count in sorted(arguments.sizes):
            with tempfile.TemporaryDirectory() as folder:
                in_fresh_process(make, Path(folder), count, kind, arguments.seed)
                rows[count] = in_fresh_process(measure, Path(folder), arguments.seed)
            cells = [f"{rows[count][name]:{form}}" for name, form in COLUMNS.items()]
            print(f"| {count:,} | {kind} | {' | '.join(cells)} |", flush=True)
        for small, large in pairwise(rows):
            exponent_texts = [
                f"{name} {math.log(rows[large][name] / rows[small][name], large / small):.2f}"
                for name in ("total", "CPU", "GB")
            ]
            exponents.append(f"{kind}, {small:,} to {large:,} photos: {', '.join(exponent_texts)}")
    print("", "Exponents of growth:", *exponents, sep="\n")


def in_fresh_process(work: Callable[..., T], *arguments: object) -> T:
    """The result of `work` in a fresh process, so that its peak memory is measured alone."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def make(folder: Path, count: int, kind: str, seed: int) -> None:
    """Write a table of `count` photos, and a file with their hashes."""
    random = np.random.default_rng(seed)
    person = np.arange(count) // PHOTOS
    people = count // PHOTOS
    hashes, *parts = (make_hashes(random, count, kind) for _ in PARTS)
    pairs = random.permutation(people)[: people // 100 * 2].reshape(-1, 2)
    first, again = (side[:, None] * PHOTOS + np.arange(PHOTOS) for side in pairs.T)
    mirror = np.where(np.arange(len(pairs)) % 2, near_duplicates.MIRROR, np.uint64(0))
    copies = hashes[first] ^ mirror[:, None]
    hashes[again] = flip_bits(random, copies.ravel(), random.integers(0, 11, copies.size)).reshape(
        copies.shape
    )
    hashes = np.stack([hashes, *parts])
    np.savez(folder / "made.npz", hashes=hashes, first=first.ravel(), again=again.ravel())
    gender = np.array(["male", "female"])[random.integers(0, 2, people + 1)]
    age = random.integers(18, 71, people + 1)
    name = pd.Series(person).map("{:07}".format)
    table = {
        "photo": name + "/" + pd.Series(np.arange(count) % PHOTOS).astype(str) + ".jpg",
        "person": name,
        "mask": MASKS[np.arange(count) % PHOTOS],
        "gender": gender[person],
        "age": age[person],
    }
    pd.DataFrame(table).to_csv(folder / "photos.csv", index=False)


def make_hashes(random: np.random.Generator, count: int, kind: str) -> Hashes:
    if kind == "random":
        return random_hashes(random, count)
    # Parts have the same centres as full photos.
    centres = random_hashes(np.random.default_rng(0), CENTRES)[random.integers(0, CENTRES, count)]
    return flip_bits(random, centres, random.integers(8, 15, count))


def random_hashes(random: np.random.Generator, count: int) -> Hashes:
    return random.integers(0, 2**64, count, dtype=np.uint64, endpoint=False)


def flip_bits(random: np.random.Generator, hashes: Hashes, bits: npt.NDArray[np.int64]) -> Hashes:
    """The hashes (N,) with `bits` (N,) random bits of each flipped."""
    hashes, remaining = hashes.copy(), bits.copy()
    before = hashes.copy()
    while (rows := np.flatnonzero(remaining)).size:
        flip = np.uint64(1) << random.integers(0, 64, len(rows), dtype=np.uint64)
        is_new = (hashes[rows] ^ before[rows]) & flip == 0
        hashes[rows[is_new]] ^= flip[is_new]
        remaining[rows[is_new]] -= 1
    return hashes


def measure(folder: Path, seed: int) -> dict[str, float]:
    """Seconds of each step, GB at the peak, and the share of near-duplicates that is found."""
    data = np.load(folder / "made.npz")
    hashes, first, again = data["hashes"], data["first"], data["again"]
    seconds: dict[str, float] = {"CPU": 0}
    with timed("read", seconds):
        photos = layouts.read(folder / "photos.csv")
    with timed("search", seconds):
        person, _ = pd.factorize(photos.table["person"])
        pairs = near_duplicates.proposals(hashes, person)
    count = len(person)
    proposed = pairs[:, :2].min(axis=1) * count + pairs[:, :2].max(axis=1)
    is_proposed = np.isin(np.minimum(first, again) * count + np.maximum(first, again), proposed)
    with timed("folds", seconds):
        near_duplicate_people = folds.join_people(
            photos, np.stack([first, again], axis=1)[is_proposed]
        )
        fold = folds.split(photos, near_duplicate_people.cluster, "kfold", 5, 0.2, seed)
        folds.write(folder / "folds.csv", photos, near_duplicate_people.cluster, fold)
        folds.read(
            folder / "folds.csv", photos, near_duplicate_people.cluster
        )  # refuses what leaks
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        **seconds,
        "total": seconds["read"] + seconds["search"] + seconds["folds"],
        "GB": peak * (1 if sys.platform == "darwin" else 1024) / 1e9,
        "pairs a photo": len(pairs) / count,
        "twin photos": is_proposed.mean(),
        "twin people": is_proposed.reshape(-1, PHOTOS).any(axis=1).mean(),
    }


@contextmanager
def timed(step: str, seconds: dict[str, float]) -> Iterator[None]:
    """Add the seconds of a step, and its CPU seconds to CPU."""
    since, busy = time.perf_counter(), time.process_time()
    yield
    seconds[step] = time.perf_counter() - since
    seconds["CPU"] += time.process_time() - busy


if __name__ == "__main__":
    main()
