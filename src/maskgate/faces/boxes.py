"""Detects the faces in photos, each photo once: results are cached by the photo's content.

The cache has one folder per detector, with an `index.sqlite`. A search that was killed continues
with the remaining photos.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from PIL import Image

from maskgate.core import files
from maskgate.core.progress import say
from maskgate.data import checks, contents
from maskgate.data.checks import Problem
from maskgate.data.table import Photos
from maskgate.faces import crop
from maskgate.faces.protocol import BOX, Detector, Faces, detector_key
from maskgate.imaging import pixels
from maskgate.imaging.decoding import limits

_CHUNK: Final = 64  # photos searched between two commits
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS photos (digest BLOB PRIMARY KEY, height INTEGER, width INTEGER,
faces BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reduced (digest BLOB PRIMARY KEY, width INTEGER, height INTEGER)
WITHOUT ROWID;
"""  # `reduced` holds the sizes of photos that were made smaller before they were searched
POINTS: Final = tuple(
    f"{point}_{axis}"
    for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    for axis in "xy"
)
_WIDTH: Final = len(BOX) + len(POINTS) + 1
_BYTES: Final = 4 * _WIDTH  # of a face


@dataclass(frozen=True)
class _Detections:
    height: int
    width: int
    faces: Faces
    size: tuple[int, int]  # width and height of the photo, which may be larger


