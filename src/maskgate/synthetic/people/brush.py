"""Colours, curves and a brush for generated people, in face units.

Face units: the origin is between the cheekbones, 1 is half the width of a face, y grows downwards,
and the chin is near 1.35. So a picture is the same at any size.
"""

import colorsys
import math
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Points = npt.NDArray[np.float64]  # (N, 2): x, y
Rng = np.random.Generator
Colour = tuple[float, float, float]  # red, green, blue in 0…255
Knots = list[tuple[float, float]]

CIRCLE: Final = np.exp(np.arange(24) / 12 * math.pi * 1j).view(np.float64).reshape(-1, 2)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """The colour of a hue, saturation and value in 0…1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, min(1, saturation), min(1, value))
    return red * 255, green * 255, blue * 255


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` mixed with a share (0…1) of `other`."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def smooth(knots: Knots | Points, closed: bool = False, steps: int = 6) -> Points:
    """A Catmull-Rom curve through the knots, with `steps` points between two knots."""
    p = np.asarray(knots, dtype=np.float64)
    p = np.concatenate([p[-1:], p, p[:2]] if closed else [p[:1], p, p[-1:]])
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    t = (np.arange(steps) / steps)[:, None, None]
    bend = 2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)
    curve = (b + 0.5 * t * (c - a + t * bend)).transpose(1, 0, 2).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, p[-1:]])


def mirrored(half: Knots) -> Points:
    """The closed outline with this right half, top to bottom."""
    return smooth(half + [(-x, y) for x, y in reversed(half) if x], closed=True)


def oval(x: float, y: float, rx: float, ry: float) -> Points:
    """An ellipse of 24 points."""
    shape: Points = CIRCLE * (rx, ry) + (x, y)
    return shape


class Brush:
    """Paints shapes in face units on a picture that is larger than the final one."""

    def __init__(self, size: tuple[int, int], rng: Rng) -> None:
        self.size = size
        self.finer = 3 if size[0] < 200 else 2
        height, width = size[0] * self.finer, size[1] * self.finer
        self.unit = height * rng.uniform(0.185, 0.225)  # pixels
        roll = rng.normal(0, 0.06)
        self._spin = self.unit * np.array(
            [[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]]
        )
        self._origin = np.array([rng.normal(0.5, 0.025) * width, rng.normal(0.45, 0.02) * height])
        self._turn = np.array([rng.normal(0, 0.11), rng.normal(0, 0.05)])
        self.image = Image.new("RGB", (width, height))
        self._draw = ImageDraw.Draw(self.image, "RGBA")

    def fill(self, shape: Points, colour: Colour, alpha: float = 1.0) -> None:
        """Paint a filled outline (N, 2)."""
        # When a head turns, its middle moves more than its edge.
        depth = np.sqrt(np.clip(1 - (shape[:, 0] / 1.05) ** 2 - (shape[:, 1] / 1.5) ** 2, 0, 1))
        placed = (shape + depth[:, None] * self._turn) @ self._spin + self._origin
        ink = (*(int(min(255, max(0, part))) for part in colour), int(255 * min(1, max(0, alpha))))
        self._draw.polygon(placed.ravel().tolist(), fill=ink)

    def stroke(
        self, knots: Knots | Points, width: float, colour: Colour, alpha: float = 1.0
    ) -> None:
        """Paint a curve through the knots, `width` face units thick in its middle, thin at its
        ends."""
        line = smooth(knots, steps=5)
        tangents = np.concatenate(
            [line[1:2] - line[:1], line[2:] - line[:-2], line[-1:] - line[-2:-1]]
        )
        swell = np.sqrt(np.sin(np.arange(len(line)) / (len(line) - 1) * math.pi).clip(0))
        thick = (
            width / 2 * (0.25 + 0.75 * swell) / (np.hypot(tangents[:, 0], tangents[:, 1]) + 1e-9)
        )
        offsets = tangents[:, ::-1] * (-1, 1) * thick[:, None]
        self.fill(np.concatenate([line + offsets, (line - offsets)[::-1]]), colour, alpha)

    def soft(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float) -> None:
        """Paint a spot that fades towards its edge."""
        for share in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3):
            self.fill(oval(x, y, rx * share, ry * share), colour, alpha / 8)

    def finish(self, rng: Rng) -> Image.Image:
        """The picture at its final size, with random light, noise and blur."""
        small = self.image.reduce(self.finer)
        if rng.random() < 0.4:
            small = small.filter(
                ImageFilter.GaussianBlur(rng.uniform(0.1, 0.45) * self.size[0] / 96)
            )
        pixels = np.asarray(small, dtype=np.float32) / 255
        ys, xs = np.mgrid[-1 : 1 : self.size[0] * 1j, -1 : 1 : self.size[1] * 1j]
        slope = rng.normal(0, 0.12, 2)
        light = rng.uniform(0.75, 1.2) * (1 + slope[0] * ys + slope[1] * xs)
        tint = 1 + rng.normal(0, 0.035, 3)
        pixels = pixels ** rng.uniform(0.8, 1.25) * (light[..., None] * tint).astype(np.float32)
        pixels += rng.normal(0, rng.uniform(0.004, 0.022), pixels.shape).astype(np.float32)
        return Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
