"""Draws one photo of a generated person from numbers, with the brush.

Everything that is independent of the label (colours, light, position, pose, background) is random.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskgate.synthetic.people.brush import (
    Brush,
    Colour,
    Knots,
    Points,
    Rng,
    hsv,
    mirrored,
    mix,
    oval,
    smooth,
)

WHITE: Final[Colour] = (248.0, 246.0, 244.0)
DARK: Final[Colour] = (38.0, 26.0, 26.0)
GREY: Final[Colour] = (205.0, 203.0, 200.0)
INCORRECT: Final = ("nose out", "nose out", "chin", "eyes", "mouth", "ear")


@dataclass(frozen=True)
class Person:
    """The face that all photos of a person share. Numbers are 0…1 unless noted."""

    skin: Colour
    hair: Colour
    iris: Colour
    jaw: float  # round … square
    length: float  # of the face, about 1
    eyes: float  # size, about 1
    brows: float  # thickness in face units
    lashes: float
    lips: float
    nose: float  # width, about 1
    hair_length: float  # where long hair ends, as a y; below 0 it is cut short
    volume: float
    fringe: str  # up, swept, bangs
    tied: str  # loose, pony, bun
    parting: float  # -1 … 1
    grey: float
    recede: float
    wrinkles: float
    sag: float
    beard: float
    glasses: bool
    earrings: bool
    mole: float  # -1 … 1: where, if above 0.4 or below -0.4

    @property
    def greyed(self) -> Colour:
        """The colour of the hair mixed with its grey."""
        return mix(self.hair, GREY, self.grey * 0.75)


def photo(person: Person, mask: str, size: tuple[int, int], rng: Rng) -> Image.Image:
    """One photo, RGB, of `size` (height, width in pixels).

    `mask` is "wear", "not_wear" or "incorrect", which is drawn in one of the ways of INCORRECT.
    Another state of `rng` gives another pose, light, background and mask.
    """
    brush = Brush(size, rng)
    _backdrop(brush, rng)
    _hair_behind(brush, person)
    _body(brush, person, rng)
    _face(brush, person)
    _eyes(brush, person, rng)
    _age(brush, person)
    _beard(brush, person)
    _nose_and_mouth(brush, person, rng)
    _hair(brush, person)
    placement = str(rng.choice(INCORRECT)) if mask == "incorrect" else mask
    if placement == "not_wear":
        _distraction(brush, person, rng)
    if person.glasses and placement != "eyes":
        _glasses(brush, person)
    if placement != "not_wear":
        _mask(brush, placement, person, rng)
    return brush.finish(rng)


def _backdrop(brush: Brush, rng: Rng) -> None:
    base = hsv(rng.random(), rng.beta(1.2, 2.5), rng.uniform(0.35, 0.97))
    brush.fill(oval(0, 0, 9, 9), base)
    for _ in range(int(rng.integers(0, 7))):  # shelves, frames, people far away
        x, y = rng.uniform(-2.2, 2.2), rng.uniform(-2.5, 2.5)
        colour = mix(base, hsv(rng.random(), rng.random(), rng.random()), rng.uniform(0.15, 0.7))
        if rng.random() < 0.5:
            brush.soft(
                x, y, rx=rng.uniform(0.3, 1.2), ry=rng.uniform(0.3, 1.2), colour=colour, alpha=1.2
            )
        else:
            w, h = rng.uniform(0.1, 1.0), rng.uniform(0.1, 1.6)
            corners = [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]
            brush.fill(np.array(corners), colour, 0.8)


def _body(brush: Brush, person: Person, rng: Rng) -> None:
    cloth = hsv(rng.random(), rng.beta(1.3, 2), rng.uniform(0.12, 0.98))
    broad = 1.75 + 0.4 * person.jaw
    slope = [(0.0, 1.55), (0.55, 1.6), (broad - 0.35, 1.95), (broad, 2.5), (broad + 0.1, 5.0)]
    brush.fill(mirrored(slope), cloth)
    if rng.random() < 0.35:  # stripes, the colour of anything a mask may have
        stripe = mix(cloth, hsv(rng.random(), rng.random(), rng.random()), 0.7)
        for y in np.arange(2.1, 4, rng.uniform(0.25, 0.6)):
            half = min(broad, broad - 0.5 + 0.6 * (y - 1.95))
            brush.stroke([(-half, y), (0, y + 0.1), (half, y)], 0.14, stripe)
    neck, deep = 0.5 + 0.12 * person.jaw, rng.uniform(1.7, 2.25)
    skin = [(0.0, 0.9), (neck, 0.9), (neck, 1.5), (neck + 0.12, 1.68), (0.0, deep)]
    brush.fill(mirrored(skin), mix(person.skin, DARK, 0.22))
    for side in (-1, 1):
        seam = [(side * (neck + 0.16), 1.6), (side * 0.3, deep - 0.08), (0, deep + 0.03)]
        brush.stroke(seam, 0.1, mix(cloth, DARK, 0.35))


def outline(person: Person) -> Knots:
    """The outline of the face's right half, from the top of the skull to the chin."""
    chin, jaw = 1.33 * person.length, 0.66 + 0.2 * person.jaw + 0.08 * person.sag
    skull = [(0.0, -1.3), (0.62, -1.12), (0.95, -0.55), (1.0, 0.05), (0.94, 0.5)]
    below = [(jaw, 0.96 * person.length), (0.3 + 0.14 * person.jaw, chin - 0.06), (0.0, chin)]
    return skull + below


