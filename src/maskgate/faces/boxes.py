"""Every photo's faces, found once: by its content, whatever it is called and whoever asks.

One folder of the cache a detector holds `index.sqlite`. A search killed at any moment goes on with
the photos that are left.
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
from maskgate.data import contents
from maskgate.data.checks import Problem
from maskgate.data.table import Photos
from maskgate.faces import crop
from maskgate.faces.protocol import BOX, Detector, Faces, key
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
class _Found:
    height: int
    width: int
    faces: Faces
    size: tuple[int, int]  # width and height of the photo, which may be larger


@dataclass(frozen=True)
class Boxes:
    """The faces in photos, told by the digests (16 bytes) of their contents."""

    detector: Detector
    _packed: dict[bytes, tuple[int, int, bytes]]  # height and width as decoded, its faces
    _reduced: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # their width and height

    def of(self, digest: bytes) -> Faces | None:
        """The faces in the photo with that content, None where it was not searched."""
        known = self._packed.get(digest)
        return None if known is None else _unpacked(known[2])

    def main(self, digest: bytes) -> int | None:
        """The number of the face that counts in a photo that was searched, None without any."""
        height, width, packed = self._packed[digest]
        return crop.chosen(_unpacked(packed), height, width)

    def table(self, digests: Sequence[bytes]) -> pd.DataFrame:
        """A row a photo: BOX, POINTS and `score` of the face that counts, NaN where there is none,
        in the photo's pixels; and `faces`, how many were found in it."""
        values = np.full((len(digests), _WIDTH), np.nan, dtype=np.float32)
        counts = np.zeros(len(digests), dtype=np.int64)
        for row, digest in enumerate(digests):
            number = self.main(digest)
            if number is not None:
                every = self._of_photo(digest)
                values[row], counts[row] = every[number], len(every)
        return pd.DataFrame(values, columns=[*BOX, *POINTS, "score"]).assign(faces=counts)

    def every(self, photos: Photos, digests: Sequence[bytes]) -> pd.DataFrame:
        """A row a face of every photo of the table, whose contents are told: `photo`, `face` (0 is
        the surest; -1 in the single row of a photo without any), `main` (the one that counts),
        BOX, POINTS, `score`, `height` and `width` of the photo, `detector` and its `sha256`."""
        rows: list[tuple[object, ...]] = []
        values = [np.empty((0, _WIDTH), dtype=np.float32)]
        for photo, digest in zip(photos.table["photo"], digests, strict=True):
            height, width, _ = self._packed[digest]
            width, height = self._reduced.get(digest, (width, height))
            found, main = self._of_photo(digest), self.main(digest)
            if main is None:
                rows.append((photo, -1, False, height, width))
                values.append(np.full((1, _WIDTH), np.nan, dtype=np.float32))
            rows += [(photo, n, n == main, height, width) for n in range(len(found))]
            values.append(found)
        told = pd.DataFrame(rows, columns=["photo", "face", "main", "height", "width"])
        faces = pd.DataFrame(np.concatenate(values), columns=[*BOX, *POINTS, "score"])
        return pd.concat([told, faces], axis=1).assign(
            detector=self.detector.name, sha256=self.detector.sha256
        )

    def _of_photo(self, digest: bytes) -> "np.ndarray":
        """BOX, POINTS and score (F, _WIDTH) of its faces, in the pixels of the photo itself."""
        height, width, packed = self._packed[digest]
        of_photo = self._reduced.get(digest, (width, height))
        across, down = of_photo[0] / width, of_photo[1] / height
        return (_values(packed) * ([across, down] * (_WIDTH // 2) + [1])).astype(np.float32)


def find(
    photos: Photos, detector: Detector, folder: Path
) -> tuple[Boxes, list[bytes], list[Problem]]:
    """The faces in all readable `photos`, their contents' digests, and a fatal problem for each
    photo that is not readable.

    The digests are those of ``photos.without(problems)``. What was searched before, as the cache
    `folder` knows, is not searched again. Raises MaskgateError where that cannot be written.
    """
    place = folder / f"faces-{key(detector)}"
    with contents.opened(place, _SCHEMA) as index:
        _forget_invalid(index)
        table = contents.files(photos, index)
        searched = {digest for (digest,) in index.execute("SELECT digest FROM photos")}
        known_digests = [digest if digest in searched else None for digest in table["digest"]]
        table = table.assign(digest=pd.Series(known_digests, dtype=object))
        digests: list[bytes | None] = table["digest"].tolist()
        missing = [row for row, digest in enumerate(digests) if digest is None]
        reasons: dict[int, str] = {}
        if missing:
            say(f"looking for faces in {len(missing)} photos ({detector.name})")
        for rows, found in _searched(table["path"], missing, detector, index):
            new = []
            for row, (digest, answer) in zip(rows, found, strict=True):
                if isinstance(digest, str):
                    reasons[row] = digest
                    continue
                digests[row] = digest
                if answer is not None:
                    packed = _packed(answer.faces)
                    new.append((digest, answer.height, answer.width, packed))
                    if answer.size != (answer.width, answer.height):
                        index.execute(
                            "INSERT OR IGNORE INTO reduced VALUES (?, ?, ?)", (digest, *answer.size)
                        )
            index.executemany("INSERT OR IGNORE INTO photos VALUES (?, ?, ?, ?)", new)
            known = pd.Series([digests[row] for row in rows], index=rows, dtype=object)
            told = table.iloc[rows].assign(digest=known)
            contents.remember(index, told)
            index.commit()
        readable = [digest for digest in digests if digest is not None]
        wanted = set(readable)
        packed_of = {
            digest: (height, width, packed)
            for digest, height, width, packed in index.execute("SELECT * FROM photos")
            if digest in wanted
        }
        reduced = {
            digest: (width, height)
            for digest, width, height in index.execute("SELECT * FROM reduced")
            if digest in wanted
        }
    names = photos.table["photo"]
    problems = [Problem("unreadable photo", names[row], why, True) for row, why in reasons.items()]
    return Boxes(detector, packed_of, reduced), readable, problems


def _forget_invalid(index: sqlite3.Connection) -> None:
    """Take photos out of the index whose faces are not as they are written here."""
    # Larger photos are made smaller by now: these were searched by an older version.
    index.execute("DELETE FROM photos WHERE height * width > ?", (limits.LARGE,))
    index.execute(
        "DELETE FROM photos WHERE typeof(height) != 'integer' OR typeof(width) != 'integer'"
        " OR typeof(faces) != 'blob' OR length(faces) % ?",
        (_BYTES,),
    )


def _searched(
    paths: "pd.Series[str]", rows: list[int], detector: Detector, index: sqlite3.Connection
) -> Iterator[tuple[list[int], list[tuple[bytes | str, _Found | None]]]]:
    have = {digest for (digest,) in index.execute("SELECT digest FROM photos")}

    def search(_: bytes, image: Image.Image) -> _Found:
        faces = detector(np.asarray(image))
        return _Found(image.height, image.width, faces, pixels.size_of(image))

    return contents.read_all(paths, rows, have, make=search, size=_CHUNK, what="looking for faces")


def _packed(faces: Faces) -> bytes:
    whole = np.column_stack(
        [faces.boxes, faces.landmarks.reshape(len(faces), 10), faces.scores]
    ).astype("<f4")
    return whole.tobytes()


def _values(packed: bytes) -> "np.ndarray":
    return np.frombuffer(packed, dtype="<f4").reshape(-1, _WIDTH)


def _unpacked(packed: bytes) -> Faces:
    whole = _values(packed)
    return Faces(whole[:, :4], whole[:, 4:14].reshape(-1, 5, 2), whole[:, 14])


def write(path: Path, table: pd.DataFrame) -> None:
    """The table of `Boxes.every` as parquet. Raises MaskgateError where it cannot be written."""
    files.replace(path, lambda beside: table.to_parquet(beside, index=False))
