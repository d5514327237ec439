"""A set of photos to compare: read, decoded, and a random sample of its people."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from maskgate.config.recipe import Photo
from maskgate.core.seeding import derive
from maskgate.data import layouts
from maskgate.data.label_map import LabelMap
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.faces.view import View
from maskgate.pipeline import cache as caches
from maskgate.pipeline.cache import PhotoStore


@dataclass(frozen=True)
class PhotoSet:
    """The readable photos of a data set, whose rows are those of `store`. `rows` (n,) are those of
    the sample, `unreadable` the number of photos that were left out."""

    name: str
    photos: Photos
    store: PhotoStore
    rows: npt.NDArray[np.int64]
    unreadable: int

    @property
    def people(self) -> int:
        """The number of people."""
        return int(self.photos.table["person"].nunique())

    @property
    def has_people(self) -> bool:
        """Whether somebody has several photos, so that people's names mean something."""
        return self.people < len(self.photos.table)


def read(
    data: Path, name: str, label_map: LabelMap, cache: Path, size: int, seed: int = 0
) -> PhotoSet:
    """The set at `data`, with a sample of about `size` photos. Raises MaskgateError where it is no
    data set, or none of its photos can be read."""
    photos = layouts.read(data, label_map, cache)
    listed = len(photos.table)
    store, broken = caches.build(photos, View(Photo().geometry), cache)
    photos = photos.without(broken)
    if not len(photos.table):
        raise MaskgateError(f"{data}: none of its {listed:,} photos can be read")
    rows = _sample(photos, size, seed)
    return PhotoSet(name, photos, store, rows=rows, unreadable=len(broken))


def _sample(photos: Photos, size: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of people drawn at random, all photos of each, until there are `size` photos."""
    person, names = photos.table["person"].factorize()
    # By name, so that the same people are drawn of the same set.
    order = np.random.default_rng(derive(seed, "people")).permutation(len(names))
    photos_of = np.bincount(person, minlength=len(names))
    before = np.cumsum(photos_of[order]) - photos_of[order]
    drawn = order[before < size]
    return np.flatnonzero(np.isin(person, drawn)).astype(np.int64)


def names_of(a: Path, b: Path) -> tuple[str, str]:
    """Short names of two sets: those of their folders or files where these differ."""
    if a.stem != b.stem:
        return a.stem, b.stem
    return str(a), str(b)
