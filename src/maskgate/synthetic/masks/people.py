"""From bare faces to people with seven photos each, drawn: what `maskgate wear` does."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core.progress import track
from maskgate.data import checks
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.faces import boxes
from maskgate.faces.protocol import Detector
from maskgate.synthetic.masks import journal, truth
from maskgate.synthetic.masks.portraits import Face, Task, draw
from maskgate.synthetic.masks.shots import SHOTS
from maskgate.synthetic.masks.truth import NO_FACE, UNREADABLE, Person
from maskgate.synthetic.masks.workers import mapped

VERSION: Final = 1  # raised by whatever changes what is drawn


@dataclass(frozen=True)
class Dressed:
    """What `dress` has made: people and photos in `out`, and who was left out.

    `left_out` tells why, of each person, in a word of `truth`. `masked` counts the photos
    that show a mask already, `further` those of people of whom another photo was taken.
    """

    out: Path
    people: int
    photos: int
    left_out: dict[str, str]
    masked: int
    further: int


def dress(
    photos: Photos,
    detector: Detector,
    out: Path,
    seed: int,
    folder: Path,
    source: Path,
    skip_faulty: bool = False,
    workers: int | None = None,
) -> Dressed:
    """Draw five masks, one worn wrongly, and a bare photo for each person of `photos`.

    One person is one photo: the first of those that show no mask, or of which nothing is known.
    The face that counts is dressed (`Boxes.main`); what was found stays in the cache `folder`.
    `out` gets `images/PERSON/*.jpg`, `photos.csv` (which `layouts.read` reads), `drawn.parquet`
    (what was drawn where) and `left_out.csv`. What was made of the same photo before stays; the
    result is the same whatever the number of `workers` (all cores where none is given) and however
    often the work was cut off. Raises MaskgateError where photos of `source` cannot be read, unless
    these are to be skipped, where nobody can be dressed, or `out` holds something else.
    """
    table = photos.table
    bare = table["mask"].isin([labels.UNKNOWN, labels.MASKS.index("not_wear")]).to_numpy()
    first = ~table[bare]["person"].duplicated().to_numpy()
    taken = photos.take(np.flatnonzero(bare)[first])
    people = _people(taken.table)
    if not people:
        raise MaskgateError(
            f"{source}: no photo shows a bare face; give photos whose mask is not_wear or unknown"
        )
    made_from = {
        "version": VERSION,
        "seed": seed,
        "detector": {"name": detector.name, "sha256": detector.sha256, **detector.arguments},
        "faces": _digest(people),
    }
    journal.check(out, made_from)
    found, digests, broken = boxes.find(taken, detector, folder)
    checks.refuse(broken, source, skip_faulty)
    digest_of = dict(zip(taken.without(broken).table["photo"], digests, strict=True))
    faces, left_out = _faces(people, found, digest_of)
    if not faces:
        raise _nobody(source, left_out.values())
    with journal.opened(out, made_from) as book:
        done = {
            face.person.name: face.person.folder
            for face in faces
            if _is_done(book.lines.get(face.person.name), face, out)
        }
        if done.keys() != book.lines.keys() or len(done) < len(faces):
            truth.remove(out)  # until all that it tells is there again
        book.keep(done)
        left = [face for face in faces if face.person.name not in done]
        task = Task(photos.root, out, seed)
        with closing(mapped(draw, task, left, workers or os.cpu_count() or 1)) as made:
            for line in track(made, "dressing", len(faces), len(done)):
                book.write(line)
        left_out |= {name: line["why"] for name, line in book.lines.items() if line["why"]}
        if len(left_out) == len(people):
            raise _nobody(source, left_out.values())
        truth.write(out, people, book.lines, left_out)
    return Dressed(
        out=out,
        people=len(people) - len(left_out),
        photos=len(SHOTS) * (len(people) - len(left_out)),
        left_out={
            person.name: left_out[person.name] for person in people if person.name in left_out
        },
        masked=int((~bare).sum()),
        further=int((~first).sum()),
    )


def _people(table: pd.DataFrame) -> list[Person]:
    columns = (table[name] for name in ("person", "photo", "gender", "age", "age_band"))
    return [
        Person(
            name=name,
            source=photo,
            folder=_folder(name),
            gender=int(gender),
            age=float(age),
            age_band=int(band),
        )
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


def _faces(
    people: list[Person], found: boxes.Boxes, digest_of: Mapping[str, bytes]
) -> tuple[list[Face], dict[str, str]]:
    """The people with the face that counts, and why others are left out, by their names.

    `digest_of` tells the content of every readable photo.
    """
    faces: list[Face] = []
    left_out: dict[str, str] = {}
    for person in people:
        digest = digest_of.get(person.source)
        number = None if digest is None else found.main_face(digest)
        seen = None if digest is None else found.faces(digest)
        if digest is None or seen is None or number is None:
            left_out[person.name] = UNREADABLE if digest is None else NO_FACE
            continue
        # Rounded as they are written, so that the table tells what was drawn on.
        landmarks = np.round(seen.landmarks[number].astype(np.float64), 3)
        faces.append(Face(person, digest, landmarks, round(float(seen.scores[number]), 4)))
    return faces, left_out


def _nobody(source: Path, whys: Iterable[str]) -> MaskgateError:
    told = ", ".join(f"{count} × {why}" for why, count in Counter(whys).items())
    return MaskgateError(
        f"{source}: nobody can be dressed ({told}); give photos of bare faces, or another"
        " --detector and another folder"
    )


def _is_done(line: Mapping[str, Any] | None, face: Face, out: Path) -> bool:
    """Whether a line of the journal tells of this photo, and what was drawn is there."""
    if line is None or line.get("drawn_from") != face.digest.hex():
        return False
    folder = out / "images" / face.person.folder
    return bool(line["why"]) or all((folder / f"{shot}.jpg").is_file() for shot in SHOTS)
