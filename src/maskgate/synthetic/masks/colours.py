"""The colours of masks."""

import colorsys
from typing import Final

import numpy as np
import numpy.typing as npt

Colour = npt.NDArray[np.float32]  # (3,): red, green, blue in 0…1

SKIN: Final = "skin"
_SURGICAL: Final = {
    "#5aaee8": 0.2,  # blue
    "#79c3e0": 0.1,
    "#9fd2ea": 0.08,
    "#4f9e98": 0.1,  # teal
    "#6fc0b2": 0.08,
    "#8fd0b4": 0.06,  # green
    "#d6d6d8": 0.12,  # white and grey
    "#f4f4f6": 0.16,
    "#9a9a9e": 0.05,
    "#1c1c1e": 0.14,  # black
    "#e6a6b8": 0.05,  # pink
}
_RESPIRATOR: Final = {
    "#f3f3f4": 0.38,
    "#1c1c1e": 0.22,
    "#8d8f94": 0.1,
    "#243a63": 0.07,
    "#6d1f30": 0.06,
    "#cdb79e": 0.05,
    SKIN: 0.03,
}
_CUP: Final = {"#e9e8e4": 0.75, "#f4f4f2": 0.1, "#6fa3c0": 0.05, "#d0c9a8": 0.05, "#2a2a2c": 0.05}
_CLOTH: Final = {
    "#1c1c1e": 0.18,
    "#f0eeea": 0.1,
    "#1d2b4a": 0.08,
    "#7a7c82": 0.08,
    "#b0263a": 0.06,
    "#e58fa3": 0.05,
    "#d8b13c": 0.04,
    "#3e6b4a": 0.05,
    "#cdb79e": 0.05,
    SKIN: 0.03,
}
_SPONGE: Final = {
    "#1c1c1e": 0.36,
    "#35373c": 0.2,
    "#55585e": 0.12,
    "#7d8087": 0.07,
    "#23304c": 0.08,
    "#f0eeea": 0.06,
    "#cdb79e": 0.04,
    "#e58fa3": 0.04,
    "#b0263a": 0.03,
}
_BASE: Final = {
    "surgical": _SURGICAL,
    "kf94": _RESPIRATOR,
    "kn95": _RESPIRATOR,
    "cup": _CUP,
    "cloth": _CLOTH,
    "sponge": _SPONGE,
    "clear": {"#e4eef2": 1.0},
}
_ANY: Final = {"surgical": 0.06, "kf94": 0.08, "kn95": 0.08, "cup": 0.03, "cloth": 0.28}


def random(rng: np.random.Generator, style: str) -> str:
    """A random colour of masks of `style`, as #rrggbb or `skin`."""
    if rng.random() < _ANY.get(style, 0):
        return to_hex(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.9), rng.uniform(0.2, 1)))
    name = one_of(rng, _BASE[style])
    if name in (SKIN, "#1c1c1e"):
        return name
    hue, saturation, value = colorsys.rgb_to_hsv(*from_hex(name).tolist())
    moved = (hue + rng.normal(0, 0.012)) % 1, saturation * rng.uniform(0.75, 1.2), value
    return to_hex(colorsys.hsv_to_rgb(moved[0], min(1, moved[1]), value * rng.uniform(0.9, 1.05)))


def one_of(rng: np.random.Generator, chances: dict[str, float]) -> str:
    """A random name, with probabilities in proportion to `chances`."""
    drawn = rng.random() * sum(chances.values())
    for name, chance in chances.items():
        drawn -= chance
        if drawn < 0:
            return name
    return next(reversed(chances))  # after a rounding error


def contrasting(rng: np.random.Generator, colour: str) -> str:
    """A random colour for a pattern on cloth of `colour` that contrasts with it."""
    base, other = rgb_of(colour), np.zeros(3)
    for _ in range(8):
        kind = rng.random()
        if kind < 0.3:
            other = np.full(3, rng.choice([0.06, 0.12, 0.95, 1.0]))
        elif kind < 0.6:
            other = np.clip(base * rng.choice([0.45, 0.6, 1.5, 1.9]), 0, 1)
        else:
            hue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.9), rng.uniform(0.2, 1))
            other = np.array(hue)
        if np.abs(other - base).max() > 0.15:
            break
    return to_hex(other)


def from_hex(colour: str) -> Colour:
    """The colour (3,) of #rrggbb."""
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float32)
    return parts / np.float32(255)


def rgb_of(colour: str) -> Colour:
    """The colour (3,) of #rrggbb, or a common skin colour for `skin`."""
    return from_hex("#c9a58c" if colour == SKIN else colour)


def to_hex(colour: npt.ArrayLike) -> str:
    """A colour (3,) as #rrggbb."""
    parts = np.clip(np.asarray(colour, dtype=np.float64) * 255 + 0.5, 0, 255).astype(int)
    return "#" + "".join(f"{part:02x}" for part in parts)
