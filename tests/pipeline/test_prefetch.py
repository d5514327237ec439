"""Photos on disk are read before they are needed, and their neighbours are not."""

import ctypes
import mmap
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from maskgate.core.geometry import Geometry
from maskgate.data import table as photo_table
from maskgate.pipeline import shards
from maskgate.pipeline.cache import PhotoStore
from maskgate.pipeline.loader import Loader
from maskgate.pipeline.prefetch import AHEAD, Prefetched
from maskgate.pipeline.shards import ShardFolder
from maskgate.pipeline.transforms import Augment

GEOMETRY = Geometry(128, 96)
COUNT, BATCH = 240, 8

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is in memory")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhotoStore:
    """Pictures in two shards, none of them in memory."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 150 * 128 * 96 * 3)
    folder = ShardFolder(tmp_path, "pixels", (128, 96, 3))
    slots = np.random.default_rng(0).permutation(COUNT)
    folder.reserve(slots)
    random = np.random.default_rng(1)
    for slot in slots.tolist():
        folder.write(slot, random.integers(0, 256, folder.shape, dtype=np.uint8))
    folder.flush()
    drop(folder)
    pictures = folder.open()
    store = PhotoStore(pictures, pictures, slots, [str(row) for row in range(COUNT)])
    if in_memory(folder, slots).any():
        pytest.skip("this file system keeps its files in memory")
    return store


def drop(folder: ShardFolder) -> None:
    """Have the kernel forget what it has in memory of the shards."""
    for shard in range(len(folder.counts())):
        with open(folder.path(shard), "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_memory(folder: ShardFolder, slots: "np.ndarray") -> "np.ndarray":
    """Whether the pages of each picture that no neighbour shares are in memory, (n,)."""
    pictures = folder.open()
    libc = ctypes.CDLL(None, use_errno=True)

    def is_in_memory(slot: int) -> bool:
        address = pictures._picture(slot).ctypes.data
        first = -(-address // mmap.PAGESIZE)
        last = (address + folder.picture_bytes) // mmap.PAGESIZE
        states = (ctypes.c_ubyte * (last - first))()
        size = ctypes.c_size_t((last - first) * mmap.PAGESIZE)
        assert libc.mincore(ctypes.c_void_p(first * mmap.PAGESIZE), size, states) == 0
        return all(state & 1 for state in states)

    return np.array([is_in_memory(slot) for slot in slots.tolist()])


def all_in_memory(folder: ShardFolder, slots: "np.ndarray") -> bool:
    return bool(in_memory(folder, slots).all())


def folder_of(store: PhotoStore) -> ShardFolder:
    folder = store.pictures._source
    assert folder is not None
    return folder


def comes_true(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def test_what_is_prefetched_comes_into_memory_and_nothing_else(store: PhotoStore) -> None:
    rows = np.array([3, 100, 17, 239, 55])
    store.prefetch(rows)
    folder = folder_of(store)
    assert comes_true(partial(all_in_memory, folder, store.slots[rows]))
    others = np.setdiff1d(np.arange(COUNT), rows)
    assert not in_memory(folder, store.slots[others]).any()


@pytest.mark.parametrize("at_once", [True, False])
def test_photos_that_are_read_leave_their_neighbours_on_disk(
    at_once: bool, store: PhotoStore
) -> None:
    if at_once:
        store.rows(np.array([5, 120]))
    else:
        (store[5], store[120])
    folder = folder_of(store)
    assert comes_true(partial(all_in_memory, folder, store.slots[[5, 120]]))
    others = np.setdiff1d(np.arange(COUNT), [5, 120])
    assert not in_memory(folder, store.slots[others]).any()


def test_a_loader_has_the_next_batches_read(store: PhotoStore) -> None:
    names = [f"{row}.jpg" for row in range(COUNT)]
    zeros = np.zeros(COUNT, dtype=np.int64)
    table = photo_table.build(names, names, zeros, zeros, np.full(COUNT, 20.0))
    batches = [np.arange(COUNT)[start : start + BATCH] for start in range(0, COUNT, BATCH)]
    loader = Loader(store, table, GEOMETRY, Augment([], GEOMETRY))
    folder = folder_of(store)
    loaded = iter(loader.training(batches, start=0, rank=0, ranks=1, place=(0,)))
    for number in range(3):
        next(loaded)
        ready = store.slots[: (number + 1 + AHEAD) * BATCH]
        assert comes_true(partial(all_in_memory, folder, ready))
        later = store.slots[(number + 1 + AHEAD) * BATCH :]
        assert not in_memory(folder, later).any()


def test_the_batches_are_those_given_in_their_order(store: PhotoStore) -> None:
    for count in (0, 1, AHEAD, AHEAD + 3):
        batches = [[(number * 2, 5), (number * 2 + 1, 6)] for number in range(count)]
        prefetched = Prefetched(store, batches)
        assert list(prefetched) == batches
        assert len(prefetched) == count
