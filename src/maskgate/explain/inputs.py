"""Photos as a run's networks see them, with the box of the main face in each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.config.settings import Component
from maskgate.core.progress import track
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, listed
from maskgate.evaluation import validation_photos
from maskgate.explain import regions
from maskgate.explain.regions import Boxes
from maskgate.faces import boxes as face_boxes
from maskgate.faces import crop, detectors, view
from maskgate.faces.protocol import BOX, Detector
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels
from maskgate.runs import RunFolder


@dataclass(frozen=True)
class Inputs:
    """N photos: a `table` with at least `photo`, the `pictures` (N, H, W, 3) that a network gets,
    and the `boxes` (N, 4) of the main face in them, NaN where none was detected."""

    table: pd.DataFrame
    pictures: Pixels
    boxes: Boxes

    @property
    def has_face(self) -> npt.NDArray[np.bool_]:
        """Whether a face was detected (N,)."""
        return np.isfinite(self.boxes[:, 0])

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> "Inputs":
        """Some of the photos, by position or mask."""
        table = self.table.iloc[np.arange(len(self.table))[rows]].reset_index(drop=True)
        return Inputs(table, self.pictures[rows], self.boxes[rows])


def validated(
    run: RunFolder, table: pd.DataFrame, cache: Path, detector: str, *, root: Path | None = None
) -> Inputs:
    """The validated photos of a run that a `table` names, in the folder `root`, by default where
    the run was trained. Where its view shows no faces, those are found by the `detector` of that
    name. Raises MaskgateError."""
    root = root or Path(run.status().root)
    photos = validation_photos.read(run, cache, table, root)
    photo = photos.recipe.photo
    if photo.face is None:
        face_detector = detectors.create(Component(name=detector), cache)
    else:
        found_by = view.create(photo, cache, run.kept_detector()).detector
        assert found_by is not None, "its view crops faces"
        face_detector = found_by
    run_photos = Photos(root, photos.table)
    detections, digests, problems = face_boxes.find(run_photos, face_detector, cache)
    if problems:
        names = listed([problem.where for problem in problems])
        raise MaskgateError(f"{root}: {names} cannot be read any more; put the photos back")
    faces = detections.all_faces(run_photos, digests).query("main or face == -1")
    boxes = regions.in_input(
        faces[list(BOX)].to_numpy(np.float64),
        faces[["height", "width"]].to_numpy(np.float64),
        photo,
    )
    rows = np.arange(len(photos.table))
    return Inputs(photos.table, photos.inputs(rows), boxes)


def files(run: RunFolder, paths: Sequence[Path], cache: Path, detector: str) -> Inputs:
    """The photos at `paths`; see `validated`. Raises MaskgateError that names all that cannot be
    read."""
    photo = run.recipe().photo
    try:
        photo_view = view.create(photo, cache, run.kept_detector())
    except MaskgateError as error:
        raise MaskgateError(f"{run.path}: {error}") from error
    face_detector: Detector = photo_view.detector or detectors.create(
        Component(name=detector), cache
    )
    stored, faces, sizes, faults = [], [], [], []
    for path in track(paths, "reading photos", len(paths)):
        try:
            image = pixels.decode(path)
        except pixels.PhotoError as error:
            faults.append(f"{path} ({error})")
            continue
        detected = face_detector(np.asarray(image))
        number = crop.main_face(detected, image.height, image.width)
        stored.append(photo_view.stored(image, detected, number))
        faces.append(np.full(4, np.nan) if number is None else detected.boxes[number])
        sizes.append((image.height, image.width))
    if faults:
        raise MaskgateError(
            f"{len(faults)} of {len(paths)} photos cannot be read: {listed(faults)}; leave them out"
        )
    boxes = regions.in_input(np.stack(faces).astype(np.float64), np.array(sizes, float), photo)
    table = pd.DataFrame({"photo": list(map(str, paths))})
    return Inputs(table, pixels.centre(np.stack(stored), photo.geometry), boxes)
