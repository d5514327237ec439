"""What a model says of photos, kept while it says more: a long prediction goes on where it was."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import files, pixels
from maskgate.errors import MaskgateError
from maskgate.faces.showing import FACE, Photo
from maskgate.runs import tables

_EVERY: Final = 10.0  # seconds from one writing to the next, and longer where writing takes long


class Answer(NamedTuple):
    """What is said of P faces of a photo: `boxes` (P, 5) as in `FACE`, NaN where the photo's
    centre was shown, and `probabilities` (P, 18)."""

    boxes: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]


class _Batch(NamedTuple):
    """Predictions for a batch of photos with the state of their files, see `_state`."""

    stamps: str
    contents: str
    answers: list[Answer]


class Kept:
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
    rows = [
        ((key, batch.stamps, batch.contents, place), answer)
        for key, batch in batches.items()
        for place, answer in enumerate(batch.answers)
    ]
    each = [row for row, answer in rows for _ in answer.probabilities]
    table = pd.DataFrame(each, columns=["batch", "stamps", "contents", "place"])
    table[list(FACE)] = np.concatenate([answer.boxes for _, answer in rows])
    whole = np.concatenate([answer.probabilities for _, answer in rows])
    tables.write_probabilities(path, table, whole)


def _read(path: Path) -> dict[str, _Batch]:
    if not path.exists():
        return {}
    try:
        table, probabilities = tables.read_probabilities(path)
        boxes = table[list(FACE)].to_numpy(np.float32)
        known = table[["batch", "stamps", "contents"]]
    except (MaskgateError, KeyError):
        return {}
    found: dict[str, _Batch] = {}
    for _, rows in table.groupby(["batch", "place"], sort=False).indices.items():
        key, stamps, contents = known.iloc[rows[0]]
        batch = found.setdefault(key, _Batch(stamps, contents, []))
        batch.answers.append(Answer(boxes[rows], probabilities[rows]))
    return found