def _face(brush: Brush, person: Person) -> None:
    shade = mix(person.skin, DARK, 0.2)
    for side in (-1, 1):
        brush.fill(oval(side * 1.03, 0.1, 0.15, 0.27), mix(person.skin, DARK, 0.1))
        brush.fill(oval(side * 1.04, 0.12, 0.07, 0.16), shade)
        if person.earrings:
            brush.fill(oval(side * 1.06, 0.43, 0.06, 0.08), (240, 214, 120))
    shape = mirrored(outline(person))
    for step in range(5):  # from the shaded rim to the lit middle
        inner = shape * (1 - 0.03 * step) - np.array([0.012 * step, 0.015 * step])
        brush.fill(inner, mix(shade, person.skin, step / 4))
    for side in (-1, 1):
        brush.soft(
            side * 0.58,
            0.45,
            rx=0.3,
            ry=0.22,
            colour=mix(person.skin, (225, 95, 85), 0.4),
            alpha=0.9 - 0.8 * person.sag,
        )


def _eyes(brush: Brush, person: Person, rng: Rng) -> None:
    gaze = rng.normal(0, 0.035)
    size = 0.21 * person.eyes
    lid = mix(DARK, person.skin, 0.15)
    for side in (-1, 1):
        x, y = side * 0.43, -0.08
        tall = size * (0.56 - 0.16 * person.sag)
        inner, outer = (x - side * size, y + 0.03), (x + side * size, y - 0.01 + 0.05 * person.sag)
        upper = [inner, (x - side * 0.05, y - tall), (x + side * 0.1, y - tall * 0.85), outer]
        lower = [outer, (x + side * 0.02, y + tall * 0.75), inner]
        brush.fill(np.concatenate([smooth(upper), smooth(lower)]), WHITE)
        brush.fill(oval(x + gaze, y - 0.01, tall * 0.82, tall * 0.9), person.iris)
        brush.fill(oval(x + gaze, y - 0.01, tall * 0.42, tall * 0.46), DARK)
        brush.fill(oval(x + gaze - 0.03, y - 0.05, 0.03, 0.03), WHITE)
        brush.stroke(upper, 0.05 + 0.05 * person.lashes, lid)
        brush.stroke(lower, 0.025, lid, 0.45)
        for lash in range(3 if person.lashes > 0.5 else 0):
            tip = (outer[0] + side * (0.1 - 0.03 * lash), outer[1] - 0.07 - 0.05 * lash)
            brush.stroke([(outer[0] - side * 0.05 * lash, outer[1] - 0.02 * lash), tip], 0.04, lid)
        hair = mix(mix(person.hair, DARK, 0.35), GREY, person.grey * 0.55)
        arch = -0.43 - 0.05 * person.lashes
        brow = [(x - side * 0.22, -0.35), (x, arch), (x + side * 0.27, -0.33 + 0.05 * person.sag)]
        brush.stroke(brow, person.brows, hair, 0.95)


