"""Finds the faces in a data set, and counts the photos with a face by mask state."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from maskgate import labels
from maskgate.data import checks, layouts
from maskgate.data import table as photo_table
from maskgate.data.label_map import NO_MAP, LabelMap
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.faces import boxes
from maskgate.faces.protocol import Detector
from maskgate.imaging import photo_files


@dataclass(frozen=True)
class Survey:
    """`faces` is the table of `Boxes.all_faces`; `masks` (N,) are the codes of the N photos, and
    `has_face` (N,) says whether a face was found."""

    detector: Detector
    faces: pd.DataFrame
    masks: "np.ndarray"
    has_face: "np.ndarray"

    def sentences(self) -> Iterator[str]:
        """One line for all photos, and one for each mask state that occurs."""
        yield f"{self.detector.name}: a face in {share(self.has_face)} photos"
        for code, mask in enumerate(labels.MASKS):
            hits_of_mask = self.has_face[self.masks == code]
            if len(hits_of_mask):
                yield f"  {mask.replace('_', ' ')}: {share(hits_of_mask)}"


def find(
    data: Path,
    detector: Detector,
    folder: Path,
    skip_faulty: bool,
    label_map: LabelMap = NO_MAP,
) -> Survey:
    """The faces in all photos of `data`, labelled or test photos; `folder` is the cache.

    Raises MaskgateError.
    """
    photos = _photos(data, label_map, folder)
    checks.refuse(photos.problems, data, skip_faulty)
    boxes_of_photos, digests, broken = boxes.find(photos, detector, folder)
    checks.refuse(broken, data, skip_faulty)
    photos = photos.without(broken)
    if not len(photos.table):
        raise MaskgateError(f"{data}: no photo that can be used; add some")
    has_face = np.array([boxes_of_photos.main_face(digest) is not None for digest in digests])
    faces = boxes_of_photos.all_faces(photos, digests)
    return Survey(detector, faces, photos.table["mask"].to_numpy(), has_face)


def _photos(data: Path, label_map: LabelMap, folder: Path) -> Photos:
    """The labelled photos, or if there are none, the test photos."""
    try:
        return layouts.read(data, label_map, folder)
    except MaskgateError:
        if photo_files.test_table(data) is None:
            raise
    images, rows = layouts.read_eval(data)
    names = rows["photo"]
    unknown = np.full(len(names), labels.UNKNOWN)
    table = photo_table.build(
        names, names, unknown, gender=unknown, age=np.full(len(names), np.nan)
    )
    return Photos(images, table)


def share(hits: "np.ndarray") -> str:
    """`1,340 of 1,356 (98.8%, 98.1–99.3)`, with a 95% interval (Wilson 1927)."""
    successes, count = int(hits.sum()), len(hits)
    interval = binomtest(successes, count).proportion_ci(method="wilson")
    low, high = 100 * interval.low, 100 * interval.high
    return f"{successes:,} of {count:,} ({successes / count:.1%}, {low:.1f}–{high:.1f})"
