"""Twins among stored photos, remembered beside them: the same photos are compared once."""

import hashlib
import json
from pathlib import Path

from maskgate.data import folds, near_duplicates
from maskgate.data.table import Photos
from maskgate.images.cache import PhotoStore


def twins_of(photos: Photos, store: PhotoStore, folder: Path) -> folds.Twins:
    """The near-duplicates across the people of `photos`, whose rows are those of `store`."""
    told = photos.table[["photo", "person"]].to_csv(index=False) + json.dumps(store.digests)
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    name = f"near-duplicates-v{near_duplicates.VERSION}-{digest}.json"
    return folds.find_twins(photos, lambda rows: store.thumbnails[store.slots[rows]], folder / name)