def _age(brush: Brush, person: Person) -> None:
    """Draw wrinkles on the forehead, at the eyes and beside the mouth, and bags below the eyes."""
    line, deep = mix(person.skin, (66, 34, 26), 0.75), person.wrinkles
    for row in range(round(4 * deep)):
        y, half = -0.58 - 0.13 * row, 0.56 - 0.07 * row
        knots = [(-half, y + 0.02), (-half / 2, y - 0.03), (0, y), (half / 2, y - 0.03), (half, y)]
        brush.stroke(knots, 0.055, line, 0.25 + 0.7 * deep)
    for side in (-1, 1):
        for ray in range(round(3.6 * deep)):
            start, rise = (side * 0.7, -0.06 + 0.035 * ray), -0.12 + 0.11 * ray
            brush.stroke([start, (side * 0.88, start[1] + rise)], 0.05, line, 0.25 + 0.7 * deep)
        x = side * 0.43
        bag = [(x - side * 0.19, 0.08), (x, 0.14 + 0.07 * person.sag), (x + side * 0.19, 0.06)]
        brush.stroke(bag, 0.05 + 0.03 * person.sag, line, 0.05 + 0.95 * person.sag)
        if person.sag > 0.5:
            lower = [(bx, by + 0.11 * person.sag) for bx, by in bag]
            brush.stroke(lower, 0.05, line, 1.6 * person.sag - 0.7)
        fold = [(side * 0.25, 0.42), (side * 0.43, 0.62), (side * 0.46, 0.88)]
        brush.stroke(fold, 0.06, line, 0.05 + 0.9 * deep)
        jowl = [(side * 0.52, 0.9), (side * 0.6, 1.02), (side * 0.52, 1.12)]
        brush.stroke(jowl, 0.04, line, 0.8 * person.sag - 0.2)
    if abs(person.mole) > 0.4:
        brush.fill(oval(person.mole * 0.7, 0.62, 0.035, 0.035), mix(person.skin, DARK, 0.75))


def _nose_and_mouth(brush: Brush, person: Person, rng: Rng) -> None:
    shade, wide = mix(person.skin, (110, 52, 40), 0.45), 0.17 * person.nose
    brush.stroke([(0.1, -0.12), (0.09, 0.15), (wide, 0.38)], 0.06, shade, 0.4)
    brush.soft(0, 0.36, rx=wide, ry=0.13, colour=mix(person.skin, WHITE, 0.5), alpha=0.6)
    for side in (-1, 1):
        wing = [(side * wide, 0.4), (side * wide * 0.6, 0.5), (0, 0.47)]
        brush.stroke(wing, 0.06, shade)
        brush.fill(oval(side * wide * 0.5, 0.47, 0.045, 0.028), mix(shade, DARK, 0.5))
    smile, half = rng.uniform(-0.03, 0.1), 0.31
    full = (0.05 + 0.1 * person.lips) * (1 - 0.3 * person.sag)
    lip = mix(person.skin, (190, 50, 62), 0.25 + 0.5 * person.lips)
    left, right, y = (-half, 0.8 - smile), (half, 0.8 - smile), 0.8 + smile * 0.3
    bow = [left, (-0.09, y - full), (0, y - full * 0.7), (0.09, y - full), right]
    brush.fill(np.concatenate([smooth(bow), smooth([right, (0, y + full * 1.3), left])]), lip)
    brush.stroke([left, (0, y + 0.01), right], 0.04, mix(lip, DARK, 0.6))


def _beard(brush: Brush, person: Person) -> None:
    if person.beard < 0.1:
        return
    half = [*outline(person)[4:-1], (0.0, 1.34 * person.length)]
    inner = [(0.0, 0.61), (0.3, 0.66), (0.5, 0.86), (0.8, 0.72)]
    brush.fill(mirrored([*inner, *half]), person.greyed, person.beard)


def _hair_behind(brush: Brush, person: Person) -> None:
    colour = mix(person.greyed, DARK, 0.3)
    wide = 1.1 + person.volume
    if person.tied == "bun":
        brush.fill(oval(0.1 * person.parting, -1.55 - person.volume, 0.48, 0.42), person.greyed)
    if person.tied == "pony":
        side = 1.0 if person.parting > 0 else -1.0
        tail = [(0.7, -0.9), (1.35, -0.7), (1.6, 0.2), (1.35, 1.5), (1.15, 0.6), (0.9, -0.2)]
        brush.fill(smooth([(side * x, y) for x, y in tail], closed=True), person.greyed)
    elif person.hair_length > 0:
        end = person.hair_length
        half = [(0.0, -1.3), (0.8, -1.1), (wide, -0.2), (wide + 0.06, end * 0.55)]
        half += [(wide - 0.05, end), (wide - 0.5, end + 0.06), (0.0, end - 0.1)]
        brush.fill(mirrored(half), colour)


