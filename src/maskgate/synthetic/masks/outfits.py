"""Masks and other covers as plain data: chosen at random, and written to a table."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from maskgate.synthetic.masks import colours
from maskgate.synthetic.masks.placements import PLACEMENTS, Range

# How often each kind of mask is worn.
STYLES: Final = {
    "surgical": 0.32,
    "kf94": 0.14,
    "kn95": 0.11,
    "cup": 0.09,
    "cloth": 0.18,
    "sponge": 0.13,
    "clear": 0.03,
}
# Things in front of the face that are not masks.
COVERS: Final = {"hand": 0.4, "scarf": 0.3, "collar": 0.12, "phone": 0.1, "mug": 0.08}
SHIELD: Final = "shield"  # a transparent visor in front of the face
_BANDS: Final = {  # the colours of a shield's head band
    "#f4f4f6": 0.25,
    "#dfe9ee": 0.2,
    "#1c1c1e": 0.2,
    "#2f7fc4": 0.15,
    "#9a9a9e": 0.1,
    "#6fc0b2": 0.1,
}
PATTERNS: Final = {
    "plain": 0.24,
    "checks": 0.1,
    "plaid": 0.1,
    "stripes": 0.08,
    "dots": 0.1,
    "denim": 0.08,
    "camouflage": 0.07,
    "flowers": 0.1,
    "zigzag": 0.05,
    "net": 0.05,
    "clouds": 0.03,
}
_PATTERNED: Final = {"surgical": 0.04, "kf94": 0.04, "kn95": 0.06, "cup": 0.03}
_FLAT: Final = 0.3  # share of drawings that take only the brightness from the photo


@dataclass(frozen=True)
class Outfit:
    """A mask with its placement, or another cover of the face.

    `style` is of STYLES or COVERS, or SHIELD; `placement` of placements.PLACEMENTS, or `bare` if it
    is no mask; `pattern` of PATTERNS. `colour`, `second` (the pattern's) and `straps` are #rrggbb,
    or `skin` for the face's own. `top`, `bottom` (face units, see `pose`), `wide` (share), `sag`,
    `tilt` (radians), `aside` (radians around the head; for a held thing, face units) and `puff`
    (how far it stands off, as a share) describe its placement. `fastening` is `ears`, `head` or
    `none`; `details` names what is sewn on or printed. `flat` drawings take only the brightness
    from the photo; `relight` (0…1) is how much of the photo's broad lights and shadows is applied,
    `shadow` how dark the skin at the edge becomes, `gain` how much brighter it is than expected.
    `seed` determines everything else that is random. With `under_shield` a face shield is worn over
    it.
    """

    style: str
    placement: str
    pattern: str
    colour: str
    second: str
    top: float
    bottom: float
    wide: float
    sag: float
    tilt: float
    aside: float
    puff: float
    fastening: str
    straps: str
    details: str
    flat: bool
    relight: float
    shadow: float
    gain: float
    seed: int
    under_shield: bool = False

    @property
    def is_mask(self) -> bool:
        """Whether it is a mask, and not another cover."""
        return self.style in STYLES


def random(rng: np.random.Generator, placement: str, style: str | None = None) -> Outfit:
    """A random mask with that `placement`, by default of a random style."""
    style = style or colours.one_of(rng, STYLES)
    bounds = PLACEMENTS[placement]
    flat = bool(rng.random() < _FLAT)
    pattern = "plain"
    if style == "cloth" or rng.random() < _PATTERNED.get(style, 0):
        pattern = colours.one_of(rng, PATTERNS)
    colour = colours.random(rng, style)
    fastening = "none" if flat and rng.random() < 0.8 else "ears"
    if style == "cup" and fastening == "ears" and rng.random() < 0.7:
        fastening = "head"
    if style != "cup" and rng.random() < 0.05:
        fastening = "none"
    straps = colour if rng.random() < 0.35 else "#f2f2f2"
    if rng.random() < 0.1 or colour == "#1c1c1e":
        straps = "#1a1a1a"
    if style == "sponge":  # cut in one piece with its straps
        fastening, straps = "ears", colour
    if fastening == "head" and rng.random() < 0.5:
        straps = "#d8b13c"
    calm = 0.6 if flat else 1.0
    return Outfit(
        style=style,
        placement=placement,
        pattern=pattern,
        colour=colour,
        second=colours.contrasting(rng, colour),
        top=rng.uniform(*bounds.top),
        bottom=rng.uniform(*bounds.bottom),
        wide=rng.uniform(*bounds.wide),
        sag=rng.uniform(*bounds.sag),
        tilt=calm * rng.normal(0, 0.035),
        aside=calm * rng.normal(0, 0.02),
        puff=rng.uniform(0.6, 1.3),
        fastening=fastening,
        straps=straps,
        details=_details(rng, style),
        flat=flat,
        relight=0.0 if flat and rng.random() < 0.7 else rng.uniform(0.1, 0.6),
        shadow=0.0 if flat else rng.uniform(0.1, 0.5),
        gain=float(np.exp(rng.normal(0, 0.09))),
        seed=int(rng.integers(2**31)),
    )


def cover(rng: np.random.Generator, style: str | None = None) -> Outfit:
    """Something in front of the face or around the neck that is not a mask."""
    style = style or colours.one_of(rng, COVERS)
    high = bool(rng.random() < 0.55)  # pulled over the mouth, or only near it
    # Over the nose it could pass for a mask.
    top: Range = (0.62, 0.95) if high else (1.5, 1.9)
    if style in ("hand", "phone", "mug"):
        top = (0.55, 0.95) if high else (0.9, 1.5)
    cloth = colours.one_of(rng, PATTERNS) if style == "scarf" else "plain"
    colour = "skin" if style == "hand" else colours.random(rng, "cloth")
    return Outfit(
        style=style,
        placement="bare",
        pattern=cloth,
        colour=colour,
        second="#808080" if style == "hand" else colours.contrasting(rng, colour),
        top=rng.uniform(*top),
        bottom=rng.uniform(2.6, 3.2),
        wide=rng.uniform(0.85, 1.2),
        sag=rng.uniform(-0.1, 0.35),
        tilt=rng.normal(0, 0.1),
        aside=rng.normal(0, 0.1),
        puff=rng.uniform(0.8, 1.6),
        fastening="none",
        straps="#808080",
        details="",
        flat=False,
        relight=rng.uniform(0.1, 0.5),
        shadow=rng.uniform(0.2, 0.6),
        gain=float(np.exp(rng.normal(0, 0.09))),
        seed=int(rng.integers(2**31)),
    )


def cover_over_mouth(rng: np.random.Generator, style: str) -> Outfit:
    """A random cover of that style that hides the mouth, not the nose."""
    is_cloth = style in ("scarf", "collar")
    return replace(
        cover(rng, style),
        top=rng.uniform(0.55, 0.8) if is_cloth else rng.uniform(0.55, 0.95),
        sag=rng.uniform(-0.1, 0.08) if is_cloth else 0.0,
    )


def shield(rng: np.random.Generator) -> Outfit:
    """A random face shield: a visor that hangs from a head band, or from the frame of glasses."""
    has_band = bool(rng.random() < 0.8)
    return Outfit(
        style=SHIELD,
        placement="bare",
        pattern="plain",
        colour=colours.one_of(rng, _BANDS),
        second="#808080",
        top=rng.uniform(-0.95, -0.6) if has_band else rng.uniform(-0.4, -0.2),
        bottom=rng.uniform(1.5, 2.2),
        wide=rng.uniform(0.9, 1.1),
        sag=0.0,
        tilt=rng.normal(0, 0.03),
        aside=rng.normal(0, 0.03),
        puff=rng.uniform(0.85, 1.25),
        fastening="none",
        straps="#808080",
        details="band" if has_band else "",
        flat=False,
        relight=0.0,
        shadow=rng.uniform(0.0, 0.2),
        gain=float(np.exp(rng.normal(0, 0.09))),
        seed=int(rng.integers(2**31)),
    )


def _details(rng: np.random.Generator, style: str) -> str:
    """The details that are sewn on or printed, joined by spaces."""
    chances = {
        "surgical": {"wire": 0.7},
        "kf94": {"wire": 0.5, "print": 0.3},
        "kn95": {"print": 0.7, "wire": 0.4, "valve": 0.1},
        "cup": {"print": 0.6, "valve": 0.35, "marks": 0.4, "wire": 0.6},
        "sponge": {"print": 0.08},
        "cloth": {"seam": 0.6, "hem": 0.5, "print": 0.12, "pleats": 0.2},
        "clear": {},
    }[style]
    return " ".join(name for name, chance in chances.items() if rng.random() < chance)
