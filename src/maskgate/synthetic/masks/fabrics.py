"""Masks spread out flat: what each style is made of."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.synthetic.masks import colours
from maskgate.synthetic.masks.outfits import Outfit
from maskgate.synthetic.masks.patterns import ASPECT, PAINTERS, Ink, Rng
from maskgate.synthetic.masks.sewing import (
    Bolt,
    bow,
    grain,
    heights,
    hems,
    line,
    pleats,
    sides,
    valve,
    welds,
    wire,
    words,
    wrinkles,
)


def weave(outfit: Outfit, width: int, skin: npt.ArrayLike) -> Bolt:
    """The cloth of an outfit, `width` pixels wide; `skin` is the face's colour (3,) in 0…1."""
    rng = np.random.default_rng((outfit.seed, 1))
    shape = round(width * ASPECT), width
    own = np.clip(skin, 0, 1) if outfit.colour == colours.SKIN else colours.read(outfit.colour)
    one, two = _ink(own), _ink(colours.read(outfit.second))
    cloth = np.empty((*shape, 3), dtype=np.uint8)
    cloth[:] = one
    PAINTERS[outfit.pattern](cloth, one, two, rng)
    shade, opacity = np.ones((2, *shape), dtype=np.float32)
    bolt = Bolt(cloth, shade, opacity, frozenset(outfit.details.split()))
    SEWN[outfit.style](bolt, rng)
    return bolt


def _ink(colour: npt.NDArray[np.floating]) -> Ink:
    red, green, blue = (int(part * 255) for part in colour)
    return red, green, blue


