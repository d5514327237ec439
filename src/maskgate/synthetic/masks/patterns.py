"""Patterns that are woven into cloth or printed on it."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator
Ink = tuple[int, int, int]  # red, green, blue in 0…255
ASPECT: Final = 0.6  # height over width of the textures


def clouds(rng: Rng, shape: tuple[int, int], cells: int) -> Floats:
    """Smooth noise (h, w), mean 0, standard deviation near 1, `cells` blots in a row."""
    coarse = rng.normal(0, 1.4, (max(2, int(cells * ASPECT)), cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _checks(cloth: Pixels, one: Ink, two: Ink, rng: Rng) -> None:
    """Patches of a few shades of two colours."""
    height, width = cloth.shape[:2]
    columns = int(rng.integers(4, 11))
    mixed = [int(0.5 * a + 0.5 * b) for a, b in zip(one, two, strict=True)]
    shades = np.array([one, two, mixed, [int(0.6 * part) for part in one]], np.uint8)
    patches = shades[rng.integers(0, 4, (max(2, round(columns * 0.6)), columns))]
    cloth[:] = cv2.resize(patches, (width, height), interpolation=cv2.INTER_NEAREST)


def _stripe_mask(length: int, count: int, rng: Rng) -> Floats:
    """(length,) of 0 and 1: `count` stripes, sometimes with a thin one next to each."""
    place = (np.arange(length) / length * count + rng.random()) % 1
    thick = rng.uniform(0.2, 0.55)
    thin = rng.random() < 0.4
    return ((place < thick) | (thin & (np.abs(place - 0.75) < 0.05))).astype(np.float32)


def _plaid(cloth: Pixels, _: Ink, two: Ink, rng: Rng) -> None:
    height, width = cloth.shape[:2]
    count = int(rng.integers(5, 14))
    column_bands, row_bands = (
        _stripe_mask(width, count, rng),
        _stripe_mask(height, max(3, round(count * 0.6)), rng),
    )
    share = ((column_bands[None] + row_bands[:, None]) / 2)[..., None]
    cloth[:] = (cloth * (1 - share) + np.array(two, np.float32) * share).astype(np.uint8)


def _stripes(cloth: Pixels, _: Ink, two: Ink, rng: Rng) -> None:
    height, width = cloth.shape[:2]
    if rng.random() < 0.5:
        cloth[:, _stripe_mask(width, int(rng.integers(5, 24)), rng) > 0] = two
    else:
        cloth[_stripe_mask(height, int(rng.integers(4, 15)), rng) > 0] = two


def _dots(cloth: Pixels, _: Ink, two: Ink, rng: Rng) -> None:
    count = int(rng.integers(6, 17))
    height, width = cloth.shape[:2]
    gap = width / count
    radius = max(1, round(gap * rng.uniform(0.14, 0.34)))
    for y, x in np.ndindex(round(height / gap / 0.87) + 1, count + 1):
        centre = int((x + 0.5 * (y % 2)) * gap), int((y + 0.5) * gap * 0.87)
        cv2.circle(cloth, centre, radius, two, -1, cv2.LINE_AA)


def _net(cloth: Pixels, _: Ink, two: Ink, rng: Rng) -> None:
    """Knit or mesh: fine slanted lines in both directions."""
    height, width = cloth.shape[:2]
    gap = width / rng.integers(18, 40)
    for x in np.arange(-height, width + height, gap):
        for slant in (height, -height):
            cv2.line(cloth, (int(x), 0), (int(x + slant * 0.6), height), two, 1, cv2.LINE_AA)


def _denim(cloth: Pixels, _: Ink, __: Ink, rng: Rng) -> None:
    height, width = cloth.shape[:2]
    grain = rng.normal(0, rng.uniform(6, 24), (height, width, 1)).astype(np.float32)
    grain += rng.normal(0, 8, (1, width, 1)) + rng.normal(0, 8, (height, 1, 1))
    cloth[:] = np.clip(cloth + grain, 0, 255).astype(np.uint8)


def _camouflage(cloth: Pixels, one: Ink, two: Ink, rng: Rng) -> None:
    height, width = cloth.shape[:2]
    cells = int(rng.integers(6, 14))
    cloth[clouds(rng, (height, width), cells) > 0.35] = two
    cloth[clouds(rng, (height, width), cells) > 0.75] = [int(0.5 * part) for part in one]


def _flowers(cloth: Pixels, _: Ink, two: Ink, rng: Rng) -> None:
    """Flowers, leaves or rods at random places."""
    height, width = cloth.shape[:2]
    inks = [two, *(tuple(map(int, ink)) for ink in rng.integers(20, 250, (3, 3)))]
    size = width * rng.uniform(0.012, 0.04)
    count = int(np.clip(0.35 * height * width / (18 * size**2), 8, 90))
    petals = int(rng.integers(1, 6))
    for x, y, turn in rng.random((count, 3)) * (width, height, 6.28):
        ink = inks[int(rng.integers(4))]
        for petal in range(petals):
            angle = turn + 6.28 * petal / petals
            centre = int(x + size * np.cos(angle)), int(y + size * np.sin(angle))
            axes = max(1, int(size)), max(1, int(size * 0.55))
            cv2.ellipse(cloth, centre, axes, float(np.degrees(angle)), 0, 360, ink, -1)


def _zigzag(cloth: Pixels, _: Ink, two: Ink, rng: Rng) -> None:
    height, width = cloth.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    teeth, rows = width / rng.integers(6, 22), height / rng.integers(5, 14)
    wave = np.abs(xs / teeth % 1 - 0.5) * teeth * 0.8
    cloth[((ys + wave) / rows) % 1 < rng.uniform(0.3, 0.55)] = two


def _tie_dye(cloth: Pixels, _: Ink, two: Ink, rng: Rng) -> None:
    height, width = cloth.shape[:2]
    share = np.clip(0.5 + 0.5 * clouds(rng, (height, width), int(rng.integers(3, 8))), 0, 1)
    mixed = cloth * (1 - share[..., None]) + np.array(two, np.float32) * share[..., None]
    cloth[:] = mixed.astype(np.uint8)


def _plain(_: Pixels, __: Ink, ___: Ink, ____: Rng) -> None:
    pass


# Each function paints with the second colour on cloth (h, w, 3) of the first.
PAINTERS: Final[dict[str, Callable[[Pixels, Ink, Ink, Rng], None]]] = {
    "plain": _plain,
    "checks": _checks,
    "plaid": _plaid,
    "stripes": _stripes,
    "dots": _dots,
    "denim": _denim,
    "camouflage": _camouflage,
    "flowers": _flowers,
    "zigzag": _zigzag,
    "net": _net,
    "clouds": _tie_dye,
}
