"""Twins among stored photos, remembered beside them: the same photos are compared once."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from maskgate.data import folds, near_duplicates
from maskgate.data.near_duplicates import Pairs
from maskgate.data.table import Photos
from maskgate.images.cache import PhotoStore


def twins_of(photos: Photos, store: PhotoStore, folder: Path) -> folds.Twins:
    """The near-duplicates across the people of `photos`, whose rows are those of `store`."""
    told = photos.table[["photo", "person"]].to_csv(index=False) + json.dumps(store.digests)
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    name = f"near-duplicates-v{near_duplicates.VERSION}-{digest}.json"
    return folds.find_twins(photos, lambda rows: store.thumbnails[store.slots[rows]], folder / name)


def with_more(primary: folds.Twins, photos: Photos, store: PhotoStore, folder: Path) -> folds.Twins:
    """The near-duplicates of all `photos`, of which the first rows are those of `primary`.

    Whoever is one cluster there is one here; where no further photo joins two of them, a cluster
    keeps its number. The same content counts as one shot even where a photo has no contrast.
    """
    count = len(primary.cluster)
    if len(photos.table) == count:
        return primary
    found = twins_of(photos, store, folder).rows
    # A search among more photos proposes other pairs, and may miss one that it found among few.
    pairs = np.concatenate([primary.rows, found, _same_content(photos, store, count)])
    twins = folds.joined(photos, np.unique(pairs, axis=0))
    number = np.full(int(twins.cluster.max()) + 1, count, dtype=np.int64)
    np.minimum.at(number, twins.cluster[:count], primary.cluster)
    fresh = np.flatnonzero(number == count)
    number[fresh] = int(primary.cluster.max()) + 1 + np.arange(len(fresh))
    return replace(twins, cluster=number[twins.cluster])


def _same_content(photos: Photos, store: PhotoStore, count: int) -> Pairs:
    """Pairs (P, 2) of a row from `count` on and another person's first row with its content; that
    of a drawn photo is the one it was drawn on."""
    digest = pd.Series(store.digests, dtype="str")
    if "drawn_from" in photos.table:
        below = photos.table["drawn_from"].fillna("")
        digest = digest.where(below == "", below)
    content, _ = pd.factorize(digest)
    _, first = np.unique(content, return_index=True)
    more = np.arange(count, len(content))
    pairs = np.stack([first[content[more]], more], axis=1).astype(np.int64)
    person = photos.table["person"].to_numpy()[pairs]
    return pairs[person[:, 0] != person[:, 1]]
