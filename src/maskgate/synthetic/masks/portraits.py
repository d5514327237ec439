"""Draws the photos of one person: all of them or none."""

import io
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskgate.core.seeding import derive
from maskgate.data import contents
from maskgate.errors import MaskgateError, disk_error
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import drawing
from maskgate.synthetic.masks.kinds import NEEDED, draw_kind
from maskgate.synthetic.masks.shots import draw_shot
from maskgate.synthetic.masks.truth import NO_FACE, UNSEEN, Person

QUALITY: Final = 95  # of the JPEGs


@dataclass(frozen=True)
class Face:
    """A person with the landmarks (5, 2) of their face and the digest of the photo's file."""

    person: Person
    digest: bytes
    landmarks: npt.NDArray[np.float64]
    score: float


@dataclass(frozen=True)
class Task:
    """The settings that are the same for all people; `shots` are their photos (`shots.names`), or
    one of `each_kind` (`KINDS`)."""

    root: Path
    out: Path
    seed: int
    shots: Mapping[str, str]
    each_kind: bool = False


def draw(task: Task, face: Face) -> dict[str, Any]:
    """Draw a person's photos into their folder, and return the line for the journal."""
    person = face.person
    line: dict[str, Any] = {
        "person": person.name,
        "drawn_from": face.digest.hex(),
        "why": "",
        "landmarks": face.landmarks.ravel().tolist(),
        "score": face.score,
        "drawn": [],
        "unseen": [],
    }
    try:
        face_photo = drawing.bare_face(
            read_photo(task.root / person.source, face.digest), face.landmarks
        )
    except ValueError:  # the landmarks are not those of a face
        return line | {"why": NO_FACE}
    encoded = {}
    for shot, mask in task.shots.items():
        rng = np.random.default_rng(derive(task.seed, person.name, shot))
        if task.each_kind:
            drawn_shot = draw_kind(face_photo, shot, rng)
        else:
            drawn_shot = draw_shot(face_photo, mask, rng)
        if drawn_shot is None and task.each_kind and shot not in NEEDED:
            line["unseen"].append(shot)
            continue
        if drawn_shot is None:
            return line | {"why": UNSEEN, "drawn": []}
        outfit, photo = drawn_shot
        encoded[shot] = jpeg(photo)
        line["drawn"].append({"shot": shot, **(asdict(outfit) if outfit else {})})
    _save(task.out / "images" / person.folder, encoded)
    return line


def read_photo(path: Path, digest: bytes) -> Pixels:
    """The photo whose face was found. Raises MaskgateError if the file has changed since."""
    try:
        content, image = contents.read_photo(str(path), ())
    except pixels.PhotoError:
        image = None
    if image is None or content != digest:
        raise MaskgateError(f"{path}: has changed since its face was found; repeat the command")
    return np.asarray(image)


def jpeg(photo: Pixels) -> bytes:
    """The photo as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _save(folder: Path, encoded: dict[str, bytes]) -> None:
    """Write all of a person's photos, or none."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        temporary.mkdir()
        for shot, data in encoded.items():
            (temporary / f"{shot}.jpg").write_bytes(data)
        if folder.exists():  # from a process that outlived its command for a moment
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        raise disk_error(error, folder) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