@dataclass(frozen=True)
class Boxes:
    """The faces in photos, by the digests (16 bytes) of the photos' contents."""

    detector: Detector
    _packed: dict[bytes, tuple[int, int, bytes]]  # height and width as decoded, faces
    _reduced: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # original width, height

    def faces(self, digest: bytes) -> Faces | None:
        """The faces in the photo with that content, None if it was not searched."""
        known = self._packed.get(digest)
        return None if known is None else _unpacked(known[2])

    def main_face(self, digest: bytes) -> int | None:
        """The index of the main face in a photo that was searched, None if it has no face."""
        height, width, packed = self._packed[digest]
        return crop.main_face(_unpacked(packed), height, width)

    def table(self, digests: Sequence[bytes]) -> pd.DataFrame:
        """One row per photo: BOX, POINTS and `score` of the main face in the photo's pixels (NaN
        without a face), and `faces`, the number of faces in it."""
        values = np.full((len(digests), _WIDTH), np.nan, dtype=np.float32)
        counts = np.zeros(len(digests), dtype=np.int64)
        for row, digest in enumerate(digests):
            number = self.main_face(digest)
            if number is not None:
                face_rows = self._face_rows(digest)
                values[row], counts[row] = face_rows[number], len(face_rows)
        return pd.DataFrame(values, columns=[*BOX, *POINTS, "score"]).assign(faces=counts)

    def all_faces(self, photos: Photos, digests: Sequence[bytes]) -> pd.DataFrame:
        """One row per face of every photo, with `digests` of their contents: `photo`, `face` (0
        has the highest score; -1 in the single row of a photo without a face), `main` (whether it
        is the main face), BOX, POINTS, `score`, `height` and `width` of the photo, `detector` and
        its `sha256`."""
        rows: list[tuple[object, ...]] = []
        values = [np.empty((0, _WIDTH), dtype=np.float32)]
        for photo, digest in zip(photos.table["photo"], digests, strict=True):
            height, width, _ = self._packed[digest]
            width, height = self._reduced.get(digest, (width, height))
            face_rows, main = self._face_rows(digest), self.main_face(digest)
            if main is None:
                rows.append((photo, -1, False, height, width))
                values.append(np.full((1, _WIDTH), np.nan, dtype=np.float32))
            rows += [(photo, n, n == main, height, width) for n in range(len(face_rows))]
            values.append(face_rows)
        photo_columns = pd.DataFrame(rows, columns=["photo", "face", "main", "height", "width"])
        face_columns = pd.DataFrame(np.concatenate(values), columns=[*BOX, *POINTS, "score"])
        return pd.concat([photo_columns, face_columns], axis=1).assign(
            detector=self.detector.name, sha256=self.detector.sha256
        )

    def _face_rows(self, digest: bytes) -> "np.ndarray":
        """BOX, POINTS and score (F, _WIDTH) of its faces, in pixels of the original photo."""
        height, width, packed = self._packed[digest]
        original_width, original_height = self._reduced.get(digest, (width, height))
        scale_x, scale_y = original_width / width, original_height / height
        return (_values(packed) * ([scale_x, scale_y] * (_WIDTH // 2) + [1])).astype(np.float32)


def find(
    photos: Photos, detector: Detector, folder: Path
) -> tuple[Boxes, list[bytes], list[Problem]]:
    """The faces in all readable `photos`, the digests of their contents, and a fatal problem for
    each photo that is not readable.

    The digests are those of ``photos.without(problems)``. Photos already in the cache `folder` are
    not searched again. Raises MaskgateError if the cache cannot be written.
    """
    with contents.open_index(folder / f"faces-{detector_key(detector)}", _SCHEMA) as index:
        _forget_invalid(index)
        table = contents.file_table(photos, index)
        searched = {digest for (digest,) in index.execute("SELECT digest FROM photos")}
        known_digests = [digest if digest in searched else None for digest in table["digest"]]
        table = table.assign(digest=pd.Series(known_digests, dtype=object))
        digests: list[bytes | None] = table["digest"].tolist()
        missing = [row for row, digest in enumerate(digests) if digest is None]
        reasons: dict[int, str] = {}
        if missing:
            say(f"looking for faces in {len(missing)} photos ({detector.name})")
        for rows, searched_photos in _search(table["path"], missing, detector, index):
            new = []
            for row, (digest, detections) in zip(rows, searched_photos, strict=True):
                if isinstance(digest, str):
                    reasons[row] = digest
                    continue
                digests[row] = digest
                if detections is not None:
                    height, width = detections.height, detections.width
                    new.append((digest, height, width, _packed(detections.faces)))
                    if detections.size != (width, height):
                        index.execute(
                            "INSERT OR IGNORE INTO reduced VALUES (?, ?, ?)",
                            (digest, *detections.size),
                        )
            index.executemany("INSERT OR IGNORE INTO photos VALUES (?, ?, ?, ?)", new)
            new_digests = pd.Series([digests[row] for row in rows], index=rows, dtype=object)
            contents.remember(index, table.iloc[rows].assign(digest=new_digests))
            index.commit()
        readable = [digest for digest in digests if digest is not None]
        requested = set(readable)
        packed_of = {
            digest: (height, width, packed)
            for digest, height, width, packed in index.execute("SELECT * FROM photos")
            if digest in requested
        }
        reduced = {
            digest: (width, height)
            for digest, width, height in index.execute("SELECT * FROM reduced")
            if digest in requested
        }
    names = photos.table["photo"]
    problems = [checks.unreadable(names[row], reason) for row, reason in reasons.items()]
    return Boxes(detector, packed_of, reduced), readable, problems


def _forget_invalid(index: sqlite3.Connection) -> None:
    """Delete invalid rows, and those of an older version, from the index."""
    # Larger photos are reduced before the search today: an older version wrote these rows.
    index.execute("DELETE FROM photos WHERE height * width > ?", (limits.LARGE,))
    index.execute(
        "DELETE FROM photos WHERE typeof(height) != 'integer' OR typeof(width) != 'integer'"
        " OR typeof(faces) != 'blob' OR length(faces) % ?",
        (_BYTES,),
    )


def _search(
    paths: "pd.Series[str]", rows: list[int], detector: Detector, index: sqlite3.Connection
) -> Iterator[tuple[list[int], list[tuple[bytes | str, _Detections | None]]]]:
    existing = {digest for (digest,) in index.execute("SELECT digest FROM photos")}

    def detect(_: bytes, image: Image.Image) -> _Detections:
        faces = detector(np.asarray(image))
        return _Detections(image.height, image.width, faces, pixels.original_size(image))

    return contents.read_all(
        paths, rows, existing, make=detect, size=_CHUNK, what="looking for faces"
    )


def _packed(faces: Faces) -> bytes:
    face_rows = np.column_stack(
        [faces.boxes, faces.landmarks.reshape(len(faces), 10), faces.scores]
    ).astype("<f4")
    return face_rows.tobytes()


def _values(packed: bytes) -> "np.ndarray":
    return np.frombuffer(packed, dtype="<f4").reshape(-1, _WIDTH)


def _unpacked(packed: bytes) -> Faces:
    rows = _values(packed)
    return Faces(rows[:, :4], rows[:, 4:14].reshape(-1, 5, 2), rows[:, 14])


def write(path: Path, table: pd.DataFrame) -> None:
    """Write the table of `Boxes.all_faces` as parquet. Raises MaskgateError if that fails."""
    files.replace(path, lambda temporary: table.to_parquet(temporary, index=False))
