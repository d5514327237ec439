"""Predictions of a long run, kept while it runs, so that it resumes where it was interrupted."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.core import files
from maskgate.faces.reader import Photo
from maskgate.imaging import pixels

_EVERY: Final = 10.0  # seconds between two writes, longer where writing takes long


class Answer(NamedTuple):
    """The predictions for P faces of a photo: `boxes` (P, 5) as in `Predictions`, NaN where the
    model saw the photo's centre, `probabilities` (P, 18), and `ages` (P,) in years, NaN if the
    model predicts none."""

    boxes: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    ages: npt.NDArray[np.float32]


class _Batch(NamedTuple):
    """Predictions for a batch of photos with the state of their files, see `_stamp`."""

    stamps: str
    contents: str
    answers: list[Answer]


class ResumeCache:
    """Predictions for whole batches of photos, in a hidden file beside the output `out`.

    `settings` is a text with everything but the photos that they depend on. A batch is reused if
    its files have the same stamps as before, or else the same contents. Batches with an unreadable
    photo are not kept. A damaged file is ignored.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self.path, self.settings = out.with_name(f".{out.name}.kept"), settings
        self.reused = 0  # photos whose predictions were in the cache
        self._batches = _read(self.path)
        self._stamps: dict[str, str] = {}  # of batches before their photos are read
        self._next = time.monotonic() + _EVERY

    def get(self, photos: Sequence[Photo]) -> list[Answer] | None:
        """The predictions for a batch; None if it is not kept or its photos have changed."""
        key, stamps = self._key(photos), _digest(map(_stamp, photos))
        self._stamps[key] = stamps
        batch = self._batches.get(key)
        if batch is None or (batch.stamps != stamps and batch.contents != _contents(photos)):
            return None
        self.reused += len(batch.answers)
        return batch.answers

    def add(self, photos: Sequence[Photo], answers: "Sequence[Answer | str]") -> None:
        """Keep the predictions for a batch; they are written some seconds later."""
        readable = [each for each in answers if not isinstance(each, str)]
        key, contents = self._key(photos), _contents(photos)
        stamps = _digest(map(_stamp, photos))
        changed = self._stamps.get(key, stamps) != stamps  # while they were predicted
        if len(readable) < len(answers) or changed:
            return
        self._batches[key] = _Batch(stamps, contents, readable)
        began = time.monotonic()
        if began >= self._next:
            _write(self.path, self._batches)
            ended = time.monotonic()
            self._next = ended + max(_EVERY, 20 * (ended - began))

    def delete(self) -> None:
        """Remove the file: the output is written."""
        self.path.unlink(missing_ok=True)

    def _key(self, photos: Sequence[Photo]) -> str:
        names = (str(photo) if isinstance(photo, Path) else repr(photo) for photo in photos)
        return _digest([self.settings, *names])


def _digest(parts: Iterable[str]) -> str:
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        hasher.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return hasher.hexdigest()


def _stamp(photo: Photo) -> str:
    """The `files.stamp` of a file; empty where it is not a file or does not exist."""
    try:
        return files.stamp(photo) if isinstance(photo, Path) else ""
    except OSError:
        return ""


def _contents(photos: Sequence[Photo]) -> str:
    """A digest of the files' contents."""
    digests = []
    for photo in photos:
        try:
            content = pixels.read(photo) if isinstance(photo, Path) else b""
        except pixels.PhotoError as error:
            content = str(error).encode()
        digests.append(hashlib.blake2b(content, digest_size=16).hexdigest())
    return _digest(digests)


def _write(path: Path, batches: dict[str, _Batch]) -> None:
    answers = [answer for batch in batches.values() for answer in batch.answers]
    names = [(key, batch.stamps, batch.contents) for key, batch in batches.items()]
    arrays: dict[str, Any] = {
        "batches": np.array(names, dtype=np.str_).reshape(-1, 3),
        "photos": np.array([len(batch.answers) for batch in batches.values()], np.int64),
        "faces": np.array([len(answer.boxes) for answer in answers], np.int64),
        "boxes": np.concatenate([answer.boxes for answer in answers]),
        "probabilities": np.concatenate([answer.probabilities for answer in answers]),
        "ages": np.concatenate([answer.ages for answer in answers]),
    }

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:  # to a path, NumPy adds a suffix
            np.savez(file, **arrays)

    files.replace(path, save)


def _read(path: Path) -> dict[str, _Batch]:
    """The batches in a file; none where it is missing or damaged."""
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            names, photos, faces = file["batches"], file["photos"], file["faces"]
            arrays = boxes, probabilities, ages = [file[name] for name in Answer._fields]
        ends = np.cumsum(faces)[:-1]
        parts = zip(*(np.split(array, ends) for array in arrays), strict=True)
        answers = [Answer(*part) for part in parts]
        count = len(boxes)
        shapes = ((count, 5), (count, labels.COUNT), (count,))
        if (
            shapes != (boxes.shape, probabilities.shape, ages.shape)
            or int(photos.sum()) != len(answers)
            or int(faces.sum()) != len(boxes)
        ):
            return {}
        rest = iter(answers)
        return {
            str(key): _Batch(str(stamps), str(contents), list(islice(rest, count)))
            for (key, stamps, contents), count in zip(names, photos.tolist(), strict=True)
        }
    except Exception:  # of damaged content, NumPy and zipfile raise what they like
        return {}