def _hair(brush: Brush, person: Person) -> None:
    recede, parting = person.recede, person.parting
    rim, top = 1.04 + person.volume * 0.55, -1.38 - person.volume
    low = 0.12 if person.hair_length < 0 else min(1.0, person.hair_length)
    outer = [(-rim, low), (-rim, -0.5), (-0.72, top + 0.28), (0, top)]
    outer += [(0.72, top + 0.28), (rim, -0.5), (rim, low)]
    side = 0.93 if person.hair_length < 0 else 0.9
    if person.fringe == "bangs":
        line = [(0.8, -0.42), (0.3, -0.47), (-0.3, -0.46), (-0.8, -0.42)]
    elif person.fringe == "swept":
        x = abs(parting) * 0.7
        line = [(0.85, -0.5), (x, -1.0), (x - 0.35, -0.72), (-0.85, -0.4)]
        line = line if parting > 0 else [(-x, y) for x, y in reversed(line)]
    else:
        half = [(0.82, -0.5), (0.58, -0.82 - 0.4 * recede), (0.2, -0.84 - 0.2 * recede)]
        line = half + [(-x, y) for x, y in reversed(half)]
    under = [(side, low), (side - 0.03, -0.2), *line, (-side + 0.03, -0.2), (-side, low)]
    brush.fill(np.concatenate([smooth(outer), smooth(under)]), person.greyed)
    lows = np.array(line[::-1])
    for strand, x in enumerate(np.linspace(-0.85, 0.85, 11)):
        streak = mix(person.hair, WHITE if strand % 2 else DARK, 0.18)
        if strand % 3 != 1:
            streak = mix(streak, GREY, person.grey)
        end = float(np.interp(x, lows[:, 0], lows[:, 1])) - 0.04
        top_x, bend = parting * 0.25 + x * 0.35, min(end - 0.05, -1.2 + 0.3 * x * x)
        brush.stroke([(top_x, top + 0.14), (x * 0.82, bend), (x, end)], 0.06, streak, 0.7)


def _glasses(brush: Brush, person: Person) -> None:
    frame = mix(DARK, person.iris, 0.3)
    for side in (-1, 1):
        ring = oval(side * 0.45, -0.04, 0.33, 0.27)
        brush.fill(ring, WHITE, 0.12)
        brush.stroke(np.concatenate([ring, ring[:1]]), 0.06, frame)
        brush.stroke([(side * 0.77, -0.08), (side * 1.02, -0.02)], 0.06, frame)
    brush.stroke([(-0.13, -0.06), (0, -0.1), (0.13, -0.06)], 0.07, frame)


def _distraction(brush: Brush, person: Person, rng: Rng) -> None:
    """Draw a scarf or a hand near the mouth for half of the people without a mask."""
    colour = hsv(rng.random(), rng.beta(1.3, 2), rng.uniform(0.15, 0.98))
    kind = rng.random()
    if kind < 0.3:
        top = 1.22 * person.length
        half = [(0.6, top), (0.95, top + 0.12), (1.05, top + 0.5), (0.0, top + 0.85)]
        brush.fill(mirrored([(0.0, top + 0.18), *half]), colour)
        for y in (top + 0.3, top + 0.5, top + 0.68):
            crease = [(-0.95, y - 0.1), (0, y + 0.1), (0.95, y - 0.1)]
            brush.stroke(crease, 0.06, mix(colour, DARK, 0.3))
    elif kind < 0.5:
        side, skin = float(rng.choice([-1.0, 1.0])), mix(person.skin, WHITE, 0.08)
        edge = mix(person.skin, DARK, 0.35)
        palm = [(side * x, y) for x, y in ((0.95, 1.0), (0.35, 1.15), (0.5, 3.2), (1.2, 3.2))]
        brush.fill(smooth(palm, closed=True), skin)
        for finger in range(4):
            x, y = side * (0.95 - 0.19 * finger), 1.1 + 0.07 * finger
            brush.stroke([(x, y + 0.3), (x, y - 0.1), (x - side * 0.06, y - 0.42)], 0.2, edge)
            brush.stroke([(x, y + 0.3), (x, y - 0.1), (x - side * 0.06, y - 0.4)], 0.16, skin)


