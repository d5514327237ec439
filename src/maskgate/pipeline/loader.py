"""Batches for the model: photos (N, height, width, 3) uint8 and their targets."""

import signal
import sys

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from maskgate.core.geometry import Geometry
from maskgate.core.seeding import derive
from maskgate.imaging.tta import PLAIN_VIEW, TtaView
from maskgate.pipeline import target
from maskgate.pipeline.cache import PhotoStore
from maskgate.pipeline.prefetch import Draw, Prefetched
from maskgate.pipeline.target import SoftLabels, Target
from maskgate.pipeline.transforms import Augment

Batch = tuple[Tensor, Target]


class _Photos(Dataset[Batch]):
    def __init__(
        self, store: PhotoStore, target: Target, geometry: Geometry, transform: Augment | TtaView
    ) -> None:
        self.store, self.target, self.geometry = store, target, geometry
        self.transform = transform

    def __getitem__(self, draw: Draw) -> Batch:
        row, seed = draw
        # A copy: the cache is mapped read-only, and torch needs writable memory.
        stored = np.array(self.store[row])
        if isinstance(self.transform, TtaView):
            photo = torch.from_numpy(self.transform.apply(stored, self.geometry))
            return photo, self.target.take(row)
        return self.transform(stored, seed), self.target.take(row)


class Loader:
    """Makes batches of the photos of one table, for training and validation; `soft_labels` are a
    teacher's for its rows."""

    def __init__(
        self,
        store: PhotoStore,
        table: pd.DataFrame,
        geometry: Geometry,
        augment: Augment,
        workers: int = 0,
        pin_memory: bool = False,
        soft_labels: SoftLabels | None = None,
    ) -> None:
        self._store, self._geometry = store, geometry
        self._target = target.of_table(table, soft_labels)
        self._augmented = _Photos(store, self._target, geometry, augment)
        self._workers, self._pin_memory = workers, pin_memory

    def training(
        self,
        batches: list[npt.NDArray[np.int64]],
        *,
        start: int,
        rank: int,
        ranks: int,
        place: tuple[int | str, ...],
    ) -> "DataLoader[Batch]":
        """This process's share of the global `batches` from number `start` on.

        The augmentation's seed depends on `place` (seed, fold, epoch) and on the draw's number in
        the epoch, not on the number of processes and workers.
        """
        size = len(batches[0])
        shares = [
            [
                (int(batch[draw]), derive(*place, number * size + draw))
                for draw in range(rank, len(batch), ranks)
            ]
            for number, batch in enumerate(batches[start:], start)
        ]
        return self._load(self._augmented, shares)

    def validation(
        self,
        rows: npt.NDArray[np.int64],
        size: int,
        rank: int,
        ranks: int,
        tta_view: TtaView = PLAIN_VIEW,
    ) -> "DataLoader[Batch]":
        """This process's share (every `ranks`-th) of `rows`, in order, as the test-time `tta_view`
        of each photo."""
        draws = [(int(row), 0) for row in rows[rank::ranks]]
        share = max(1, size // ranks)
        photos = _Photos(self._store, self._target, self._geometry, tta_view)
        batches = [draws[start : start + share] for start in range(0, len(draws), share)]
        return self._load(photos, batches)

    def _load(self, photos: _Photos, batches: list[list[Draw]]) -> "DataLoader[Batch]":
        return DataLoader(
            photos,
            batch_sampler=Prefetched(photos.store, batches),
            num_workers=self._workers,
            pin_memory=self._pin_memory,
            worker_init_fn=_ignore_interrupts,
            generator=torch.Generator(),  # otherwise every loader draws from the global generator
        )


def _ignore_interrupts(_: int) -> None:
    """Leave Ctrl-C to the parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # If the parent is interrupted, the worker's connection breaks; its traceback is only noise.
    sys.excepthook = lambda *_: None
