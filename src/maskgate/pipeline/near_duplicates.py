"""Near-duplicates among stored photos. Results are cached: the same photos are compared once."""

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
from maskgate.data.table import Photos, origins
from maskgate.imaging.pixels import Pixels
from maskgate.pipeline.cache import PhotoStore


def near_duplicates_of(photos: Photos, store: PhotoStore, folder: Path) -> folds.NearDuplicates:
    """The near-duplicates between people of `photos`, whose rows are those of `store`."""
    described = photos.table[["photo", "person"]].to_csv(index=False) + json.dumps(store.digests)
    digest = hashlib.sha256(described.encode()).hexdigest()[:16]
    name = f"near-duplicates-v{near_duplicates.VERSION}-{digest}.json"
    return folds.find_near_duplicates(photos, store.thumbnails_of, folder / name, store.digests)


def pairs_between(
    digests: list[str],
    thumbnails_of: Thumbnails,
    other_digests: list[str],
    read_other_thumbnails: Callable[[], Pixels],
    folder: Path,
) -> list[tuple[str, str]]:
    """Pairs of one of the `digests` (N,) and one of `other_digests` (M,) that are near-duplicates.

    `thumbnails_of` returns the thumbnails of rows of `digests`, `read_other_thumbnails` those of
    all `other_digests` (M, 64, 48). The pairs are kept in `folder`, the cache.
    """
    key = hashlib.sha256(json.dumps([digests, other_digests]).encode()).hexdigest()[:16]
    name = f"copies-v{near_duplicates.VERSION}-{key}.json"
    all_digests, count = [*digests, *other_digests], len(digests)

    def search() -> Pairs:
        other_thumbnails = read_other_thumbnails()

        def thumbnails_of_all(rows: npt.NDArray[np.int64]) -> Pixels:
            thumbnails = np.empty((len(rows), *near_duplicates.THUMBNAIL), dtype=np.uint8)
            is_other = rows >= count
            thumbnails[~is_other] = thumbnails_of(rows[~is_other])
            thumbnails[is_other] = other_thumbnails[rows[is_other] - count]
            return thumbnails

        is_other = np.arange(len(all_digests)) >= count  # only pairs across the two are searched
        return near_duplicates.find(thumbnails_of_all, is_other.astype(np.int64))

    rows = remembered_pairs.pairs(folder / name, len(all_digests), search)
    return [(all_digests[one], all_digests[other]) for one, other in rows]


def with_extra_photos(
    primary: folds.NearDuplicates, photos: Photos, store: PhotoStore, folder: Path
) -> folds.NearDuplicates:
    """The near-duplicates of all `photos`, a training table whose first rows are those of
    `primary`.

    A cluster of `primary` stays together, and keeps its number unless an extra photo joins it to
    another. Identical content counts as a near-duplicate even without contrast. People of the same
    name in two data sets count as one person.
    """
    is_primary = (photos.table["source"] == PRIMARY).to_numpy()
    if is_primary.all():
        return primary
    pairs_of_all = near_duplicates_of(photos, store, folder).rows
    # A search among more photos compares other pairs, and may miss one that a smaller search found.
    shots = np.unique(
        np.concatenate([primary.rows, pairs_of_all, _same_content(photos, store, ~is_primary)]),
        axis=0,
    )
    names = training_table.namesakes(photos.table)
    joined = folds.join_people(photos, np.concatenate([shots, names]))
    pairs = joined.pairs[: len(shots)]  # the rest are pairs by name only
    unset = len(is_primary)  # above every cluster's number
    number = np.full(int(joined.cluster.max()) + 1, unset, dtype=np.int64)
    np.minimum.at(number, joined.cluster[is_primary], primary.cluster)
    new_clusters = np.flatnonzero(number == unset)
    number[new_clusters] = int(primary.cluster.max()) + 1 + np.arange(len(new_clusters))
    return replace(joined, cluster=number[joined.cluster], pairs=pairs, rows=shots)


def _same_content(photos: Photos, store: PhotoStore, selected: npt.NDArray[np.bool_]) -> Pairs:
    """Pairs (P, 2) of the first row of a content and a row of `selected` (N,) with the same
    content, of another person. A drawn photo has the contents of the photos it was made from."""
    drawn_from = origins(photos.table)
    undrawn = pd.Series(store.digests, dtype="str").drop(drawn_from.index.unique())
    contents = pd.concat([undrawn, drawn_from]).sort_index(kind="stable")  # by row
    number, _ = pd.factorize(contents)
    row = contents.index.to_numpy()
    _, first = np.unique(number, return_index=True)
    is_selected = selected[row]
    pairs = np.stack([row[first[number]], row], axis=1).astype(np.int64)[is_selected]
    person = photos.table["person"].to_numpy()[pairs]
    return pairs[person[:, 0] != person[:, 1]]
