"""Draws the fabric of each style of mask, spread out flat."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.synthetic.masks import colours
from maskgate.synthetic.masks.outfits import SHIELD, Outfit
from maskgate.synthetic.masks.patterns import ASPECT, PAINTERS, Ink, Rng
from maskgate.synthetic.masks.sewing import (
    FlatMask,
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


def draw_fabric(outfit: Outfit, width: int, skin: npt.ArrayLike) -> FlatMask:
    """The flat mask of an outfit, `width` pixels wide; `skin` is the face's colour (3,) in 0…1."""
    rng = np.random.default_rng((outfit.seed, 1))
    shape = round(width * ASPECT), width
    base_colour = (
        np.clip(skin, 0, 1) if outfit.colour == colours.SKIN else colours.from_hex(outfit.colour)
    )
    one, two = _ink(base_colour), _ink(colours.from_hex(outfit.second))
    cloth = np.empty((*shape, 3), dtype=np.uint8)
    cloth[:] = one
    PAINTERS[outfit.pattern](cloth, one, two, rng)
    shade, opacity = np.ones((2, *shape), dtype=np.float32)
    flat_mask = FlatMask(cloth, shade, opacity, frozenset(outfit.details.split()))
    SEWN[outfit.style](flat_mask, rng)
    return flat_mask


def _ink(colour: npt.NDArray[np.floating]) -> Ink:
    red, green, blue = (int(part * 255) for part in colour)
    return red, green, blue


