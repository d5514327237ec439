"""The answers of a long prediction, kept while it runs: interrupted, it goes on where it was."""

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

_EVERY: Final = 10.0  # seconds from one writing to the next, and longer where writing takes long


class Answer(NamedTuple):
    """What is said of P faces of a photo: `boxes` (P, 5) as in `Predictions`, NaN where the photo's
    centre was shown, and `probabilities` (P, 18)."""

    boxes: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]


class _Batch(NamedTuple):
    """Predictions for a batch of photos with the state of their files, see `_stamp`."""

    stamps: str
    contents: str
    answers: list[Answer]


class ResumeCache:
    """Answers to whole batches of photos, in a hidden file beside `out`, for which they are made.

    `asked` tells all that they depend on but the photos. A batch counts where its files have the
    stamps they had, or else the same contents. Batches with a photo that cannot be read are not
    kept. What cannot be read is answered again.
    """

    def __init__(self, out: Path, asked: str) -> None:
        self.path, self.asked = out.with_name(f".{out.name}.kept"), asked
        self.found = 0  # photos whose answers were there
        self._batches = _read(self.path)
        self._stamps: dict[str, str] = {}  # of batches before their photos are read
        self._next = time.monotonic() + _EVERY

    def get(self, photos: Sequence[Photo]) -> list[Answer] | None:
        """The answers to a batch, where it is there and its photos have not changed."""
        key, stamps = self._key(photos), _digest(map(_stamp, photos))
        self._stamps[key] = stamps
        batch = self._batches.get(key)
        if batch is None or (batch.stamps != stamps and batch.contents != _contents(photos)):
            return None
        self.found += len(batch.answers)
        return batch.answers

    def add(self, photos: Sequence[Photo], answers: "Sequence[Answer | str]") -> None:
        """Keep the answers to a batch; they are written some seconds later."""
        whole = [each for each in answers if not isinstance(each, str)]
        key, contents = self._key(photos), _contents(photos)
        stamps = _digest(map(_stamp, photos))
        changed = self._stamps.get(key, stamps) != stamps  # while they were predicted
        if len(whole) < len(answers) or changed:
            return
        self._batches[key] = _Batch(stamps, contents, whole)
        began = time.monotonic()
        if began >= self._next:
            _write(self.path, self._batches)
            ended = time.monotonic()
            self._next = ended + max(_EVERY, 20 * (ended - began))

    def forget(self) -> None:
        """The answers are where they belong."""
        self.path.unlink(missing_ok=True)

    def _key(self, photos: Sequence[Photo]) -> str:
        named = (str(photo) if isinstance(photo, Path) else repr(photo) for photo in photos)
        return _digest([self.asked, *named])


def _digest(parts: Iterable[str]) -> str:
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return whole.hexdigest()


def _stamp(photo: Photo) -> str:
    """Of a file that of `files.stamp`; nothing of what is no file, or gone."""
    try:
        return files.stamp(photo) if isinstance(photo, Path) else ""
    except OSError:
        return ""


def _contents(photos: Sequence[Photo]) -> str:
    """A digest of what stands in the files."""
    each = []
    for photo in photos:
        try:
            content = pixels.read(photo) if isinstance(photo, Path) else b""
        except pixels.PhotoError as error:
            content = str(error).encode()
        each.append(hashlib.blake2b(content, digest_size=16).hexdigest())
    return _digest(each)


def _write(path: Path, batches: dict[str, _Batch]) -> None:
    answers = [answer for batch in batches.values() for answer in batch.answers]
    names = [(key, batch.stamps, batch.contents) for key, batch in batches.items()]
    arrays: dict[str, Any] = {
        "batches": np.array(names, dtype=np.str_).reshape(-1, 3),
        "photos": np.array([len(batch.answers) for batch in batches.values()], np.int64),
        "faces": np.array([len(answer.boxes) for answer in answers], np.int64),
        "boxes": np.concatenate([answer.boxes for answer in answers]),
        "probabilities": np.concatenate([answer.probabilities for answer in answers]),
    }

    def save(beside: Path) -> None:
        with beside.open("wb") as file:  # to a path, NumPy adds a suffix
            np.savez(file, **arrays)

    files.replace(path, save)


def _read(path: Path) -> dict[str, _Batch]:
    """What a file holds; nothing where there is none, or it is damaged."""
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            names, photos, faces = file["batches"], file["photos"], file["faces"]
            boxes, probabilities = file["boxes"], file["probabilities"]
        ends = np.cumsum(faces)[:-1]
        pairs = zip(np.split(boxes, ends), np.split(probabilities, ends), strict=True)
        answers = [Answer(*pair) for pair in pairs]
        shapes = boxes.shape == (len(boxes), 5), probabilities.shape == (len(boxes), labels.COUNT)
        if not all(shapes) or int(photos.sum()) != len(answers) or int(faces.sum()) != len(boxes):
            return {}
        rest = iter(answers)
        return {
            str(key): _Batch(str(stamps), str(contents), list(islice(rest, count)))
            for (key, stamps, contents), count in zip(names, photos.tolist(), strict=True)
        }
    except Exception:  # of damaged content, NumPy and zipfile raise what they like
        return {}
