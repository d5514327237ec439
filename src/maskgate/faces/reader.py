"""Photos as models see them, read a batch ahead of whoever asks what they show."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskgate.faces import crop
from maskgate.faces.protocol import BOX, Faces
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels

BATCH: Final = 64
# Where a photo lies, its bytes, an image, or what fetches bytes; that may raise PhotoError.
Photo = Path | bytes | Image.Image | Callable[[], bytes]


class Shown(NamedTuple):
    """P faces of a photo: `boxes` (P, 5): BOX and score, NaN where the photo's centre is shown;
    and for each view `pictures` (P, H, W, 3) as stored, the input and its margin."""

    boxes: npt.NDArray[np.float32]
    pictures: list[Pixels]


def in_batches(
    photos: Sequence[Photo], views: Sequence[View], all_faces: bool
) -> Iterator[list[Shown | str]]:
    """Batches of photos, or why they cannot be read; the next is read while one is used."""

    def read(photo: Photo) -> Shown | str:
        try:
            return show(photo() if callable(photo) else photo, views, all_faces)
        except pixels.PhotoError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(read, photo) for photo in photos[:BATCH]]
        for start in range(0, len(photos), BATCH):
            following = photos[start + BATCH : start + 2 * BATCH]
            ahead = [pool.submit(read, photo) for photo in following]
            yield [future.result() for future in waiting]
            waiting = ahead


def show(
    photo: Path | bytes | Image.Image, views: Sequence[View], all_faces: bool = False
) -> Shown:
    """The photo decoded once, its faces found once a detector, and cut out once a view.

    With `all_faces`, which wants views of one detector, every face; else the one that counts. The
    boxes are those of the first view of faces. Raises PhotoError.
    """
    image = pixels.decode(photo)
    faces: dict[str, Faces] = {}
    stored: dict[str, Pixels] = {}
    pictures: list[Pixels] = []
    boxes: npt.NDArray[np.float32] | None = None
    for view in views:
        if view.finds not in faces:
            faces[view.finds] = view.faces(image)
        found = faces[view.finds]
        main = crop.chosen(found, image.height, image.width)
        shown: list[int | None] = list(range(len(found))) if all_faces and len(found) else [main]
        if boxes is None and view.detector is not None:
            whole = np.column_stack([found.boxes, found.scores])
            boxes = _NOWHERE if main is None else whole if all_faces else whole[[main]]
        if view.name not in stored:
            each = [view.stored(image, found, number) for number in shown]
            stored[view.name] = np.stack(each)
        pictures.append(stored[view.name])
    if boxes is None:
        return Shown(_NOWHERE, pictures)
    # In pixels of the photo, which was made smaller if it is very large.
    across, down = (of / to for of, to in zip(pixels.size_of(image), image.size, strict=True))
    return Shown((boxes * (across, down, across, down, 1)).astype(np.float32), pictures)


_NOWHERE: Final = np.full((1, len(BOX) + 1), np.nan, dtype=np.float32)