def _surgical(bolt: Bolt, rng: Rng) -> None:
    wrinkles(bolt, rng, rng.uniform(0.005, 0.05))
    pleats(bolt, rng)
    hems(bolt, rng.uniform(0.03, 0.06), rng.uniform(0.98, 1.1))
    shade, cloth = bolt.shade, bolt.cloth
    seam = max(1, bolt.shape[1] // 45)
    thin = max(1, seam // 2)
    shade[:, seam * 2 : seam * 2 + thin] *= 0.9
    shade[:, -seam * 2 - thin : -seam * 2] *= 0.9
    if "wire" in bolt.details:
        wire(bolt, rng)
    if rng.random() < 0.25:  # white borders, as many blue ones have
        edge = max(2, round(0.045 * len(cloth)))
        cloth[:edge] = cloth[:edge] // 3 + 165
        cloth[-edge:] = cloth[-edge:] // 3 + 165


def _kf94(bolt: Bolt, rng: Rng) -> None:
    """Three panels, one above the other."""
    wrinkles(bolt, rng, rng.uniform(0.005, 0.035))
    for v, sag in ((0.3, -0.03), (0.67, 0.05)):
        fold = bow(v, sag + rng.normal(0, 0.015))
        line(bolt, [(u, w + 0.02) for u, w in fold], 0.03, 0.86)
        line(bolt, fold, 0.015, 1.06)
    welds(bolt, rng)
    if "wire" in bolt.details:
        wire(bolt, rng, 0.06)
    if "print" in bolt.details:
        words(bolt, rng, 0.12, 0.5)


def _kn95(bolt: Bolt, rng: Rng) -> None:
    """Two halves, folded down the middle."""
    wrinkles(bolt, rng, rng.uniform(0.005, 0.03))
    shade, half = bolt.shade, bolt.shape[1] // 2
    shade[:, :half] *= rng.uniform(0.9, 1.0)
    shade[:, half:] *= rng.uniform(0.9, 1.0)
    line(bolt, [(0.5, 0), (0.5, 1)], 0.012, rng.uniform(0.7, 0.95))
    line(bolt, [(0.515, 0), (0.515, 1)], 0.012, 1.06)
    if rng.random() < 0.6:  # the welded lines that part the front from the cheeks
        for left in (0.0, 1.0):
            knots = ((0.34, 0.0), (0.2, 0.3), (0.16, 0.6), (0.3, 1.0))
            line(bolt, [(abs(left - u), v) for u, v in knots], 0.01, 0.84)
    welds(bolt, rng)
    if "wire" in bolt.details:
        wire(bolt, rng, 0.09)
    if "valve" in bolt.details:
        valve(bolt, 0.72, 0.62)
    if "print" in bolt.details:
        words(bolt, rng, float(rng.choice([0.06, 0.62])), rng.uniform(0.5, 0.7))


def _cup(bolt: Bolt, rng: Rng) -> None:
    """A moulded shell with a rim."""
    grain(bolt, rng, rng.uniform(0.01, 0.04))
    wrinkles(bolt, rng, 0.02)
    height, width = bolt.shape
    middle = width // 2, round(height * 0.55)
    for share in (0.93, rng.uniform(0.6, 0.82)):
        axes = round(width * 0.5 * share), round(height * 0.5 * share)
        ridge, thick = rng.uniform(0.84, 0.95), max(1, height // 50)
        cv2.ellipse(bolt.shade, middle, axes, 0, 0, 360, ridge, thick)
    hems(bolt, 0.035, 0.9)
    if "wire" in bolt.details:
        knots = [(0.32, 0.17), (0.42, 0.1), (0.5, 0.08), (0.58, 0.1), (0.68, 0.17)]
        line(bolt, knots, 0.06, rng.uniform(0.75, 0.95))
    if "marks" in bolt.details:  # where the straps are stapled on
        for u in (0.1, 0.9):
            at = round(u * width), round(rng.uniform(0.3, 0.5) * height)
            size = width // 30, height // 16
            cv2.ellipse(bolt.cloth, at, size, 0, 0, 360, (226, 190, 40), -1)
    if "valve" in bolt.details:
        valve(bolt, 0.5, 0.55)
    if "print" in bolt.details:
        words(bolt, rng, 0.3, 0.72)


def _cloth(bolt: Bolt, rng: Rng) -> None:
    grain(bolt, rng, rng.uniform(0.0, 0.04))
    wrinkles(bolt, rng, rng.uniform(0.01, 0.09), int(rng.integers(4, 10)))
    if "pleats" in bolt.details:
        pleats(bolt, rng)
    if "seam" in bolt.details:
        bend = rng.uniform(-0.03, 0.03)
        line(bolt, [(0.5, 0), (0.5 + bend, 0.5), (0.5, 1)], 0.014, rng.uniform(0.6, 0.85))
    if "hem" in bolt.details:
        hems(bolt, rng.uniform(0.03, 0.08), rng.uniform(0.85, 1.1))
    if "print" in bolt.details:
        words(bolt, rng, rng.uniform(0.2, 0.6), rng.uniform(0.4, 0.7))


def _clear(bolt: Bolt, rng: Rng) -> None:
    """A white rim around a window that one sees the mouth through."""
    height, width = bolt.shape
    left, top, right, bottom = (
        round(share * length)
        for share, length in ((0.16, width), (0.2, height), (0.84, width), (0.84, height))
    )
    bolt.opacity[top:bottom, left:right] = rng.uniform(0.12, 0.3)
    glare = round(rng.uniform(0.2, 0.6) * width)
    bolt.opacity[top:bottom, glare : glare + width // 14] += 0.25
    cv2.rectangle(bolt.shade, (left, top), (right, bottom), 0.8, max(1, height // 50))
    wrinkles(bolt, rng, 0.03)


def _draped(bolt: Bolt, rng: Rng) -> None:
    """A scarf or collar: long soft folds across."""
    u, v, shade = sides(bolt), heights(bolt), bolt.shade
    for strength in rng.uniform(0.05, 0.22, 3):
        slant, wave = rng.normal(0, 0.18), rng.uniform(9, 26)
        fold = np.sin(wave * (v + slant * u + 0.08 * u**2) + rng.uniform(0, 6.28))
        shade *= 1 + strength * fold
    grain(bolt, rng, 0.03)


SEWN: Final[dict[str, Callable[[Bolt, Rng], None]]] = {
    "surgical": _surgical,
    "kf94": _kf94,
    "kn95": _kn95,
    "cup": _cup,
    "cloth": _cloth,
    "clear": _clear,
    "scarf": _draped,
    "collar": _draped,
}
