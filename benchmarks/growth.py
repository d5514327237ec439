"""Reads, searches and splits ever larger tables of made-up photos.

    python benchmarks/growth.py [10000 100000 1000000] [--kinds random clustered] [--seed 0]

People have seven photos; names, labels and hashes, of photos and of their parts, are drawn, there
are no pixels. `random`
hashes are 64 fair bits; `clustered` ones lie 8–14 bits from one of 3,000 centres, as where many
people look alike. One person in a hundred is another one again: the same hashes with 0–10 bits
turned over, mirrored in every second case. What a comparison of pixels would confirm of the
proposed pairs is known here: those planted, and only they join people.

For each size, in a process of its own after the table is written: seconds to read it, to search
it for near-duplicates, and to split it into five folds, write and read them; seconds all that
kept a processor busy; the peak of the memory; the pairs proposed, and which part of the twins is
among them. Prints a Markdown table, and exponents: 1 is linear, 2 would be a comparison of all
pairs.
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
    asked = parser.parse_args()

    print(f"| photos | hashes | {' | '.join(COLUMNS)} |")
    print(f"|---|---|{'---|' * len(COLUMNS)}", flush=True)
    exponents = []
    for kind in asked.kinds:
        rows = {}
        for count in sorted(asked.sizes):
            with tempfile.TemporaryDirectory() as folder:
                alone(make, Path(folder), count, kind, asked.seed)
                rows[count] = alone(measure, Path(folder), asked.seed)
            told = [f"{rows[count][name]:{form}}" for name, form in COLUMNS.items()]
            print(f"| {count:,} | {kind} | {' | '.join(told)} |", flush=True)
        for small, large in pairwise(rows):
            by = [
                f"{name} {math.log(rows[large][name] / rows[small][name], large / small):.2f}"
                for name in ("total", "CPU", "GB")
            ]
            exponents.append(f"{kind}, {small:,} to {large:,} photos: {', '.join(by)}")
    print("", "Exponents of growth:", *exponents, sep="\n")


def alone(work: Callable[..., T], *arguments: object) -> T:
    """What `work` returns in a fresh process, whose peak of memory is nobody else's."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def make(folder: Path, count: int, kind: str, seed: int) -> None:
    """Write a table of `count` photos and what is made up beside it."""
    random = np.random.default_rng(seed)
    person = np.arange(count) // PHOTOS
    people = count // PHOTOS
    hashes, *parts = (made_up(random, count, kind) for _ in PARTS)
    pairs = random.permutation(people)[: people // 100 * 2].reshape(-1, 2)
    first, again = (side[:, None] * PHOTOS + np.arange(PHOTOS) for side in pairs.T)
    mirror = np.where(np.arange(len(pairs)) % 2, near_duplicates.MIRROR, np.uint64(0))
    copies = hashes[first] ^ mirror[:, None]
    hashes[again] = turned(random, copies.ravel(), random.integers(0, 11, copies.size)).reshape(
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


def made_up(random: np.random.Generator, count: int, kind: str) -> Hashes:
    if kind == "random":
        return drawn(random, count)
    # Parts lie around the same centres as whole photos do.
    centres = drawn(np.random.default_rng(0), CENTRES)[random.integers(0, CENTRES, count)]
    return turned(random, centres, random.integers(8, 15, count))


def drawn(random: np.random.Generator, count: int) -> Hashes:
    return random.integers(0, 2**64, count, dtype=np.uint64, endpoint=False)


def turned(random: np.random.Generator, hashes: Hashes, bits: npt.NDArray[np.int64]) -> Hashes:
    """The hashes (N,) with `bits` (N,) of each turned over."""
    hashes, left = hashes.copy(), bits.copy()
    before = hashes.copy()
    while (rows := np.flatnonzero(left)).size:
        flip = np.uint64(1) << random.integers(0, 64, len(rows), dtype=np.uint64)
        fresh = (hashes[rows] ^ before[rows]) & flip == 0
        hashes[rows[fresh]] ^= flip[fresh]
        left[rows[fresh]] -= 1
    return hashes


def measure(folder: Path, seed: int) -> dict[str, float]:
    """Seconds of each step, GB at the peak, and which part of the twins was found."""
    made = np.load(folder / "made.npz")
    hashes, first, again = made["hashes"], made["first"], made["again"]
    spent: dict[str, float] = {"CPU": 0}
    with timed("read", spent):
        photos = layouts.read(folder / "photos.csv")
    with timed("search", spent):
        person, _ = pd.factorize(photos.table["person"])
        pairs = near_duplicates.proposals(hashes, person)
    count = len(person)
    proposed = pairs[:, :2].min(axis=1) * count + pairs[:, :2].max(axis=1)
    found = np.isin(np.minimum(first, again) * count + np.maximum(first, again), proposed)
    with timed("folds", spent):
        twins = folds.join_people(photos, np.stack([first, again], axis=1)[found])
        fold = folds.split(photos, twins.cluster, "kfold", 5, 0.2, seed)
        folds.write(folder / "folds.csv", photos, twins.cluster, fold)
        folds.read(folder / "folds.csv", photos, twins.cluster)  # refuses what leaks
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        **spent,
        "total": spent["read"] + spent["search"] + spent["folds"],
        "GB": peak * (1 if sys.platform == "darwin" else 1024) / 1e9,
        "pairs a photo": len(pairs) / count,
        "twin photos": found.mean(),
        "twin people": found.reshape(-1, PHOTOS).any(axis=1).mean(),
    }


@contextmanager
def timed(step: str, spent: dict[str, float]) -> Iterator[None]:
    """Adds the seconds of a step, and to CPU those that kept a processor busy."""
    since, busy = time.perf_counter(), time.process_time()
    yield
    spent[step] = time.perf_counter() - since
    spent["CPU"] += time.process_time() - busy


if __name__ == "__main__":
    main()
