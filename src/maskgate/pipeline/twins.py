"""Twins among stored photos, remembered beside them: the same photos are compared once."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.data import folds, near_duplicates, remembered_pairs, training_table
from maskgate.data.column_values import PRIMARY
from maskgate.data.near_duplicates import Pairs, Thumbnails
from maskgate.data.table import Photos
from maskgate.imaging.pixels import Pixels
from maskgate.pipeline.cache import PhotoStore


def twins_of(photos: Photos, store: PhotoStore, folder: Path) -> folds.Twins:
    """The near-duplicates across the people of `photos`, whose rows are those of `store`."""
    told = photos.table[["photo", "person"]].to_csv(index=False) + json.dumps(store.digests)
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    name = f"near-duplicates-v{near_duplicates.VERSION}-{digest}.json"
    return folds.find_twins(photos, store.thumbnails_of, folder / name, store.digests)


def copies(
    digests: list[str],
    thumbnails: Thumbnails,
    others: list[str],
    read: Callable[[], Pixels],
    folder: Path,
) -> list[tuple[str, str]]:
    """Pairs of a content of the `digests` (N,) and one of `others` (M,) that show one shot.

    `thumbnails` gives the pictures of rows of the former, `read` all those of the latter (M, 64,
    48). The result is remembered in the `folder` of the cache.
    """
    key = hashlib.sha256(json.dumps([digests, others]).encode()).hexdigest()[:16]
    name = f"copies-v{near_duplicates.VERSION}-{key}.json"
    every, count = [*digests, *others], len(digests)

    def search() -> Pairs:
        pictures = read()

        def of(rows: npt.NDArray[np.int64]) -> Pixels:
            shown = np.empty((len(rows), *near_duplicates.THUMBNAIL), dtype=np.uint8)
            own = rows < count
            shown[own], shown[~own] = thumbnails(rows[own]), pictures[rows[~own] - count]
            return shown

        side = np.arange(len(every)) >= count  # pairs within a side are not looked for
        return near_duplicates.find(of, side.astype(np.int64))

    rows = remembered_pairs.pairs(folder / name, len(every), search)
    return [(every[one], every[other]) for one, other in rows]


def with_more(primary: folds.Twins, photos: Photos, store: PhotoStore, folder: Path) -> folds.Twins:
    """The near-duplicates of all `photos`, a training table whose first rows are those of
    `primary`.

    Whoever is one cluster there is one here; where no further photo joins two of them, a cluster
    keeps its number. The same content counts as one shot even where a photo has no contrast, and
    people of one name in two data sets count as one.
    """
    is_primary = (photos.table["source"] == PRIMARY).to_numpy()
    if is_primary.all():
        return primary
    found = twins_of(photos, store, folder).rows
    # A search among more photos proposes other pairs, and may miss one that it found among few.
    shots = np.unique(
        np.concatenate([primary.rows, found, _same_content(photos, store, ~is_primary)]), axis=0
    )
    names = training_table.namesakes(photos.table)
    twins = folds.joined(photos, np.concatenate([shots, names]))
    pairs = twins.pairs[: len(shots)]  # who bears one name shares no shot
    none = len(is_primary)  # more than any cluster's number
    number = np.full(int(twins.cluster.max()) + 1, none, dtype=np.int64)
    np.minimum.at(number, twins.cluster[is_primary], primary.cluster)
    fresh = np.flatnonzero(number == none)
    number[fresh] = int(primary.cluster.max()) + 1 + np.arange(len(fresh))
    return replace(twins, cluster=number[twins.cluster], pairs=pairs, rows=shots)


def _same_content(photos: Photos, store: PhotoStore, of: npt.NDArray[np.bool_]) -> Pairs:
    """Pairs (P, 2) of a row `of` (N,) and another person's first row with its content; that of a
    drawn photo is the one it was drawn on."""
    digest = pd.Series(store.digests, dtype="str")
    if "drawn_from" in photos.table:
        below = photos.table["drawn_from"].fillna("")
        digest = digest.where(below == "", below)
    content, _ = pd.factorize(digest)
    _, first = np.unique(content, return_index=True)
    rows = np.flatnonzero(of)
    pairs = np.stack([first[content[rows]], rows], axis=1).astype(np.int64)
    person = photos.table["person"].to_numpy()[pairs]
    return pairs[person[:, 0] != person[:, 1]]