def _surgical(flat_mask: FlatMask, rng: Rng) -> None:
    wrinkles(flat_mask, rng, rng.uniform(0.005, 0.05))
    pleats(flat_mask, rng)
    hems(flat_mask, rng.uniform(0.03, 0.06), rng.uniform(0.98, 1.1))
    shade, cloth = flat_mask.shade, flat_mask.cloth
    seam = max(1, flat_mask.shape[1] // 45)
    thin = max(1, seam // 2)
    shade[:, seam * 2 : seam * 2 + thin] *= 0.9
    shade[:, -seam * 2 - thin : -seam * 2] *= 0.9
    if "wire" in flat_mask.details:
        wire(flat_mask, rng)
    if rng.random() < 0.25:  # white borders, as on many blue masks
        edge = max(2, round(0.045 * len(cloth)))
        cloth[:edge] = cloth[:edge] // 3 + 165
        cloth[-edge:] = cloth[-edge:] // 3 + 165


def _kf94(flat_mask: FlatMask, rng: Rng) -> None:
    """Three panels, one above the other."""
    wrinkles(flat_mask, rng, rng.uniform(0.005, 0.035))
    for v, sag in ((0.3, -0.03), (0.67, 0.05)):
        fold = bow(v, sag + rng.normal(0, 0.015))
        line(flat_mask, [(u, w + 0.02) for u, w in fold], 0.03, 0.86)
        line(flat_mask, fold, 0.015, 1.06)
    welds(flat_mask, rng)
    if "wire" in flat_mask.details:
        wire(flat_mask, rng, 0.06)
    if "print" in flat_mask.details:
        words(flat_mask, rng, 0.12, 0.5)


def _kn95(flat_mask: FlatMask, rng: Rng) -> None:
    """Two halves, folded down the middle."""
    wrinkles(flat_mask, rng, rng.uniform(0.005, 0.03))
    shade, half = flat_mask.shade, flat_mask.shape[1] // 2
    shade[:, :half] *= rng.uniform(0.9, 1.0)
    shade[:, half:] *= rng.uniform(0.9, 1.0)
    line(flat_mask, [(0.5, 0), (0.5, 1)], 0.012, rng.uniform(0.7, 0.95))
    line(flat_mask, [(0.515, 0), (0.515, 1)], 0.012, 1.06)
    if rng.random() < 0.6:  # the welded lines between the front and the cheeks
        for left in (0.0, 1.0):
            knots = ((0.34, 0.0), (0.2, 0.3), (0.16, 0.6), (0.3, 1.0))
            line(flat_mask, [(abs(left - u), v) for u, v in knots], 0.01, 0.84)
    welds(flat_mask, rng)
    if "wire" in flat_mask.details:
        wire(flat_mask, rng, 0.09)
    if "valve" in flat_mask.details:
        valve(flat_mask, 0.72, 0.62)
    if "print" in flat_mask.details:
        words(flat_mask, rng, float(rng.choice([0.06, 0.62])), rng.uniform(0.5, 0.7))


def _cup(flat_mask: FlatMask, rng: Rng) -> None:
    """A moulded shell with a rim."""
    grain(flat_mask, rng, rng.uniform(0.01, 0.04))
    wrinkles(flat_mask, rng, 0.02)
    height, width = flat_mask.shape
    middle = width // 2, round(height * 0.55)
    for share in (0.93, rng.uniform(0.6, 0.82)):
        axes = round(width * 0.5 * share), round(height * 0.5 * share)
        ridge, thick = rng.uniform(0.84, 0.95), max(1, height // 50)
        cv2.ellipse(flat_mask.shade, middle, axes, 0, 0, 360, ridge, thick)
    hems(flat_mask, 0.035, 0.9)
    if "wire" in flat_mask.details:
        knots = [(0.32, 0.17), (0.42, 0.1), (0.5, 0.08), (0.58, 0.1), (0.68, 0.17)]
        line(flat_mask, knots, 0.06, rng.uniform(0.75, 0.95))
    if "marks" in flat_mask.details:  # staples of the straps
        for u in (0.1, 0.9):
            position = round(u * width), round(rng.uniform(0.3, 0.5) * height)
            size = width // 30, height // 16
            cv2.ellipse(flat_mask.cloth, position, size, 0, 0, 360, (226, 190, 40), -1)
    if "valve" in flat_mask.details:
        valve(flat_mask, 0.5, 0.55)
    if "print" in flat_mask.details:
        words(flat_mask, rng, 0.3, 0.72)


def _cloth(flat_mask: FlatMask, rng: Rng) -> None:
    grain(flat_mask, rng, rng.uniform(0.0, 0.04))
    wrinkles(flat_mask, rng, rng.uniform(0.01, 0.09), int(rng.integers(4, 10)))
    if "pleats" in flat_mask.details:
        pleats(flat_mask, rng)
    if "seam" in flat_mask.details:
        bend = rng.uniform(-0.03, 0.03)
        line(flat_mask, [(0.5, 0), (0.5 + bend, 0.5), (0.5, 1)], 0.014, rng.uniform(0.6, 0.85))
    if "hem" in flat_mask.details:
        hems(flat_mask, rng.uniform(0.03, 0.08), rng.uniform(0.85, 1.1))
    if "print" in flat_mask.details:
        words(flat_mask, rng, rng.uniform(0.2, 0.6), rng.uniform(0.4, 0.7))


def _sponge(flat_mask: FlatMask, rng: Rng) -> None:
    """Smooth polyurethane, two halves joined in the middle."""
    wrinkles(flat_mask, rng, rng.uniform(0.0, 0.03), int(rng.integers(3, 7)))
    grain(flat_mask, rng, rng.uniform(0.0, 0.015))
    half = flat_mask.shape[1] // 2
    flat_mask.shade[:, :half] *= rng.uniform(0.88, 1.0)
    flat_mask.shade[:, half:] *= rng.uniform(0.88, 1.0)
    line(flat_mask, [(0.5, 0), (0.5, 1)], rng.uniform(0.006, 0.014), rng.uniform(0.7, 0.95))
    if "print" in flat_mask.details:
        words(flat_mask, rng, rng.uniform(0.15, 0.65), rng.uniform(0.5, 0.75))


def _clear(flat_mask: FlatMask, rng: Rng) -> None:
    """A white border around a transparent window in front of the mouth."""
    height, width = flat_mask.shape
    left, top, right, bottom = (
        round(share * length)
        for share, length in ((0.16, width), (0.2, height), (0.84, width), (0.84, height))
    )
    flat_mask.opacity[top:bottom, left:right] = rng.uniform(0.12, 0.3)
    glare = round(rng.uniform(0.2, 0.6) * width)
    flat_mask.opacity[top:bottom, glare : glare + width // 14] += 0.25
    cv2.rectangle(flat_mask.shade, (left, top), (right, bottom), 0.8, max(1, height // 50))
    wrinkles(flat_mask, rng, 0.03)


def _draped(flat_mask: FlatMask, rng: Rng) -> None:
    """A scarf or collar: long soft horizontal folds."""
    u, v, shade = sides(flat_mask), heights(flat_mask), flat_mask.shade
    for strength in rng.uniform(0.05, 0.22, 3):
        slant, wave = rng.normal(0, 0.18), rng.uniform(9, 26)
        fold = np.sin(wave * (v + slant * u + 0.08 * u**2) + rng.uniform(0, 6.28))
        shade *= 1 + strength * fold
    grain(flat_mask, rng, 0.03)


def _shield(flat_mask: FlatMask, rng: Rng) -> None:
    """A transparent visor with reflections, under its head band."""
    height, width = flat_mask.shape
    band = round(height * (rng.uniform(0.07, 0.15) if "band" in flat_mask.details else 0.025))
    flat_mask.cloth[band:] = (238, 243, 247)
    visor = np.full(flat_mask.shape, rng.uniform(0.02, 0.12), np.float32)
    visor += np.float32(rng.uniform(0.0, 0.25)) * np.abs(sides(flat_mask)) ** 3
    glare = np.zeros_like(visor)
    for _ in range(int(rng.integers(1, 4))):
        u, slant, thick = rng.uniform(0.05, 0.95), rng.normal(0, 0.08), rng.uniform(0.02, 0.12)
        ends = (round(u * width), 0), (round((u + slant) * width), height)
        cv2.line(glare, *ends, rng.uniform(0.1, 0.5), max(1, round(thick * width)))
    visor += cv2.GaussianBlur(glare, (0, 0), max(0.5, width * rng.uniform(0.003, 0.03)))
    rim = max(1, height // 70)
    cv2.rectangle(visor, (0, 0), (width - 1, height - 1), rng.uniform(0.3, 0.7), rim)
    flat_mask.opacity[:] = np.minimum(visor, 0.85)
    flat_mask.opacity[:band] = rng.uniform(0.75, 1.0)
    flat_mask.shade[band : band + rim] *= 0.8


SEWN: Final[dict[str, Callable[[FlatMask, Rng], None]]] = {
    "surgical": _surgical,
    "kf94": _kf94,
    "kn95": _kn95,
    "cup": _cup,
    "cloth": _cloth,
    "sponge": _sponge,
    "clear": _clear,
    "scarf": _draped,
    "collar": _draped,
    SHIELD: _shield,
}
