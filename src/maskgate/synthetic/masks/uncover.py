"""Makes photos of masks worn incorrectly from photos of masks worn: what `maskgate uncover` does.

The mask and its light are real, unlike those that `maskgate wear` draws; the nose, or nose and
mouth, are pasted from a bare face.
"""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core import files
from maskgate.core.progress import track
from maskgate.core.seeding import derive
from maskgate.data import checks
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.faces import boxes
from maskgate.faces.protocol import Detector
from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import face_parts, portraits
from maskgate.synthetic.masks.face_parts import Array, FacePhoto

PHOTOS: Final = "photos.csv"
MIN_WIDTH: Final = 48  # pixels: smaller faces are not used
_CANDIDATES: Final = 25  # faces from which the most similar one is pasted
_SHARES: Final = {"nose": 0.5, "mouth": 0.3, "upper_lip": 0.2}
_KEPT_PHOTOS: Final = 128  # decoded, in memory


@dataclass(frozen=True)
class UncoveredPhotos:
    """The result of `uncover`: how many photos of each mask state are in `out`, and how many faces
    worn and bare they were made from."""

    out: Path
    counts: dict[str, int]
    worn: int
    bare: int


@dataclass(frozen=True, eq=False)
class _Face:
    """The main face of a photo: its landmarks (5, 2), the same as a `shape` without place and size,
    and its width in pixels."""

    photo: str
    person: str
    digest: bytes
    landmarks: Array
    width: float
    shape: Array


def uncover(
    photos: Photos,
    detector: Detector,
    out: Path,
    *,
    source: Path,
    folder: Path,
    seed: int = 7,
    incorrect: int = 4,
    skip_faulty: bool = False,
) -> UncoveredPhotos:
    """Paste parts of bare faces onto faces with a mask, and write a new folder `out`.

    Of every photo whose mask is worn, `incorrect` photos are made in which the nose, the upper lip
    or the mouth of a bare face is pasted over the upper part of the mask. So that a network does
    not learn the seams, it also gets one photo with the same part of another mask, which stays
    worn, and each bare face gets a part of another bare face. Pasted faces are those that are most
    alike in pose and size among some. `out` gets `images/*.jpg` and `photos.csv`, with masks as the
    only labels and both originals in `drawn_from`; detections are stored in the cache `folder`.

    Raises MaskgateError if `out` exists with files in it, if photos of `source` cannot be read and
    `skip_faulty` is not set, or if there are no two worn and two bare faces.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise MaskgateError(f"{out}: exists already; name a new folder")
    mask = photos.table["mask"]
    is_used = mask.isin([labels.MASKS.index("wear"), labels.MASKS.index("not_wear")])
    chosen = photos.take(np.flatnonzero(is_used))
    detected, digests, broken = boxes.find(chosen, detector, folder)
    checks.refuse(broken, source, skip_faulty)
    table = chosen.without(broken).table
    worn, bare = (
        _faces(table, digests, detected, labels.MASKS.index(name)) for name in ("wear", "not_wear")
    )
    if min(len(worn), len(bare)) < 2:
        raise MaskgateError(
            f"{source}: has {len(worn)} faces with a mask worn and {len(bare)} bare ones of at"
            f" least {MIN_WIDTH} pixels; give two or more of each"
        )
    writer = _Writer(photos.root, seed)
    jobs = [
        *(
            (face, bare, "incorrect", f"incorrect_mask{number}")
            for face in worn
            for number in range(1, incorrect + 1)
        ),
        *((face, worn, "wear", "mask1") for face in worn),
        *((face, bare, "not_wear", "normal") for face in bare),
    ]
    with files.staged_folder(out) as staged:
        (staged / "images").mkdir()
        for target, sources, state, shot in track(jobs, "pasting", len(jobs)):
            writer.add(staged, target, sources, state=state, shot=shot)
        if not writer.rows:
            raise MaskgateError(f"{source}: no face fits onto another; give larger photos")
        columns = ["photo", "person", "mask", "drawn_from"]
        pd.DataFrame(writer.rows, columns=columns).to_csv(staged / PHOTOS, index=False)
        staged.replace(out)
    counts = Counter(state for _, _, state, _ in writer.rows)
    return UncoveredPhotos(out, dict(counts), len(worn), len(bare))


def _faces(
    table: pd.DataFrame, digests: list[bytes], detected: boxes.Boxes, mask: int
) -> list[_Face]:
    """The main faces of the photos with this mask that are large enough, each photo once."""
    faces: dict[bytes, _Face] = {}
    rows = zip(table["photo"], table["person"], table["mask"], digests, strict=True)
    for photo, person, state, digest in rows:
        number = detected.main_face(digest)
        faces_in_photo = detected.faces(digest)
        if state != mask or number is None or faces_in_photo is None:
            continue
        left, _, right, _ = faces_in_photo.boxes[number].tolist()
        if right - left >= MIN_WIDTH:
            landmarks = faces_in_photo.landmarks[number].astype(np.float64)
            faces[digest] = _Face(
                photo, person, digest, landmarks, width=right - left, shape=_shape(landmarks)
            )
    return list(faces.values())


def _shape(landmarks: Array) -> Array:
    """The landmarks (5, 2), moved and scaled to the mean 0 and the norm 1."""
    centred = landmarks - landmarks.mean(0)
    shape: Array = centred / max(float(np.linalg.norm(centred)), 1e-9)
    return shape


class _Writer:
    """Makes the photos one by one; `rows` are those of the table."""

    def __init__(self, root: Path, seed: int) -> None:
        self.rows: list[tuple[str, str, str, str]] = []
        self._root, self._seed = root, seed
        self._photo = lru_cache(_KEPT_PHOTOS)(self._read)

    def add(self, folder: Path, target: _Face, sources: list[_Face], state: str, shot: str) -> None:
        """Make one photo of the `target` in the `folder`; none where no face fits."""
        rng = np.random.default_rng(derive(self._seed, target.digest.hex(), shot))
        source = _most_alike(target, sources, rng)
        end = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
        if state == "wear":  # the part of another mask: never all of it
            end = "nose"
        pasted = face_parts.paste(
            FacePhoto(self._photo(target), target.landmarks),
            FacePhoto(self._photo(source), source.landmarks),
            end,
            rng,
        )
        if pasted is None:
            return
        name = f"images/{target.digest.hex()[:16]}-{shot}.jpg"
        (folder / name).write_bytes(portraits.jpeg(pasted))
        originals = f"{target.digest.hex()} {source.digest.hex()}"
        self.rows.append((name, target.person, state, originals))

    def _read(self, face: _Face) -> Pixels:
        return portraits.read_photo(self._root / face.photo, face.digest)


def _most_alike(target: _Face, faces: list[_Face], rng: np.random.Generator) -> _Face:
    """The face most alike in pose and size among a few that are drawn, never `target`'s own."""
    numbers = rng.permutation(len(faces))[: _CANDIDATES + 1]
    others = [faces[number] for number in numbers if faces[number].digest != target.digest]

    def difference(face: _Face) -> float:
        size = abs(float(np.log(face.width / target.width)))
        return float(np.abs(face.shape - target.shape).sum()) + 0.1 * size

    return min(others, key=difference)
