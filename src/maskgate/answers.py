"""What a model says of photos, kept while it says more: a long prediction goes on where it was."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import runs
from maskgate.errors import MaskgateError
from maskgate.faces.showing import FACE, Photo

_EVERY: Final = 10.0  # seconds from one writing to the next, and longer where writing takes long


class Answer(NamedTuple):
    """What is said of P faces of a photo: `boxes` (P, 5) as in `FACE`, NaN where the photo's
    centre was shown, and `probabilities` (P, 18)."""

    boxes: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]


class Kept:
    """Answers to whole batches of photos, in a hidden file beside `out`, for which they are made.

    `asked` tells all that they depend on but the photos. Batches with a photo that cannot be read
    are not kept. What cannot be read is answered again.
    """

    def __init__(self, out: Path, asked: str) -> None:
        self.path, self.asked = out.with_name(f".{out.name}.kept"), asked
        self.found = 0  # photos whose answers were there
        self._batches = _read(self.path)
        self._next = time.monotonic() + _EVERY

    def get(self, photos: Sequence[Photo]) -> list[Answer] | None:
        """The answers to a batch, where it is there and its photos have not changed."""
        answers = self._batches.get(self._key(photos))
        self.found += len(answers or ())
        return answers

    def add(self, photos: Sequence[Photo], answers: "Sequence[Answer | str]") -> None:
        """Keep the answers to a batch; they are written some seconds later."""
        whole = [each for each in answers if not isinstance(each, str)]
        if len(whole) < len(answers):
            return
        self._batches[self._key(photos)] = whole
        began = time.monotonic()
        if began >= self._next:
            _write(self.path, self._batches)
            ended = time.monotonic()
            self._next = ended + max(_EVERY, 20 * (ended - began))

    def forget(self) -> None:
        """The answers are where they belong."""
        self.path.unlink(missing_ok=True)

    def _key(self, photos: Sequence[Photo]) -> str:
        told = hashlib.blake2b(self.asked.encode(), digest_size=16)
        for photo in photos:
            told.update(repr(_seen(photo)).encode())
        return told.hexdigest()


def _seen(photo: Photo) -> tuple[str | bytes | Callable[[], bytes], int, int]:
    """What tells a photo from others and from what it was: a path with its size and time of
    change."""
    if not isinstance(photo, Path):
        return photo, 0, 0
    try:
        told = photo.stat()
    except OSError:
        return str(photo), -1, -1
    return str(photo), told.st_size, told.st_mtime_ns


def _write(path: Path, batches: dict[str, list[Answer]]) -> None:
    rows = [
        (key, place, answer)
        for key, answers in batches.items()
        for place, answer in enumerate(answers)
    ]
    count = [len(answer.probabilities) for _, _, answer in rows]
    table = pd.DataFrame(
        {
            "batch": np.repeat([key for key, _, _ in rows], count),
            "place": np.repeat([place for _, place, _ in rows], count),
        }
    )
    table[list(FACE)] = np.concatenate([answer.boxes for _, _, answer in rows])
    whole = np.concatenate([answer.probabilities for _, _, answer in rows])
    runs.write_probabilities(path, table, whole)


def _read(path: Path) -> dict[str, list[Answer]]:
    if not path.exists():
        return {}
    try:
        table, probabilities = runs.read_probabilities(path)
        boxes = table[list(FACE)].to_numpy(np.float32)
    except (MaskgateError, KeyError):
        return {}
    found: dict[str, list[Answer]] = {}
    for _, rows in table.groupby(["batch", "place"], sort=False).indices.items():
        answers = found.setdefault(table["batch"].iloc[rows[0]], [])
        answers.append(Answer(boxes[rows], probabilities[rows]))
    return found
