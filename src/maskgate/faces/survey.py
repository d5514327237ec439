"""Finds the faces of a whole data set, and tells how many are found, by mask state."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from maskgate import labels
from maskgate.data import checks, layouts
from maskgate.data import table as photo_table
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.faces import boxes
from maskgate.faces.protocol import Detector
from maskgate.imaging import photo_files


@dataclass(frozen=True)
class Survey:
    """`faces` is the table of `Boxes.every`; `masks` are the codes (N,) of the N photos, of which
    `found` (N,) tells whether there is a face."""

    detector: Detector
    faces: pd.DataFrame
    masks: "np.ndarray"
    found: "np.ndarray"

    def sentences(self) -> Iterator[str]:
        """A line for all photos, and one for each mask state known."""
        yield f"{self.detector.name}: a face in {share(self.found)} photos"
        for code, mask in enumerate(labels.MASKS):
            those = self.found[self.masks == code]
            if len(those):
                yield f"  {mask.replace('_', ' ')}: {share(those)}"


def find(data: Path, detector: Detector, folder: Path, skip_faulty: bool) -> Survey:
    """The faces in all photos of `data`, labelled ones or test photos; `folder` is the cache's.

    Raises MaskgateError.
    """
    photos = _photos(data)
    checks.refuse(photos.problems, data, skip_faulty)
    found, digests, broken = boxes.find(photos, detector, folder)
    checks.refuse(broken, data, skip_faulty)
    photos = photos.without(broken)
    if not len(photos.table):
        raise MaskgateError(f"{data}: holds no photo that can be used; add some")
    there = np.array([found.main(digest) is not None for digest in digests])
    faces = found.every(photos, digests)
    return Survey(detector, faces, photos.table["mask"].to_numpy(), there)


def _photos(data: Path) -> Photos:
    """Labelled photos, or the test photos where there are no others."""
    try:
        return layouts.read(data)
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


def share(found: "np.ndarray") -> str:
    """`1,340 of 1,356 (98.8%, 98.1–99.3)`, with a 95% interval (Wilson 1927)."""
    hits, count = int(found.sum()), len(found)
    ends = binomtest(hits, count).proportion_ci(method="wilson")
    return f"{hits:,} of {count:,} ({hits / count:.1%}, {100 * ends.low:.1f}–{100 * ends.high:.1f})"
