"""Reads photos and prepares them as model inputs, one batch ahead of their use."""

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
# A path, the bytes, an image, or a function that fetches the bytes and may raise PhotoError.
Photo = Path | bytes | Image.Image | Callable[[], bytes]


class PreparedPhoto(NamedTuple):
    """P faces of a photo: `boxes` (P, 5), BOX and score, NaN where the picture is the photo's
    centre; and for each view `pictures` (P, H, W, 3) as stored, the input with its margin."""

    boxes: npt.NDArray[np.float32]
    pictures: list[Pixels]


def read_batches(
    photos: Sequence[Photo], views: Sequence[View], all_faces: bool
) -> Iterator[list[PreparedPhoto | str]]:
    """Batches of photos, each prepared or the reason why it cannot be read; the next batch is read
    while one is used."""

    def read(photo: Photo) -> PreparedPhoto | str:
        try:
            return read_photo(photo() if callable(photo) else photo, views, all_faces)
        except pixels.PhotoError as error:
            return str(error)

    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(read, photo) for photo in photos[:BATCH]]
        for start in range(0, len(photos), BATCH):
            next_photos = photos[start + BATCH : start + 2 * BATCH]
            next_pending = [pool.submit(read, photo) for photo in next_photos]
            yield [future.result() for future in pending]
            pending = next_pending


def read_photo(
    photo: Path | bytes | Image.Image, views: Sequence[View], all_faces: bool = False
) -> PreparedPhoto:
    """Decode the photo once, detect its faces once per detector, and crop them once per view.

    With `all_faces`, all views must have the same detector, and every face is returned; else the
    main face only. The boxes are those of the first view with a detector. Raises PhotoError.
    """
    image = pixels.decode(photo)
    faces: dict[str, Faces] = {}
    stored: dict[str, Pixels] = {}
    pictures: list[Pixels] = []
    boxes: npt.NDArray[np.float32] | None = None
    for view in views:
        if view.detector_key not in faces:
            faces[view.detector_key] = view.faces(image)
        detected = faces[view.detector_key]
        main_face = crop.main_face(detected, image.height, image.width)
        numbers: list[int | None] = (
            list(range(len(detected))) if all_faces and len(detected) else [main_face]
        )
        if boxes is None and view.detector is not None:
            boxes_and_scores = np.column_stack([detected.boxes, detected.scores])
            boxes = (
                _NO_BOX
                if main_face is None
                else boxes_and_scores
                if all_faces
                else boxes_and_scores[[main_face]]
            )
        if view.name not in stored:
            each = [view.stored(image, detected, number) for number in numbers]
            stored[view.name] = np.stack(each)
        pictures.append(stored[view.name])
    if boxes is None:
        return PreparedPhoto(_NO_BOX, pictures)
    # In pixels of the original photo: a very large one was reduced while it was decoded.
    original_width, original_height = pixels.original_size(image)
    scale_x, scale_y = original_width / image.width, original_height / image.height
    scaled = boxes * (scale_x, scale_y, scale_x, scale_y, 1)
    return PreparedPhoto(scaled.astype(np.float32), pictures)


_NO_BOX: Final = np.full((1, len(BOX) + 1), np.nan, dtype=np.float32)
