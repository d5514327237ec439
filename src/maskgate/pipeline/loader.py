"""Batches for the model: photos (N, height, width, 3) uint8 and their targets, on its device."""

import signal
import sys
from collections.abc import Iterator
from typing import Any

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
_Stored = tuple[Tensor, Target, list[int]]  # a batch, and its photos' seeds


class _Photos(Dataset[Any]):
    """Batches of the table's photos: as the test-time view, augmented, or with None as stored."""

    def __init__(
        self,
        store: PhotoStore,
        target: Target,
        geometry: Geometry,
        change: Augment | TtaView | None,
    ) -> None:
        self.store, self.target, self.geometry, self.change = store, target, geometry, change

    def __getitems__(self, draws: list[Draw]) -> _Stored:
        rows, seeds = (list(each) for each in zip(*draws, strict=True))
        stored = self.store.rows(np.array(rows))
        if isinstance(self.change, TtaView):
            stored = np.ascontiguousarray(self.change.apply(stored, self.geometry))
        photos = torch.from_numpy(stored)
        if isinstance(self.change, Augment):
            photos = self.change(photos, seeds)
        return photos, self.target.take(torch.tensor(rows)), seeds


class Loader:
    """Makes batches of the photos of one table, for training and validation.

    They are augmented where the model is: by the workers if `device` is the CPU, and otherwise on
    the device. `soft_labels` are a teacher's for the table's rows.
    """

    def __init__(
        self,
        store: PhotoStore,
        table: pd.DataFrame,
        geometry: Geometry,
        augment: Augment,
        workers: int = 0,
        device: torch.device | str = "cpu",
        soft_labels: SoftLabels | None = None,
    ) -> None:
        self._store, self._geometry, self._augment = store, geometry, augment
        self._target = target.of_table(table, soft_labels)
        self._workers, self._device = workers, torch.device(device)
        self._augments_first = self._device.type == "cpu"  # before photos are on the device

    def training(
        self,
        batches: list[npt.NDArray[np.int64]],
        *,
        start: int,
        rank: int,
        ranks: int,
        place: tuple[int | str, ...],
    ) -> Iterator[Batch]:
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
        first = self._augments_first
        for photos, known, seeds in self._load(self._augment if first else None, shares):
            yield photos if first else self._augment(photos, seeds), known

    def validation(
        self,
        rows: npt.NDArray[np.int64],
        size: int,
        rank: int,
        ranks: int,
        tta_view: TtaView = PLAIN_VIEW,
    ) -> Iterator[Batch]:
        """This process's share (every `ranks`-th) of `rows`, in order, as the test-time `tta_view`
        of each photo."""
        draws = [(int(row), 0) for row in rows[rank::ranks]]
        share = max(1, size // ranks)
        batches = [draws[start : start + share] for start in range(0, len(draws), share)]
        for photos, known, _ in self._load(tta_view, batches):
            yield photos, known

    def _load(
        self, change: Augment | TtaView | None, batches: list[list[Draw]]
    ) -> Iterator[_Stored]:
        """Each batch on the device, after a change that is made before it gets there."""
        loaded = DataLoader(
            _Photos(self._store, self._target, self._geometry, change),
            batch_sampler=Prefetched(self._store, batches),
            collate_fn=_as_it_is,
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            worker_init_fn=_ignore_interrupts,
            generator=torch.Generator(),  # otherwise every loader draws from the global generator
        )
        for photos, known, seeds in loaded:
            tensors = (each.to(self._device, non_blocking=True) for each in (photos, *known))
            yield next(tensors), Target(*tensors), seeds


def _as_it_is(batch: Any) -> Any:
    return batch


def _ignore_interrupts(_: int) -> None:
    """Leave Ctrl-C to the parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # If the parent is interrupted, the worker's connection breaks; its traceback is only noise.
    sys.excepthook = lambda *_: None
