"""The photos that a finished run validated, read again as its model sees them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.config.recipe import Recipe
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.faces import boxes, view
from maskgate.faces.protocol import BOX
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels
from maskgate.pipeline import cache as caches
from maskgate.pipeline.cache import PhotoStore
from maskgate.runs import RunFolder, tables


@dataclass(frozen=True)
class ValidationPhotos:
    """The validated photos (N) of a single model's run: their table, with `fold`, their stored
    pictures, and where the model looks for faces the main `faces` (N, 5), BOX and score in pixels
    of the photo, NaN where none was detected."""

    run: RunFolder
    recipe: Recipe
    table: pd.DataFrame
    store: PhotoStore
    faces: npt.NDArray[np.float32] | None

    def inputs(self, rows: npt.NDArray[np.integer]) -> Pixels:
        """The model's inputs (R, H, W, 3) of some of the photos."""
        stored = np.stack([self.store[int(row)] for row in rows])
        return pixels.centre(stored, self.recipe.photo.geometry)


def read(
    run: RunFolder, cache: Path, table: pd.DataFrame, root: Path | None = None
) -> ValidationPhotos:
    """The photos of a run's data that a `table` names in its column `photo`.

    They lie in the run's data folder unless a `root` is given; what is decoded is kept in `cache`.
    Raises MaskgateError where one is missing, cannot be read, or has changed since the training.
    """
    recipe = run.recipe()
    by_name = tables.photos(run).set_index("photo", drop=False)
    table = by_name.loc[table["photo"]].reset_index(drop=True)
    root = root or Path(run.status().root)
    tables.check_names(run, table["photo"].tolist(), root)
    photos = Photos(root, table)
    try:
        photo_view = view.create(recipe.photo, cache, run.kept_detector())
    except MaskgateError as error:
        raise MaskgateError(f"{run.path}: {error}") from error
    detector = photo_view.detector
    detections = None if detector is None else boxes.find(photos, detector, cache)[0]
    store, broken = caches.build(photos, photo_view, cache, detections)
    if broken:
        names = listed([f"{problem.where} ({problem.detail})" for problem in broken])
        raise MaskgateError(
            f"{root}: {len(broken)} of the {len(table)} photos of {run.path} cannot be"
            f" read: {names}; put them back, or train again"
        )
    pairs = zip(table["photo"], table["digest"], store.digests, strict=True)
    if changed := [name for name, then, now in pairs if then != now]:
        raise MaskgateError(
            f"{root}: {len(changed)} of the {len(table)} photos of {run.path} have"
            f" changed since: {listed(changed)}; put the old ones back, or train again"
        )
    faces = None
    if detections is not None:
        main = detections.table([bytes.fromhex(digest) for digest in store.digests])
        faces = main[[*BOX, "score"]].to_numpy(np.float32)
    return ValidationPhotos(run, recipe, table, store=store, faces=faces)
