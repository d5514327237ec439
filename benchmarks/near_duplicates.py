"""How many altered copies of photos the search for near-duplicates joins, and what else it joins.

    python benchmarks/near_duplicates.py DATA [--people 24] [--seeds 0 1 2 3 4] [--pictures FOLDER]

DATA is searched as it is: the seconds that kept a processor busy are printed for an eighth, a half
and all of its people, and the pairs of people that are joined; `--pictures` writes each as a PNG,
side by side, to be looked at. Then, for one alteration and one seed after the other, one photo of
each of so many people is altered and put into DATA under another name, and DATA is searched again:
a Markdown table gives how many of these twins are joined to their people, the mean and the least of
all seeds, and how many are joined to somebody else, in all seeds together.
"""

import argparse
import io
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image, ImageFilter, ImageOps

from maskgate.core.progress import track
from maskgate.data import layouts, near_duplicates
from maskgate.data.near_duplicates import Pairs
from maskgate.data.table import Photos
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels

Rows = npt.NDArray[np.int64]
Alteration = Callable[[Image.Image, np.random.Generator], Image.Image]


def crop(share: float) -> Alteration:
    """A corner of the photo is kept: `share` of its height and width is cut off."""

    def altered(image: Image.Image, random: np.random.Generator) -> Image.Image:
        width, height = (round(length * (1 - share)) for length in image.size)
        left, top = (
            int(random.integers(2)) * (length - part)
            for length, part in zip(image.size, (width, height), strict=True)
        )
        return image.crop((left, top, left + width, top + height))

    return altered


def levels(of: Callable[[float], float]) -> Alteration:
    table = [min(255, round(255 * of(level / 255))) for level in range(256)] * 3
    return lambda image, _: image.point(table)


def turned(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.rotate(random.choice([-8, 8]), Image.Resampling.BICUBIC)


def framed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A frame of 8% of the height and width at each side, black or white."""
    width, height = (round(0.08 * length) for length in image.size)
    fill = (int(random.choice([0, 255])),) * 3
    return ImageOps.expand(image, (width, height, width, height), fill)


def blurred(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(0.03 * image.width))


def barred(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A black bar over a fifth of the photo, across it or upright."""
    across, start = random.integers(2), random.uniform(0, 0.8)
    width, height = image.size
    first, last = start, start + 0.2
    image = image.copy()
    if across:
        image.paste((0, 0, 0), (0, round(first * height), width, round(last * height)))
    else:
        image.paste((0, 0, 0), (round(first * width), 0, round(last * width), height))
    return image


def transposed(how: Image.Transpose) -> Alteration:
    return lambda image, _: image.transpose(how)


ALTERATIONS: Final[dict[str, Alteration]] = {
    "encoded again": lambda image, _: image,
    "corner crop 10%": crop(0.10),
    "corner crop 15%": crop(0.15),
    "brightness ×1.7, clipped": levels(lambda level: 1.7 * level),
    "gamma 2": levels(lambda level: level**2),
    "turned 8°": turned,
    "frame of 8%": framed,
    "blur of 3% of the width": blurred,
    "bar over a fifth": barred,
    "turned 90°": transposed(Image.Transpose.ROTATE_90),
    "turned 180°": transposed(Image.Transpose.ROTATE_180),
    "turned 270°": transposed(Image.Transpose.ROTATE_270),
    "mirrored": transposed(Image.Transpose.FLIP_LEFT_RIGHT),
}


def encoded(image: Image.Image, quality: int = 80) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=int, default=24, help="who get a twin")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=range(5),
        help="of who they are, and what is altered: each is a search of its own",
    )
    parser.add_argument("--pictures", type=Path, help="folder to write joined pairs into")
    arguments = parser.parse_args()

    photos = layouts.read(arguments.data)
    thumbnails = read(photos)
    person, names = pd.factorize(photos.table["person"])
    pairs = plain(thumbnails, person)
    joined = {tuple(sorted(names[person[pair]])): pair for pair in pairs}
    print(f"\n{len(joined)} pairs of people joined:")
    for people, pair in sorted(joined.items()):
        photo_names = " = ".join(photos.table["photo"].iloc[pair])
        print(f"- {' = '.join(people)}, such as {photo_names}")
        if arguments.pictures is not None:
            side_by_side(
                photos, pair, arguments.pictures / f"{'='.join(people)}.png".replace("/", "_")
            )
    print(f"\n| of {arguments.people}, seeds {' '.join(map(str, arguments.seeds))} ", end="")
    print("| mean | least | joined to others |\n|---|---|---|---|", flush=True)
    families = near_duplicates.clusters(person, pairs)
    for name, alter in ALTERATIONS.items():
        counts = [
            count_joined(photos, thumbnails, person, families, alter, arguments.people, seed)
            for seed in arguments.seeds
        ]
        right, wrong = zip(*counts, strict=True)
        print(f"| {name} | {np.mean(right):.1f} | {min(right)} | {sum(wrong)} |", flush=True)


