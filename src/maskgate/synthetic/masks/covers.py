"""What is held before a face and is no mask: a hand, a telephone, a mug."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from maskgate.synthetic.masks import colours, light
from maskgate.synthetic.masks.canvas import Canvas
from maskgate.synthetic.masks.light import Light
from maskgate.synthetic.masks.outfits import Outfit
from maskgate.synthetic.masks.pose import Array, Pose

HELD: Final = ("hand", "phone", "mug")
_NEAR: Final = 0.5  # face units before the face
_REACH: Final = np.array([(-1.6, -1.0, 0.0), (1.6, -1.0, 0.0), (1.6, 1.9, 0.0), (-1.6, 1.9, 0.0)])
# Shares of a finger's width from its rim inwards, and how bright it is there.
_ROUND: Final = ((1.0, 0.74), (0.92, 0.86), (0.78, 0.95), (0.6, 1.0), (0.35, 1.05))


@dataclass(frozen=True)
class _Easel:
    """A canvas that is drawn on in face units around the middle of the thing that is held.

    `put` turns points (N, 2) into the photo's, `unit` is a face unit in the canvas' own pixels.
    """

    canvas: Canvas
    put: Callable[[Array], Array]
    unit: float

    def fill(self, outline: Array, ink: Array) -> None:
        """A filled outline (N, 2)."""
        place = np.clip(self.canvas.place(self.put(outline)), -30_000, 30_000)
        drawn = np.round(place * 16).astype(np.int32)
        full = (*(float(part) * 255 for part in np.clip(ink, 0, 1)), 255.0)
        cv2.fillPoly(self.canvas.pixels, [drawn], full, cv2.LINE_8, 4)

    def limb(self, knots: list[Array], wide: float, tone: Array) -> None:
        """A rounded stroke: dark at its rim, light towards its upper side."""
        path = np.asarray(knots)
        for share, bright in _ROUND:
            lift = np.array([0, -0.12 * wide * (1 - share)])
            thick = wide * share * self.unit
            self.canvas.stroke(self.put(path + lift), thick, np.clip(tone * bright, 0, 1))


def held(size: tuple[int, int], head: Pose, outfit: Outfit, seen: Light) -> Canvas | None:
    """The thing alone, in a photo of `size` (height, width); None where it lies outside."""
    rng = np.random.default_rng((outfit.seed, 2))
    middle = np.array([outfit.aside, outfit.top + 0.35, _NEAR])
    canvas = Canvas.around(head.project(middle + _REACH), size, head.scale)
    if canvas is None:
        return None
    cos, sin = math.cos(2 * outfit.tilt), math.sin(2 * outfit.tilt)
    spin = np.array([[cos, -sin], [sin, cos]])

    def put(points: Array) -> Array:
        flat = points @ spin.T * outfit.wide
        return head.project(np.concatenate([flat, np.zeros((len(flat), 1))], 1) + middle)

    easel = _Easel(canvas, put, head.scale * canvas.finer * outfit.wide)
    if outfit.style == "hand":
        _hand(easel, seen.skin, rng)
    else:
        own = colours.own(outfit.colour)
        if seen.grey:
            own = np.repeat(own @ light.LUMA, 3)
        ink = seen.black + own * (seen.white - seen.black)
        (_phone if outfit.style == "phone" else _mug)(easel, ink, rng)
        lower = _Easel(canvas, lambda points: put(points * 0.8 + (0.25, 0.75)), easel.unit * 0.8)
        _hand(lower, seen.skin, rng)
    canvas.pixels[:] = cv2.GaussianBlur(canvas.pixels, (0, 0), max(0.5, 0.012 * easel.unit))
    return canvas


def _hand(easel: _Easel, skin: Array, rng: np.random.Generator) -> None:
    """A palm from one side and four fingers across."""
    side = float(rng.choice([-1, 1]))
    tone = skin * rng.uniform(0.92, 1.15)
    slope = rng.uniform(-0.25, 0.55)  # how far the fingers point upwards
    along = np.array([-side * math.cos(slope), -math.sin(slope)])
    across = np.array([-along[1], along[0]]) * side * -1
    root = np.array([side * 0.55, 0.1])
    palm = root - along * 0.45
    arm = palm - along * 1.3 + np.array([0.0, 0.9])
    easel.limb([palm, (palm + arm) / 2, arm], 0.66, tone * 0.93)
    easel.limb([palm - across * 0.22, root - across * 0.3], 0.46, tone)
    easel.limb([palm + across * 0.22, root + across * 0.3], 0.46, tone)
    spread = rng.uniform(0.0, 0.14)
    for finger, length in enumerate((0.78, 0.98, 1.04, 0.9)):
        away = finger - 1.5
        base = root + across * away * -0.22
        tip = base + along * length + across * away * -spread
        bent = (base + tip) / 2 + across * rng.normal(0, 0.02)
        easel.limb([base - along * 0.1, bent, tip], 0.225 - 0.02 * (finger == 0), tone)
    thumb = palm + across * 0.35
    easel.limb([thumb, thumb + across * 0.2 + along * 0.45], 0.25, tone)


def _box(wide: float, tall: float, rounded: float, x: float = 0.0, y: float = 0.0) -> Array:
    """The outline (32, 2) of a rectangle about (x, y), its corners rounded by a radius."""
    turn = np.linspace(0, 2 * np.pi, 33)[:-1] + np.pi / 32
    arc = np.stack([np.cos(turn), np.sin(turn)], 1)
    box: Array = np.sign(arc) * (wide / 2 - rounded, tall / 2 - rounded) + arc * rounded
    return box + np.array([x, y])


def _phone(easel: _Easel, ink: Array, rng: np.random.Generator) -> None:
    easel.fill(_box(1.0, 1.9, 0.12), ink * 0.7)
    easel.fill(_box(0.96, 1.86, 0.12), ink)
    for lens in range(int(rng.integers(1, 4))):
        easel.fill(_box(0.17, 0.17, 0.08, x=-0.3, y=-0.72 + 0.22 * lens), ink * 0.3)


def _mug(easel: _Easel, ink: Array, rng: np.random.Generator) -> None:
    """A round wall, drawn in upright strips, and its brim."""
    foot = 1 - rng.uniform(0.0, 0.18)
    for left, right in pairwise(np.linspace(-0.55, 0.55, 33)):
        shade = 0.75 + 0.3 * math.cos((left + right) * 1.1 + 0.6)
        strip = [(left, -0.45), (right, -0.45), (right * foot, 0.7), (left * foot, 0.7)]
        easel.fill(np.array(strip), ink * shade)
    easel.fill(_box(1.12, 0.16, 0.07, x=0, y=-0.45), np.clip(ink * 1.15, 0, 1))
