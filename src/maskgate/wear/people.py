"""From bare faces to people with seven photos each, drawn: what `maskgate wear` does."""

import hashlib
import io
import os
import re
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from maskgate import labels, pixels
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError, of_disk
from maskgate.faces.protocol import Detector
from maskgate.pixels import Pixels
from maskgate.progress import track
from maskgate.randomness import derive
from maskgate.wear import drawing, journal, truth
from maskgate.wear.shots import SHOTS, shoot
from maskgate.wear.truth import Person
from maskgate.wear.workers import mapped

VERSION: Final = 1  # raised by whatever changes what is drawn
QUALITY: Final = 95  # of the JPEGs


@dataclass(frozen=True)
class Dressed:
    """What `dress` has made: people and photos in `out`, and who was left out.

    `no_face` are the people in whose photo no face was found, or whose photo cannot be read;
    `masked` counts the photos that show a mask already, `further` those of people of whom
    another photo was taken.
    """

    out: Path
    people: int
    photos: int
    no_face: list[str]
    masked: int
    further: int


@dataclass(frozen=True)
class _Face:
    """A person with the landmarks (5, 2) of their face; where there is none, `why`."""

    person: Person
    landmarks: npt.NDArray[np.float64] | None
    score: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class _Task:
    """What is the same for all people."""

    root: Path
    out: Path
    seed: int


def dress(
    photos: Photos, detector: Detector, out: Path, seed: int, workers: int | None = None
) -> Dressed:
    """Draw five masks, one worn wrongly, and a bare photo for each person of `photos`.

    One person is one photo: the first of those that show no mask, or of which nothing is known.
    The biggest face is dressed. `out` gets `images/PERSON/*.jpg`, `photos.csv` (which
    `layouts.read` reads), `drawn.parquet` (what was drawn where) and `no_face.csv`. What was made
    before stays; the result is the same whatever the number of `workers` (all cores where none is
    given) and however often the work was cut off. Raises MaskgateError where nobody is bare, or
    `out` holds something else.
    """
    table = photos.table
    bare = table["mask"].isin([labels.UNKNOWN, labels.MASKS.index("not_wear")]).to_numpy()
    first = ~table[bare]["person"].duplicated().to_numpy()
    people = _people(table[bare][first])
    if not people:
        raise MaskgateError(
            f"{photos.root}: no photo shows a bare face; give photos whose mask is not_wear or"
            " unknown"
        )
    made_from = {
        "version": VERSION,
        "seed": seed,
        "detector": {"name": detector.name, "sha256": detector.sha256, **detector.arguments},
        "faces": _digest(people),
    }
    with journal.opened(out, made_from) as book:
        left = [person for person in people if person.name not in book.lines]
        # A detector is quick, and cannot be handed to other processes as a rule.
        faces = (_face(detector, photos.root, person) for person in left)
        task = _Task(photos.root, out, seed)
        with closing(mapped(_dress_one, task, faces, workers or os.cpu_count() or 1)) as made:
            for line in track(made, "dressing", len(people), len(people) - len(left)):
                book.write(line)
        lines = [book.lines[person.name] for person in people]
        truth.write(out, people, lines)
    no_face = [line["person"] for line in lines if line["why"]]
    return Dressed(
        out=out,
        people=len(people) - len(no_face),
        photos=len(SHOTS) * (len(people) - len(no_face)),
        no_face=no_face,
        masked=int((~bare).sum()),
        further=int((~first).sum()),
    )


def _people(table: pd.DataFrame) -> list[Person]:
    columns = (table[name] for name in ("person", "photo", "gender", "age", "age_band"))
    return [
        Person(name, photo, _folder(name), int(gender), float(age), int(band))
        for name, photo, gender, age, band in zip(*columns, strict=True)
    ]


def _folder(person: str) -> str:
    """A name that any file system takes, another for each person."""
    # No underscore, so that no folder is taken for one of the competition's.
    plain = re.sub(r"[^A-Za-z0-9]+", "-", person).strip("-")[:48]
    return f"{plain}-{hashlib.blake2b(person.encode(), digest_size=5).hexdigest()}"


def _digest(people: list[Person]) -> str:
    """Of all that is known of the people."""
    return hashlib.sha256(
        repr([tuple(asdict(person).values()) for person in people]).encode()
    ).hexdigest()


def _face(detector: Detector, root: Path, person: Person) -> _Face:
    """The person with their biggest face."""
    try:
        photo = np.asarray(pixels.decode(root / person.source))
    except pixels.PhotoError as error:
        return _Face(person, None, why=f"unreadable: {error}")
    faces = detector(photo)
    if not len(faces):
        return _Face(person, None, why="no face found")
    width, height = (faces.boxes[:, 2:] - faces.boxes[:, :2]).T
    biggest = int(np.argmax(width * height))
    # Rounded as they are written, so that the table tells what was drawn on.
    landmarks = np.round(faces.landmarks[biggest].astype(np.float64), 3)
    return _Face(person, landmarks, round(float(faces.scores[biggest]), 4))


def _dress_one(task: _Task, face: _Face) -> dict[str, Any]:
    """Draw a person's photos into their folder; the journal's line."""
    person = face.person
    told: dict[str, Any] = {"person": person.name, "why": face.why, "drawn": []}
    if face.landmarks is None:
        return told
    try:
        photo = np.asarray(pixels.decode(task.root / person.source))
        sitter = drawing.sitter(photo, face.landmarks)
    except pixels.PhotoError as error:  # it was there a moment ago
        return told | {"why": f"unreadable: {error}"}
    except ValueError:  # of landmarks that are no face's
        return told | {"why": "no face found"}
    encoded = {}
    for shot in SHOTS:
        rng = np.random.default_rng(derive(task.seed, person.name, shot))
        outfit, dressed = shoot(sitter, shot, rng)
        encoded[shot] = _jpeg(dressed)
        told["drawn"].append({"shot": shot, **(asdict(outfit) if outfit else {})})
    _save(task.out / "images" / person.folder, encoded)
    return told | {"landmarks": face.landmarks.ravel().tolist(), "score": face.score}


def _jpeg(photo: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _save(folder: Path, encoded: dict[str, bytes]) -> None:
    """All of a person's photos, or none."""
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        beside.mkdir()
        for shot, data in encoded.items():
            (beside / f"{shot}.jpg").write_bytes(data)
        if folder.exists():  # made just before the work was cut off
            shutil.rmtree(folder)
        beside.rename(folder)
    except OSError as error:
        raise of_disk(error, folder) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
