"""How long resizing and face detection take with OpenCV and without it.

    python benchmarks/resizing.py DATA [--photos 60] [--seed 0] [--cache FOLDER]

DATA is a folder of labelled photos, of which `--photos` are drawn and brought to each of the sizes.
Prints two Markdown tables, of resizing alone and of whole detectors: the median milliseconds a
photo of processor time in one thread, and the median over the photos of the ratio. Both ways are
measured in turn. It ends with an error where they differ in a single bit.
YuNet's file is looked for as always; without one it is left out.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything starts threads

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import cv2
import numpy as np
from PIL import Image

from maskgate.config.settings import Component
from maskgate.core import files
from maskgate.data import layouts
from maskgate.faces import detectors, model_files, resizing
from maskgate.faces.protocol import Faces
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels

# Height and width, and to what: whole factors and others.
RESIZED: Final = [
    ((1280, 720), (256, 144)),
    ((512, 384), (256, 192)),
    ((500, 375), (256, 192)),
    ((512, 384), (321, 241)),
    ((4000, 3000), (256, 192)),
    ((60, 63), (24, 24)),
    ((40, 41), (48, 48)),
]
PHOTO_SIZES: Final = [(512, 384), (1280, 720)]
REPEATS: Final = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of labelled photos")
    parser.add_argument("--photos", type=int, default=60, help="photos drawn of it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=files.cache_folder())
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    _show_resizing(arguments.seed)
    labelled = layouts.read(arguments.data)
    rows = np.random.default_rng(arguments.seed).permutation(len(labelled.table))[
        : arguments.photos
    ]
    paths = [labelled.root / photo for photo in labelled.table["photo"].iloc[rows]]
    _show_detectors([pixels.decode(path) for path in paths], arguments.cache)


def _show_resizing(seed: int) -> None:
    random = np.random.default_rng(seed)
    print("\n| resizing | OpenCV, ms | NumPy, ms | ratio |\n|---|---:|---:|---:|")
    for old, new in RESIZED:
        photo = random.integers(0, 256, (*old, 3), dtype=np.uint8)

        def resize(photo: Pixels, new: tuple[int, int] = new) -> Pixels:
            return resizing.resize_area(photo, *new)

        _show(f"{_size(old)} → {_size(new)}", resize, [photo] * REPEATS)


def _show_detectors(images: list[Image.Image], cache: Path) -> None:
    print("\n| detector, photo | OpenCV, ms | NumPy, ms | ratio |\n|---|---:|---:|---:|")
    names = ["yunet", "mtcnn"] if model_files.local_file(model_files.YUNET, cache) else ["mtcnn"]
    for name in names:
        detector = detectors.create(Component(name=name), cache)
        for size in PHOTO_SIZES:
            photos = [np.asarray(image.resize(size[::-1])) for image in images]
            _show(f"{name}, {_size(size)}", detector, photos)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _show(title: str, work: Callable[[Pixels], Any], photos: list[Pixels]) -> None:
    seconds = []
    opencv = resizing._opencv()
    for number, photo in enumerate([photos[0], *photos]):  # the first time is to warm up
        measured = {}
        for way in (opencv, None) if number % 2 else (None, opencv):
            with patch.object(resizing, "_opencv", lambda way=way: way):
                measured[way] = _timed(work, photo)
        (one, first), (other, second) = measured[opencv], measured[None]
        if not all(map(np.array_equal, _arrays(first), _arrays(second))):
            raise SystemExit(f"{title}: OpenCV and NumPy differ")
        seconds.append((one, other))
    times = np.array(seconds[1:])
    one, other = 1000 * np.median(times, axis=0)
    print(f"| {title} | {one:.2f} | {other:.2f} | {np.median(times[:, 1] / times[:, 0]):.1f} |")


def _timed(work: Callable[[Pixels], Any], photo: Pixels) -> tuple[float, Any]:
    start = time.thread_time()
    result = work(photo)
    return time.thread_time() - start, result


def _arrays(result: Faces | Pixels) -> list[np.ndarray[Any, Any]]:
    if isinstance(result, Faces):
        return [result.boxes, result.landmarks, result.scores]
    return [result]


if __name__ == "__main__":
    main()
