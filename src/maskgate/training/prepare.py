"""Gets the photos ready to train on: read, checked, decoded and split."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.data import checks, folds, layouts
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.images import cache
from maskgate.images.twins import twins_of
from maskgate.recipe import Recipe

SMOKE_PHOTOS = 64
_SMOKE_PHOTOS_A_PERSON = 7


@dataclass(frozen=True)
class Order:
    """What the command line asks for, beside the recipe; none of it changes the numbers."""

    name: str  # of the recipe
    data: Path
    out: Path | None = None
    cache: Path | None = None
    runs: Path = Path("runs")  # where a run gets its folder without `out`
    smoke: bool = False
    skip_faulty: bool = False
    workers: int = 0
    checkpoint_seconds: float = 60.0
    command: str = ""


@dataclass(frozen=True)
class Prepared:
    """The photos ready to train on: their store, clusters and folds, each (N,)."""

    photos: Photos
    store: cache.PhotoStore
    twins: folds.Twins
    fold: npt.NDArray[np.int64]

    @property
    def digest(self) -> str:
        """Of the table, the photos' contents and the folds."""
        told = self.photos.table.to_csv(index=False) + json.dumps(self.store.digests)
        return hashlib.sha256(told.encode() + self.fold.tobytes()).hexdigest()

    @property
    def folds(self) -> list[int]:
        """The folds to train: those validated on, or a single one without validation."""
        return sorted({int(fold) for fold in self.fold} - {folds.NEVER}) or [0]

    def split(self, number: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows to train a fold on, and rows to validate it on."""
        return np.flatnonzero(self.fold != number), np.flatnonzero(self.fold == number)

    def digests_of_people(self, rows: npt.NDArray[np.int64]) -> set[str]:
        """Contents of all photos of the clusters of people that `rows` belong to."""
        theirs = np.isin(self.twins.cluster, self.twins.cluster[rows])
        return {self.store.digests[row] for row in np.flatnonzero(theirs)}


def prepare(recipe: Recipe, order: Order) -> Prepared:
    """Read, check, decode and split the data. Raises MaskgateError that tells all faults."""
    photos = layouts.read(order.data)
    checks.refuse(photos.problems, order.data, order.skip_faulty)
    if order.smoke:
        photos = photos.take(_few(photos.table))
    folder = order.cache or cache.default_folder()
    store, broken = cache.build(photos, recipe.photo.geometry, folder)
    checks.refuse(broken, order.data, order.skip_faulty)
    photos = photos.without(broken)
    if not len(photos.table):
        raise MaskgateError(
            f"{order.data}: holds no labelled photo that can be used; add some, or give other data"
        )
    twins = twins_of(photos, store, folder)
    wanted = recipe.folds
    if wanted.file is not None:
        fold = folds.read(Path(wanted.file), photos, twins.cluster)
        validates = bool((fold != folds.NEVER).any())
        if validates != (wanted.kind != "all") and not order.smoke:
            does = "validates people" if validates else "validates nobody"
            raise MaskgateError(
                f"{wanted.file}: {does}, which contradicts folds.kind={wanted.kind}; change one"
            )
    else:
        fold = folds.split(
            photos, twins.cluster, wanted.kind, wanted.count, wanted.fraction, wanted.seed
        )
    return Prepared(photos, store, twins, fold)


def _few(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Rows of at most SMOKE_PHOTOS photos, of people from every gender × age band in turn."""
    people = table.drop_duplicates("person")
    turn = people.groupby(["gender", "age_band"]).cumcount()
    chosen: list[int] = []
    by_person = table.groupby("person").indices
    for person in people.assign(turn=turn).sort_values("turn", kind="stable")["person"]:
        chosen += list(by_person[person])[:_SMOKE_PHOTOS_A_PERSON]
    return np.sort(np.array(chosen[:SMOKE_PHOTOS], dtype=np.int64))
