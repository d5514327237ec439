"""How narrow a face may be in a camera's frame, and so how far away, to be judged rightly.

    python benchmarks/door_recall.py RUN BUNDLE [--photos 300] [--seed 0]
        [--smallest 100 72 48] [--sides 256 640 1280]

BUNDLE is an export of RUN, of whose validation people `--photos` are drawn, one photo each as far
as there are people, as many of each mask state. Each is scaled so that the face is so many pixels
wide, and laid anywhere into a frame of 1280×720 over a blurred photo. A face counts as detected
where a box overlaps it by half (intersection over union), and its mask as right where the verdict
is the label. Distances are those of a face 15.8 cm wide before a camera that sees 70° across.

Prints a Markdown table for each setting of the detector: shares with 95% intervals (Wilson), and
the furthest distance down to which the mask is right for at least 95%. With `--sides` the detector
gets frames at these longest sides; the engine's own choice for several `smallest_face` comes first.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before anything starts threads

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from maskgate import labels
from maskgate.door import detection
from maskgate.door.engine import Engine
from maskgate.faces import crop
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels
from maskgate.runs import open_run, tables

WIDTHS: Final = (16, 20, 24, 28, 32, 40, 48, 58, 72, 100, 140, 200)
SIZE: Final = (1280, 720)
FACE_METRES: Final = 0.158
VIEW_DEGREES: Final = 70
ENOUGH: Final = 0.95


@dataclass(frozen=True)
class Portrait:
    """A photo of one person, the box (4,) of the face in it, and the label of its mask."""

    image: Image.Image
    box: npt.NDArray[np.float64]
    mask: str

    @property
    def face_width(self) -> float:
        return float(self.box[2] - self.box[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the run that the bundle was exported from")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smallest", type=float, nargs="*", default=[100, 72, 48])
    parser.add_argument("--sides", type=int, nargs="*", default=[256, 640, 1280])
    options = parser.parse_args()
    portraits = list(draw(options.run, options.bundle, options.photos, options.seed))
    counts = {mask: sum(each.mask == mask for each in portraits) for mask in labels.MASKS}
    print(f"{len(portraits)} faces: {counts}")
    for smallest in options.smallest:
        side = detection.yunet_side(SIZE[1], SIZE[0], smallest)
        print(f"\nsmallest_face={smallest:g}, for which the detector gets {side} pixels\n")
        engine = Engine(options.bundle, smallest_face=smallest)
        show(engine, portraits, options.seed, [width for width in WIDTHS if width >= smallest])
    for side in options.sides:
        print(f"\nthe detector gets {side} pixels\n")
        with patch.object(detection, "yunet_side", lambda *_, side=side: side):
            engine = Engine(options.bundle, smallest_face=1)
            show(engine, portraits, options.seed, WIDTHS)


def draw(path: Path, bundle: Path, count: int, seed: int) -> Iterator[Portrait]:
    """Validation photos with the one face that is detected in them at their own size."""
    run = open_run(path)
    table, _ = tables.oof(run)
    table = table[table["mask"] != labels.UNKNOWN].sample(frac=1, random_state=seed)
    table = table.sort_values("person", key=lambda _: table.groupby("person").cumcount())
    detector = Engine(bundle, smallest_face=1)
    missing = dict.fromkeys(range(len(labels.MASKS)), math.ceil(count / len(labels.MASKS)))
    root = Path(run.status().root)
    for photo, mask in zip(table["photo"], table["mask"].astype(int), strict=True):
        if not missing[mask]:
            continue
        image = pixels.decode(root / photo)
        faces = detector._faces(np.asarray(image))
        number = crop.main_face(faces, image.height, image.width)
        if number is None:
            continue  # nobody knows how wide its face is
        missing[mask] -= 1
        yield Portrait(image, faces.boxes[number].astype(np.float64), labels.MASKS[mask])


def show(engine: Engine, portraits: Sequence[Portrait], seed: int, widths: Sequence[int]) -> None:
    print("| face, pixels | metres | detected | mask right | mask right, of those detected |")
    print("|---:|---:|---|---|---|")
    furthest = 0.0
    is_enough = True
    for width in sorted(widths, reverse=True):
        detected = right = 0
        for number, portrait in enumerate(portraits):
            rng = np.random.default_rng([seed, number, width])
            other = portraits[int(rng.integers(len(portraits)))].image
            frame, box = compose(portrait, other, width, rng)
            near = [each for each in engine(frame) if overlap(np.array(each.box), box) >= 0.5]
            detected += bool(near)
            right += bool(near and near[0].mask and near[0].mask.value == portrait.mask)
        metres = distance(width)
        is_enough = is_enough and right / len(portraits) >= ENOUGH
        furthest = metres if is_enough else furthest
        shares = [
            share(detected, len(portraits)),
            share(right, len(portraits)),
            share(right, detected),
        ]
        print(f"| {width} | {metres:.1f} | {' | '.join(shares)} |", flush=True)
    print(f"\nmask right for at least {ENOUGH:.0%} up to {furthest:.1f} m")


def compose(
    portrait: Portrait, other: Image.Image, width: int, rng: np.random.Generator
) -> tuple[Pixels, npt.NDArray[np.float64]]:
    """A frame with the portrait, its face so many pixels wide, and where in it the face is (4,)."""
    scale = width / portrait.face_width
    size = [max(1, round(length * scale)) for length in portrait.image.size]
    small = portrait.image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    frame = other.resize(SIZE, Image.Resampling.BILINEAR).filter(ImageFilter.GaussianBlur(60))
    corner = [
        int(rng.integers(min(0, b - s), max(0, b - s) + 1)) for s, b in zip(size, SIZE, strict=True)
    ]
    frame.paste(small, (corner[0], corner[1]))
    return np.asarray(frame), portrait.box * scale + np.array(corner * 2)


def overlap(box: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Intersection over union of two boxes (4,)."""
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    areas = [float(np.prod(each[2:] - each[:2])) for each in (box, other)]
    return common / (sum(areas) - common)


def distance(width: float) -> float:
    """How far away, in metres, a face is that is so many pixels wide."""
    pixels_a_metre_away = SIZE[0] / (2 * math.tan(math.radians(VIEW_DEGREES / 2)))
    return FACE_METRES * pixels_a_metre_away / width


def share(count: int, total: int) -> str:
    """A share with its Wilson interval."""
    if not total:
        return "–"
    z, p = 1.96, count / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total**2))
    return f"{p:.3f} [{max(0.0, middle - half):.3f}, {min(1.0, middle + half):.3f}]"


if __name__ == "__main__":
    main()
