"""Things held in front of a face that are not masks: a hand, a phone, a mug."""

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
_DISTANCE: Final = 0.5  # face units in front of the face
_CORNERS: Final = np.array([(-1.6, -1.0, 0.0), (1.6, -1.0, 0.0), (1.6, 1.9, 0.0), (-1.6, 1.9, 0.0)])
# Shares of a finger's width, from its edge inwards, and the brightness there.
_LIMB_SHADES: Final = ((1.0, 0.74), (0.92, 0.86), (0.78, 0.95), (0.6, 1.0), (0.35, 1.05))


@dataclass(frozen=True)
class _Easel:
    """A canvas whose drawing coordinates are face units around the middle of the held thing.

    `put` maps points (N, 2) to the photo; `unit` is a face unit in the canvas' own pixels.
    """

    canvas: Canvas
    put: Callable[[Array], Array]
    unit: float

    def fill(self, outline: Array, ink: Array) -> None:
        """Draw a filled outline (N, 2)."""
        place = np.clip(self.canvas.place(self.put(outline)), -30_000, 30_000)
        drawn = np.round(place * 16).astype(np.int32)
        full = (*(float(part) * 255 for part in np.clip(ink, 0, 1)), 255.0)
        cv2.fillPoly(self.canvas.pixels, [drawn], full, cv2.LINE_8, 4)

    def limb(self, knots: list[Array], wide: float, tone: Array) -> None:
        """Draw a rounded stroke: dark at its edge, lighter towards its upper side."""
        path = np.asarray(knots)
        for share, bright in _LIMB_SHADES:
            lift = np.array([0, -0.12 * wide * (1 - share)])
            thick = wide * share * self.unit
            self.canvas.stroke(self.put(path + lift), thick, np.clip(tone * bright, 0, 1))


def draw_held(
    size: tuple[int, int], head: Pose, outfit: Outfit, photo_light: Light
) -> Canvas | None:
    """The held thing alone, in a photo of `size` (height, width); None if it is outside."""
    rng = np.random.default_rng((outfit.seed, 2))
    middle = np.array([outfit.aside, outfit.top + 0.35, _DISTANCE])
    canvas = Canvas.around(head.project(middle + _CORNERS), size, head.scale)
    if canvas is None:
        return None
    cos, sin = math.cos(2 * outfit.tilt), math.sin(2 * outfit.tilt)
    spin = np.array([[cos, -sin], [sin, cos]])

    def put(points: Array) -> Array:
        flat = points @ spin.T * outfit.wide
        return head.project(np.concatenate([flat, np.zeros((len(flat), 1))], 1) + middle)

    easel = _Easel(canvas, put, head.scale * canvas.finer * outfit.wide)
    if outfit.style == "hand":
        _hand(easel, photo_light.skin, rng)
    else:
        rgb = colours.rgb_of(outfit.colour)
        if photo_light.grey:
            rgb = np.repeat(rgb @ light.LUMA, 3)
        ink = photo_light.black + rgb * (photo_light.white - photo_light.black)
        (_phone if outfit.style == "phone" else _mug)(easel, ink, rng)
        hand_easel = _Easel(
            canvas, lambda points: put(points * 0.8 + (0.25, 0.75)), easel.unit * 0.8
        )
        _hand(hand_easel, photo_light.skin, rng)
    canvas.pixels[:] = cv2.GaussianBlur(canvas.pixels, (0, 0), max(0.5, 0.012 * easel.unit))
    return canvas


def _hand(easel: _Easel, skin: Array, rng: np.random.Generator) -> None:
    """Draw a palm from one side, with four fingers across the face."""
    side = float(rng.choice([-1, 1]))
    tone = skin * rng.uniform(0.92, 1.15)
    slope = rng.uniform(-0.25, 0.55)  # how far the fingers point upwards
    along_fingers = np.array([-side * math.cos(slope), -math.sin(slope)])
    across_fingers = np.array([-along_fingers[1], along_fingers[0]]) * side * -1
    root = np.array([side * 0.55, 0.1])
    palm = root - along_fingers * 0.45
    arm = palm - along_fingers * 1.3 + np.array([0.0, 0.9])
    easel.limb([palm, (palm + arm) / 2, arm], 0.66, tone * 0.93)
    easel.limb([palm - across_fingers * 0.22, root - across_fingers * 0.3], 0.46, tone)
    easel.limb([palm + across_fingers * 0.22, root + across_fingers * 0.3], 0.46, tone)
    spread = rng.uniform(0.0, 0.14)
    for finger, length in enumerate((0.78, 0.98, 1.04, 0.9)):
        fingers_from_middle = finger - 1.5
        base = root + across_fingers * fingers_from_middle * -0.22
        tip = base + along_fingers * length + across_fingers * fingers_from_middle * -spread
        bent = (base + tip) / 2 + across_fingers * rng.normal(0, 0.02)
        easel.limb([base - along_fingers * 0.1, bent, tip], 0.225 - 0.02 * (finger == 0), tone)
    thumb = palm + across_fingers * 0.35
    easel.limb([thumb, thumb + across_fingers * 0.2 + along_fingers * 0.45], 0.25, tone)


def _box(width: float, height: float, radius: float, x: float = 0.0, y: float = 0.0) -> Array:
    """The outline (32, 2) of a rectangle around (x, y) with rounded corners."""
    turn = np.linspace(0, 2 * np.pi, 33)[:-1] + np.pi / 32
    arc = np.stack([np.cos(turn), np.sin(turn)], 1)
    box: Array = np.sign(arc) * (width / 2 - radius, height / 2 - radius) + arc * radius
    return box + np.array([x, y])


def _phone(easel: _Easel, ink: Array, rng: np.random.Generator) -> None:
    easel.fill(_box(1.0, 1.9, 0.12), ink * 0.7)
    easel.fill(_box(0.96, 1.86, 0.12), ink)
    for lens in range(int(rng.integers(1, 4))):
        easel.fill(_box(0.17, 0.17, 0.08, x=-0.3, y=-0.72 + 0.22 * lens), ink * 0.3)


def _mug(easel: _Easel, ink: Array, rng: np.random.Generator) -> None:
    """Draw a round wall in upright strips, and its brim."""
    foot = 1 - rng.uniform(0.0, 0.18)
    for left, right in pairwise(np.linspace(-0.55, 0.55, 33)):
        shade = 0.75 + 0.3 * math.cos((left + right) * 1.1 + 0.6)
        strip = [(left, -0.45), (right, -0.45), (right * foot, 0.7), (left * foot, 0.7)]
        easel.fill(np.array(strip), ink * shade)
    easel.fill(_box(1.12, 0.16, 0.07, x=0, y=-0.45), np.clip(ink * 1.15, 0, 1))