@dataclass(frozen=True)
class _Sheet:
    """The cloth of a mask, with coordinates u (-1…1, ear to ear) and v (0…1, downwards)."""

    top: float
    bottom: float
    x: float = 0.0  # of its middle
    wide: float = 0.97
    taper: float = 0.3  # the share by which it is narrower below
    bend: float = 1.0  # how far its edges follow the roundness of the face

    @property
    def tall(self) -> float:
        return min(1.0, self.bottom - self.top)

    def points(self, u: npt.ArrayLike, v: npt.ArrayLike) -> Points:
        """The points (N, 2) at u and v, each (N,) or a number."""
        u, v = np.broadcast_arrays(np.atleast_1d(u), np.atleast_1d(v))
        curve = self.bend * self.tall * u**2 * (0.22 * (1 - v) - 0.3 * v)
        y = self.top + v * (self.bottom - self.top) + curve
        return np.stack([self.x + u * self.wide * (1 - self.taper * v**1.5), y], axis=1)


def _mask(brush: Brush, placement: str, person: Person, rng: Rng) -> None:
    shift, chin, side = rng.normal(0, 0.03), 1.42 * person.length, float(rng.choice([-1.0, 1.0]))
    sheet = {
        "wear": _Sheet(0.1 + shift, chin),
        "nose out": _Sheet(0.6 + shift, chin),
        "mouth": _Sheet(0.56 + shift, 1.08),
        "chin": _Sheet(1.0 + shift, chin + 0.2, wide=0.87, taper=0.15),
        "eyes": _Sheet(-0.55 + shift, 0.28, taper=0.02),
        "ear": _Sheet(0.25 + shift, 1.45, x=side * 1.22, wide=0.36, taper=0.02, bend=0.0),
    }[placement]
    cloth = hsv(rng.random(), rng.beta(1.0, 2.2), rng.uniform(0.15, 1.0))
    if rng.random() < 0.25:  # nearly the colour of skin
        cloth = mix(person.skin, cloth, 0.25)
    for end in (-1.0, 1.0):
        ear_x = 1.04 * side if placement == "ear" else 1.06 * end
        for x, y in sheet.points(end, (0.05, 0.85)):
            cord = [(x, y), ((x + ear_x) / 2 + end * 0.02, (y - 0.1) / 2), (ear_x, -0.1)]
            brush.stroke(cord, 0.05, mix(cloth, WHITE, 0.6))
    line, heights = np.linspace(-1, 1, 13), np.linspace(0, 1, 5)
    left, right = sheet.points(-1, heights[::-1]), sheet.points(1, heights)
    rim = np.concatenate([sheet.points(line, 0), right, sheet.points(line[::-1], 1), left])
    brush.fill(rim, mix(cloth, DARK, 0.3))
    brush.fill(sheet.points(0, 0.5) * 0.03 + rim * 0.97, cloth)
    _pattern(brush, sheet, cloth, rng)


def _pattern(brush: Brush, sheet: _Sheet, cloth: Colour, rng: Rng) -> None:
    """Draw pleats, a fold in the middle, stripes or dots."""
    kind = rng.choice(["pleats", "fold", "stripes", "dots"], p=[0.45, 0.2, 0.15, 0.2])
    shade, other = mix(cloth, DARK, 0.25), hsv(rng.random(), rng.random(), rng.random())
    line = np.linspace(-0.95, 0.95, 13)
    if kind == "pleats":
        for v in (0.3, 0.5, 0.7):
            brush.stroke(sheet.points(line, v), 0.05 * sheet.tall, shade)
    elif kind == "fold":
        brush.stroke(sheet.points(line, 0.42 + 0.1 * line**2), 0.06, shade)
        brush.stroke(sheet.points(line * 0.93, 0.1), 0.04, shade, 0.6)
    elif kind == "stripes":
        for v in np.arange(0.12, 0.95, 0.19):
            brush.stroke(sheet.points(line, v), 0.1 * sheet.tall, other)
    else:
        for column, row in np.ndindex(5, 4):
            u, v = (column - 2) * 0.36 + 0.12 * (row % 2), 0.15 + 0.22 * row
            ((x, y),) = sheet.points(u, v)
            brush.fill(oval(x, y, 0.07, 0.07 * sheet.tall), other)
