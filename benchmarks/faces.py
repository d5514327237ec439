"""Measures how many faces the face detectors find, and how long they take.

    python benchmarks/faces.py DATA … [--photos 500] [--pairs 60] [--seed 0] [--cache FOLDER]

DATA are folders of labelled photos; `--photos` are sampled from each. Every photo goes through
every detector and setting in turn; it counts as found if it has at least one face. Prints for each
data set a Markdown table: the share found by mask state, with Wilson's 95% interval; the share
among close-ups, in which the longer side of the largest face (its median over the settings that
find one) is over 60% of the photo's shorter side; and the median milliseconds per photo, from
decoded photo to faces, in processor time of one thread. For data sets with seven photos per person,
the shares of the default settings by photo follow.

The last table compares our MTCNN with that of facenet-pytorch: the same photos at 384×512, with the
same minimum face, thresholds and factor, in turn. The ratio is the median over the photos, with its
quartiles. YuNet is left out without its file; RetinaFace is always left out.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything starts threads

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.core import files
from maskgate.core.progress import say, track
from maskgate.data import layouts, seven_photos
from maskgate.data.table import Photos
from maskgate.faces import detectors, model_files, survey
from maskgate.faces.protocol import Detector
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels

PAPER: Final = [0.6, 0.7, 0.7]
LOW: Final = [0.5, 0.6, 0.5]
SETTINGS: Final[list[dict[str, Any]]] = [
    {"name": "yunet"},
    {"name": "yunet", "score": 0.6},
    {"name": "yunet", "side": 128},
    {"name": "yunet", "side": 192},
    {"name": "yunet", "side": 320, "score": 0.6},
    {"name": "mtcnn"},
    {"name": "mtcnn", "thresholds": LOW},
    {"name": "mtcnn", "min_face": 0.1, "thresholds": PAPER, "factor": 0.709},
]
PAIRS: Final = [(PAPER, 0.709), (LOW, 0.8)]
CLOSE: Final = 0.6
SIZE: Final = (384, 512)  # width and height of the photos of a pair
SMALLEST: Final = 40  # pixels of the smallest face in them


@dataclass
class Detections:
    """The results of one detector on the photos, in order."""

    largest: list[float] = field(default_factory=list)  # longer side in pixels; 0 for no face
    seconds: list[float] = field(default_factory=list)

    @property
    def has_face(self) -> np.ndarray[Any, Any]:
        return np.array(self.largest) > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path, help="folders of labelled photos")
    parser.add_argument("--photos", type=int, default=500, help="photos drawn of each")
    parser.add_argument("--pairs", type=int, default=60, help="photos for the last table")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=files.cache_folder())
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    has_yunet = model_files.local_file(model_files.YUNET, arguments.cache)
    settings = [each for each in SETTINGS if has_yunet or each["name"] != "yunet"]
    detectors_by_title = {
        _title(each): detectors.create(Component(**each), arguments.cache) for each in settings
    }
    for folder in arguments.data:
        photos = _sample(layouts.read(folder), arguments.photos, arguments.seed)
        _print_table(folder.name, photos, detectors_by_title)
    photos = _sample(layouts.read(arguments.data[0]), arguments.pairs, arguments.seed)
    _print_pairs(arguments.data[0].name, photos, arguments.cache)


def _title(setting: dict[str, Any]) -> str:
    settings = [f"{key} {value}" for key, value in setting.items() if key != "name"]
    return f"{setting['name']}: {', '.join(settings) or 'defaults'}"


def _sample(photos: Photos, count: int, seed: int) -> Photos:
    rows = np.random.default_rng(seed).permutation(len(photos.table))[:count]
    return photos.take(np.sort(rows))


def _decoded(photos: Photos, what: str) -> Iterable[Pixels]:
    names = photos.table["photo"]
    for name in track(names, what, len(names)):
        yield np.asarray(pixels.decode(photos.root / name))


def _timed(detect: Callable[[Pixels], Any], photo: Pixels, detections: Detections) -> Any:
    start = time.thread_time()
    faces = detect(photo)
    detections.seconds.append(time.thread_time() - start)
    return faces


def _longest(boxes: Any) -> float:
    sides = [max(box[2] - box[0], box[3] - box[1]) for box in boxes]
    return max(sides, default=0.0)


def _print_table(name: str, photos: Photos, detectors_by_title: dict[str, Detector]) -> None:
    results = {title: Detections() for title in detectors_by_title}
    shorter = []
    for photo in _decoded(photos, name):
        shorter.append(min(photo.shape[:2]))
        for title, detector in detectors_by_title.items():
            faces = _timed(detector, photo, results[title])
            results[title].largest.append(_longest(faces.boxes))
    sides = np.array([detections.largest for detections in results.values()])
    typical = np.array([np.median(each[each > 0]) if each.any() else 0 for each in sides.T])
    close = typical > CLOSE * np.array(shorter)
    state = photos.table["mask"].to_numpy()
    groups = {known: state == code for code, known in enumerate(labels.MASKS)}
    groups = {known: rows for known, rows in groups.items() if rows.any()} | {"close-ups": close}
    counted = [f"{known} ({rows.sum()})" for known, rows in groups.items()]
    print(f"\n{name}, {len(state)} photos\n\n| detector | {' | '.join(counted)} | ms a photo |")
    print("|---|" + "---|" * len(groups) + "---:|")
    for title, detections in results.items():
        shares = [_share(detections.has_face[rows]) for rows in groups.values()]
        print(f"| {title} | {' | '.join(shares)} | {1000 * np.median(detections.seconds):.1f} |")
    shots = np.array([Path(photo).stem for photo in photos.table["photo"]])
    if set(shots) <= set(seven_photos.STEMS):
        _print_shots(results, shots)


def _print_shots(results: dict[str, Detections], shots: np.ndarray[Any, Any]) -> None:
    known = [shot for shot in seven_photos.STEMS if (shots == shot).any()]
    counted = [f"{shot} ({(shots == shot).sum()})" for shot in known]
    print(f"\n| detector | {' | '.join(counted)} |\n|---|{'---|' * len(known)}")
    for title, detections in results.items():
        if title.endswith("defaults"):
            shares = [_share(detections.has_face[shots == shot]) for shot in known]
            print(f"| {title} | {' | '.join(shares)} |")


def _share(has_face: np.ndarray[Any, Any]) -> str:
    """The share with a face, with its interval; there may be no photos."""
    return survey.share(has_face) if len(has_face) else "–"


def _print_pairs(name: str, photos: Photos, folder: Path) -> None:
    try:
        import torch
        from facenet_pytorch import MTCNN
    except ImportError:
        say("facenet-pytorch is not installed: no pairs")
        return
    torch.set_num_threads(1)
    large = [np.asarray(cv2.resize(photo, SIZE), np.uint8) for photo in _decoded(photos, "pairs")]
    print(
        f"\n{name}, {len(large)} photos at {SIZE[0]}×{SIZE[1]}, faces from {SMALLEST} pixels on\n"
    )
    print("| thresholds, factor | ours: found | ms | facenet-pytorch: found | ms | times as fast |")
    print("|---|---|---:|---|---:|---:|")
    for thresholds, factor in PAIRS:
        same = {"thresholds": thresholds, "factor": factor}
        component = Component(name="mtcnn", min_face=SMALLEST / min(SIZE), **same)
        our_detector = detectors.create(component, folder)
        their_detector = MTCNN(min_face_size=SMALLEST, keep_all=True, **same)
        our_detections, their_detections = Detections(), Detections()
        for number, photo in enumerate([large[0], *large]):
            faces = _timed(our_detector, photo, our_detections)
            boxes = _timed(their_detector.detect, photo, their_detections)[0]
            our_detections.largest.append(_longest(faces.boxes))
            their_detections.largest.append(_longest([] if boxes is None else boxes))
            if not number:  # the first time is to warm up
                our_detections, their_detections = Detections(), Detections()
        ratios = np.divide(their_detections.seconds, our_detections.seconds)
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        cells = [
            f"{_share(detections.has_face)} | {1000 * np.median(detections.seconds):.1f}"
            for detections in (our_detections, their_detections)
        ]
        faster = f"{middle:.1f} ({low:.1f}–{high:.1f})"
        print(f"| {thresholds}, {factor} | {' | '.join(cells)} | {faster} |")


if __name__ == "__main__":
    main()