def read(photos: Photos) -> Pixels:
    def one(name: str) -> Pixels:
        return near_duplicates.thumbnail(pixels.decode(photos.root / name))

    names = photos.table["photo"]
    with ThreadPoolExecutor() as pool:
        read = track(pool.map(one, names), "reading photos", len(names))
        return np.stack(list(read))


def plain(thumbnails: Pixels, person: Rows) -> Pairs:
    """The pairs of photos in the original data; prints the time for an eighth, a half and all."""
    print("| photos | pairs looked at | CPU seconds |\n|---|---|---|")
    seconds = []
    for share in (8, 2, 1):
        some = np.flatnonzero(person < (person.max() + 1) / share)

        def pictures(rows: Rows, some: Rows = some) -> Pixels:
            return thumbnails[some[rows]]

        since = time.process_time()
        hashes = near_duplicates.hashes(pictures, len(some))
        proposed = near_duplicates.proposals(hashes, person[some])
        same = near_duplicates.confirmed(proposed, pictures)
        seconds.append((len(some), time.process_time() - since))
        print(f"| {len(some):,} | {len(proposed):,} | {seconds[-1][1]:.1f} |", flush=True)
    (few, quick), *_, (many, slow) = seconds
    print(f"\nExponent of growth: {math.log(slow / quick, many / few):.2f}")
    return np.unique(np.sort(proposed[same, :2], axis=1), axis=0)


def count_joined(
    photos: Photos,
    thumbnails: Pixels,
    person: Rows,
    families: Rows,
    alter: Alteration,
    count: int,
    seed: int,
) -> tuple[int, int]:
    """How many of `count` altered copies are joined to their person, and how many to others."""
    random = np.random.default_rng(seed)
    people = random.permutation(person.max() + 1)[:count]
    sources = [int(random.choice(np.flatnonzero(person == one))) for one in people]
    copies = []
    for row in sources:
        image = pixels.decode(photos.root / photos.table["photo"].iloc[row]).convert("RGB")
        copies.append(near_duplicates.thumbnail(encoded(alter(image, random))))
    known = len(person)
    every = np.concatenate([thumbnails, np.stack(copies)])
    codes = np.concatenate([person, person.max() + 1 + np.arange(count)])
    hashes = near_duplicates.hashes(lambda rows: every[rows], len(every))
    proposed = near_duplicates.proposals(hashes, codes)
    # Pairs are confirmed independently: those without a copy have not changed.
    proposed = proposed[(proposed[:, :2] >= known).any(axis=1)]
    same = proposed[near_duplicates.confirmed(proposed, lambda rows: every[rows]), :2]
    right, wrong = set(), set()
    for one, other in np.sort(same, axis=1).tolist():
        twin = other - known
        if one >= known:
            wrong.add((one, other))
        elif families[person[one]] == families[person[sources[twin]]]:
            right.add(twin)
        else:
            wrong.add((families[person[one]], twin))
    return len(right), len(wrong)


def side_by_side(photos: Photos, pair: Rows, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    names = photos.table["photo"].iloc[pair]
    images = [pixels.decode(photos.root / name).convert("RGB").resize((192, 256)) for name in names]
    sheet = Image.new("RGB", (192 * 2 + 4, 256))
    for number, image in enumerate(images):
        sheet.paste(image, (196 * number, 0))
    sheet.save(to)


if __name__ == "__main__":
    main()
