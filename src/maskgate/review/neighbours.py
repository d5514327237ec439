"""People who look alike: near-duplicates of the run first, then the most similar photos.

Similar is what correlates most in the middle of the thumbnails that a run keeps (grey, 64×48), one
photo a person, with a bare face if there is one. That is a hint for a reviewer, not a measure of
identity.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.imaging.pixels import Pixels
from maskgate.pipeline import thumbnails
from maskgate.review.people import People
from maskgate.runs import RunFolder

COUNT: Final = 4
_BARE: Final = labels.MASKS.index("not_wear")
_MARGIN: Final = 0.2  # cut off on each side: mostly background


@dataclass(frozen=True)
class Neighbour:
    """A person who looks alike, and the row of the photo compared."""

    person: str
    row: int
    is_near_duplicate: bool


class Neighbours:
    """The neighbours of each person; nobody has any without a run's thumbnails."""

    def __init__(self, people: People, run: RunFolder | None) -> None:
        self._names: list[str] = []
        self._rows = np.empty(0, np.int64)
        self._cluster = np.empty(0, np.int64)
        self._vectors = np.empty((0, 0), np.float32)
        chosen = {name: _compared(people, rows) for name, rows in people.rows_by_name.items()}
        photos = people.table["photo"]
        digests = {people.digests.get(photos.iloc[row], "") for row in chosen.values()}
        pictures = {} if run is None else _pictures(run, digests)
        chosen = {
            name: row
            for name, row in chosen.items()
            if people.digests.get(photos.iloc[row]) in pictures
        }
        if len(chosen) > 1:
            self._names, self._rows = list(chosen), np.array([*chosen.values()], np.int64)
            self._cluster = people.table["cluster"].to_numpy()[self._rows]
            compared = [pictures[people.digests[photo]] for photo in photos.iloc[self._rows]]
            self._vectors = _vectors(np.stack(compared))

    def of(self, person: str) -> list[Neighbour]:
        """The COUNT nearest people, near-duplicates first."""
        if person not in self._names:
            return []
        place = self._names.index(person)
        is_same = self._cluster == self._cluster[place]
        similarity = self._vectors @ self._vectors[place] + 2 * is_same
        similarity[place] = -np.inf
        nearest = np.argsort(-similarity, kind="stable")[:COUNT]
        return [
            Neighbour(self._names[each], int(self._rows[each]), bool(is_same[each]))
            for each in nearest
            if each != place
        ]


def _compared(people: People, rows: npt.NDArray[np.int64]) -> int:
    """The row of the first photo with a bare face, else the first."""
    bare = rows[people.table["mask"].to_numpy()[rows] == _BARE]
    return int(bare[0] if len(bare) else rows[0])


def _pictures(run: RunFolder, digests: set[str]) -> dict[str, Pixels]:
    """The thumbnails (64, 48) with these digests of a run, or of a system's first member."""
    if run.is_system:
        run = run.members()[0]
    path = run.thumbnails_file
    if not run.files.holds(path):
        return {}
    table = thumbnails.table_of(run.files.read(path), path)
    table = table[table["digest"].isin(digests)]
    return dict(zip(table["digest"], thumbnails.decoded(table, path), strict=True))


def _vectors(pictures: Pixels) -> npt.NDArray[np.float32]:
    """The middles of pictures (N, 64, 48) as vectors of mean 0 and length 1; their products are
    correlations."""
    height, width = (round(size * _MARGIN) for size in pictures.shape[1:])
    middle = pictures[:, height:-height, width:-width].reshape(len(pictures), -1)
    centred = middle.astype(np.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
