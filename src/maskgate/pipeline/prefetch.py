"""Reads the photos of the next batches from disk while the model is busy with this one."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from maskgate.pipeline.cache import PhotoStore

Draw = tuple[int, int]  # row of the table, seed of the augmentation

AHEAD: Final = 4  # batches


class Prefetched:
    """The batches of draws, in order; when one is drawn, the disk begins to read those that are
    `AHEAD` after it.

    A `DataLoader` draws them in the process that trains, also for its workers, who find the photos
    in the kernel's page cache.
    """

    def __init__(self, store: PhotoStore, batches: Sequence[list[Draw]]) -> None:
        self._store, self._batches = store, batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[Draw]]:
        for batch in self._batches[:AHEAD]:
            self._read(batch)
        for number, batch in enumerate(self._batches):
            for later in self._batches[number + AHEAD : number + AHEAD + 1]:
                self._read(later)
            yield batch

    def _read(self, batch: list[Draw]) -> None:
        self._store.prefetch(np.array([row for row, _ in batch], dtype=np.int64))
