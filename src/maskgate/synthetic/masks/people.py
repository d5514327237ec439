"""Draws masks on bare faces, by default seven photos per person: what `maskgate wear` does."""

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
from maskgate.data.table import AGE_GROUP, Photos
from maskgate.errors import MaskgateError
from maskgate.faces import boxes
from maskgate.faces.protocol import Detector
from maskgate.synthetic.masks import journal, shots, truth
from maskgate.synthetic.masks.kinds import KINDS
from maskgate.synthetic.masks.portraits import Face, Task, draw
from maskgate.synthetic.masks.truth import NO_FACE, UNREADABLE, Person
from maskgate.synthetic.masks.workers import map_in_processes

VERSION: Final = 3  # raise it with any change of the drawings


@dataclass(frozen=True)
class DressedPeople:
    """The result of `dress`: the numbers of people and photos in `out`, and who was left out.

    `left_out` is the reason by person, one of those in `truth`. `masked` counts the photos with a
    mask, `other_photos` those of people of whom another photo was used.
    """

    out: Path
    people: int
    photos: int
    left_out: dict[str, str]
    masked: int
    other_photos: int


def dress(
    photos: Photos,
    detector: Detector,
    out: Path,
    seed: int,
    folder: Path,
    source: Path,
    skip_faulty: bool = False,
    workers: int | None = None,
    worn: int = 5,
    incorrect: int = 1,
    each_kind: bool = False,
) -> DressedPeople:
    """Draw `worn` photos with a mask, `incorrect` ones with a mask worn incorrectly, and one
    without a mask for each person of `photos`; with `each_kind`, one photo of each of `KINDS`
    instead, as far as it can be seen in the photo.

    Of each person the first photo without a mask, or with an unknown one, is used. Masks are drawn
    on the main face (`Boxes.main_face`); detections are stored in the cache `folder`. `out` gets
    `images/PERSON/*.jpg`, `photos.csv` (which `layouts.read` reads), `drawn.parquet` (what was
    drawn) and `left_out.csv`. Photos drawn by an earlier run are kept; the result does not depend
    on the number of `workers` (by default all cores) or on interruptions. Raises MaskgateError if
    photos of `source` cannot be read and `skip_faulty` is not set, if nobody can be dressed, or if
    `out` has other files.
    """
    shot_names = KINDS if each_kind else shots.names(worn, incorrect)
    table = photos.table
    bare = table["mask"].isin([labels.UNKNOWN, labels.MASKS.index("not_wear")]).to_numpy()
    first = ~table[bare]["person"].duplicated().to_numpy()
    chosen_photos = photos.take(np.flatnonzero(bare)[first])
    people = _people(chosen_photos.table)
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
    detected, digests, broken = boxes.find(chosen_photos, detector, folder)
    checks.refuse(broken, source, skip_faulty)
    digest_of = dict(zip(chosen_photos.without(broken).table["photo"], digests, strict=True))
    faces, left_out = _faces(people, detected, digest_of)
    if not faces:
        raise _nobody_error(source, left_out.values())
    with journal.open_journal(out, made_from) as log:
        finished = {
            face.person.name: face.person.folder
            for face in faces
            if _is_done(log.lines.get(face.person.name), face, out, shot_names)
        }
        if finished.keys() != log.lines.keys() or len(finished) < len(faces):
            truth.remove(out)  # until all photos in it exist again
        log.keep(finished)
        remaining = [face for face in faces if face.person.name not in finished]
        task = Task(photos.root, out, seed, shot_names, each_kind=each_kind)
        with closing(
            map_in_processes(draw, task, remaining, workers or os.cpu_count() or 1)
        ) as lines:
            for line in track(lines, "dressing", len(faces), len(finished)):
                log.write(line)
        left_out |= {name: line["why"] for name, line in log.lines.items() if line["why"]}
        if len(left_out) == len(people):
            raise _nobody_error(source, left_out.values())
        truth.write(out, people, log.lines, left_out=left_out, shots=shot_names)
        drawn = sum(len(line["drawn"]) for line in log.lines.values())
    return DressedPeople(
        out=out,
        people=len(people) - len(left_out),
        photos=drawn,
        left_out={
            person.name: left_out[person.name] for person in people if person.name in left_out
        },
        masked=int((~bare).sum()),
        other_photos=int((~first).sum()),
    )


def _people(table: pd.DataFrame) -> list[Person]:
    names = ("person", "photo", "gender", "age", "age_band", *AGE_GROUP)
    columns = table.reindex(columns=names).itertuples(index=False, name=None)
    return [
        Person(
            name=name,
            source=photo,
            folder=_folder(name),
            gender=int(gender),
            age=float(age),
            age_band=int(band),
            age_group=f"{first:g}-{last:g}" if first >= 0 else "",
        )
        for name, photo, gender, age, band, first, last in columns
    ]


def _folder(person: str) -> str:
    """A unique folder name for each person that is valid on any file system."""
    # No underscore, so that the folder is not read as one of the competition's.
    plain = re.sub(r"[^A-Za-z0-9]+", "-", person).strip("-")[:48]
    return f"{plain}-{hashlib.blake2b(person.encode(), digest_size=5).hexdigest()}"


def _digest(people: list[Person]) -> str:
    """The digest of everything known about the people but their age groups, which change no
    photo."""
    rows = [tuple(asdict(person).values())[:-1] for person in people]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _faces(
    people: list[Person], detected: boxes.Boxes, digest_of: Mapping[str, bytes]
) -> tuple[list[Face], dict[str, str]]:
    """The people with their main face, and by name the reason why others are left out.

    `digest_of` is the digest of every readable photo.
    """
    faces: list[Face] = []
    left_out: dict[str, str] = {}
    for person in people:
        digest = digest_of.get(person.source)
        number = None if digest is None else detected.main_face(digest)
        faces_in_photo = None if digest is None else detected.faces(digest)
        if digest is None or faces_in_photo is None or number is None:
            left_out[person.name] = UNREADABLE if digest is None else NO_FACE
            continue
        # Rounded as in the table, so that the table has exactly what was drawn on.
        landmarks = np.round(faces_in_photo.landmarks[number].astype(np.float64), 3)
        faces.append(
            Face(person, digest, landmarks, round(float(faces_in_photo.scores[number]), 4))
        )
    return faces, left_out


def _nobody_error(source: Path, reasons: Iterable[str]) -> MaskgateError:
    counts = ", ".join(f"{count} × {reason}" for reason, count in Counter(reasons).items())
    return MaskgateError(
        f"{source}: nobody can be dressed ({counts}); give photos of bare faces, or another"
        " --detector and another folder"
    )


def _is_done(
    line: Mapping[str, Any] | None, face: Face, out: Path, shot_names: Mapping[str, str]
) -> bool:
    """Whether a line of the journal is of this photo, and exactly these drawn photos exist."""
    if line is None or line.get("drawn_from") != face.digest.hex():
        return False
    if line["why"]:
        return True
    folder = out / "images" / face.person.folder
    drawn, unseen = [shot["shot"] for shot in line["drawn"]], line.get("unseen", [])
    return drawn == [shot for shot in shot_names if shot not in unseen] and all(
        (folder / f"{shot}.jpg").is_file() for shot in drawn
    )
