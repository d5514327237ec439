"""Pleats, hems, wires, welds, valves and prints: what makes cloth a mask."""

from dataclasses import dataclass

import cv2
import numpy as np

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks.patterns import Floats, Ink, Rng, clouds

Line = list[tuple[float, float]]  # knots (u, v), 0…1 from left to right and from top to bottom


@dataclass(frozen=True)
class Bolt:
    """A mask's cloth, spread out flat: colours (h, w, 3), shade and opacity (h, w).

    Where the shade is 1 a colour stays as it is; `details` are the names of what is sewn on.
    """

    cloth: Pixels
    shade: Floats
    opacity: Floats
    details: frozenset[str]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.shade.shape[0], self.shade.shape[1]


def line(bolt: Bolt, knots: Line, wide: float, shade: float) -> None:
    """A line of that shade, `wide` a share of the height."""
    height, width = bolt.shape
    path = (np.array(knots) * (width, height) * 16).astype(np.int32)
    thick = max(1, round(wide * height))
    kind = cv2.LINE_AA if thick < 3 else cv2.LINE_8
    cv2.polylines(bolt.shade, [path], False, shade, thick, kind, 4)


def bow(v: float, sag: float) -> Line:
    """A line across at height v that hangs by `sag` in its middle."""
    return [(u, v + sag * (1 - (2 * u - 1) ** 2)) for u in np.linspace(0, 1, 9)]


def wrinkles(bolt: Bolt, rng: Rng, strength: float, cells: int = 7) -> None:
    """Broad uneven shades."""
    shade = bolt.shade
    shade *= 1 + np.float32(strength) * clouds(rng, bolt.shape, cells)


def grain(bolt: Bolt, rng: Rng, strength: float) -> None:
    """Threads or fibres, as noise."""
    shade = bolt.shade
    shade += rng.normal(0, strength, bolt.shape).astype(np.float32)


def heights(bolt: Bolt) -> Floats:
    """(h, 1): v of each row."""
    height = bolt.shape[0]
    return ((np.arange(height, dtype=np.float32) + 0.5) / np.float32(height))[:, None]


def sides(bolt: Bolt) -> Floats:
    """(1, w): -1 at the left to 1 at the right."""
    return np.linspace(-1, 1, bolt.shape[1], dtype=np.float32)[None]


def hems(bolt: Bolt, wide: float, by: float) -> None:
    """A border at the upper and lower edge, `by` as bright, and its stitches."""
    shade, height = bolt.shade, bolt.shape[0]
    edge, stitch = max(1, round(wide * height)), max(1, height // 60)
    shade[:edge] *= by
    shade[-edge:] *= by
    shade[edge : edge + stitch] *= 0.86
    shade[-edge - stitch : -edge] *= 0.86


def pleats(bolt: Bolt, rng: Rng) -> None:
    """Folds across: each bright above and dark below."""
    shade = bolt.shade
    count = int(rng.integers(2, 5))
    depth = rng.uniform(0.08, 0.3)
    start, end = rng.uniform(0.16, 0.3), rng.uniform(0.72, 0.86)
    sag = rng.uniform(-0.02, 0.08)
    v = heights(bolt) - sag * (1 - sides(bolt) ** 2)
    for place in np.linspace(start, end, count):
        behind = (v - np.float32(place + rng.normal(0, 0.012))) / 0.035
        shade *= 1 - depth * np.exp(-np.abs(behind)) * np.where(behind > 0, 1.0, 0.35)
        shade *= 1 + 0.3 * depth * np.exp(-((behind + 2.2) ** 2))


def wire(bolt: Bolt, rng: Rng, v: float = 0.075) -> None:
    """The metal strip over the nose, under the cloth."""
    lift = rng.uniform(0.0, 0.02)
    knots = [(u, v + lift * (2 * u - 1) ** 2) for u in (0.3, 0.4, 0.5, 0.6, 0.7)]
    line(bolt, [(u, w + 0.022) for u, w in knots], 0.012, 0.85)
    line(bolt, knots, 0.03, 1.07)


def welds(bolt: Bolt, rng: Rng) -> None:
    """The embossed border of a folded respirator."""
    shade, (height, width) = bolt.shade, bolt.shape
    wide = max(1, round(rng.uniform(0.03, 0.06) * height))
    down, across = max(1, height // 70), max(1, width // 110)
    dash = (np.arange(width) // max(1, width // 60) % 2 * 0.1 + 0.9).astype(np.float32)
    shade[wide : wide + down] *= dash
    shade[-wide - down : -wide] *= dash
    shade[:, wide : wide + across] *= 0.9
    shade[:, -wide - across : -wide] *= 0.9


def valve(bolt: Bolt, u: float, v: float) -> None:
    """A round valve with slits."""
    height, width = bolt.shape
    centre = round(u * width), round(v * height)
    size = round(0.075 * width), round(0.12 * height)
    light = [int(60 + 0.7 * part) for part in bolt.cloth[centre[1], centre[0]]]
    cv2.ellipse(bolt.cloth, centre, size, 0, 0, 360, light, -1, cv2.LINE_AA)
    cv2.ellipse(bolt.shade, centre, size, 0, 0, 360, 0.72, max(1, height // 60))
    for row in (-0.4, 0.0, 0.4):
        y = centre[1] + round(row * size[1])
        ends = (centre[0] - size[0] // 2, y), (centre[0] + size[0] // 2, y)
        cv2.line(bolt.shade, *ends, 0.8, 1)


def words(bolt: Bolt, rng: Rng, u: float, v: float) -> None:
    """A few lines of print from (u, v) on, perhaps with a mark above."""
    height, width = bolt.shape
    ink: Ink = (40, 44, 52) if int(bolt.cloth.mean()) > 110 else (205, 205, 205)
    x, y = round(u * width), round(v * height)
    if rng.random() < 0.4:
        mark = x + width // 20, y - height // 9
        cv2.circle(bolt.cloth, mark, width // 40, ink, max(1, width // 160))
    for row in range(int(rng.integers(1, 4))):
        letters = "".join(rng.choice(list("AEKMNORSTX0359"), int(rng.integers(3, 9))))
        size = width / 256 * rng.uniform(0.22, 0.4)
        at = x, y + round(row * height * 0.075)
        cv2.putText(bolt.cloth, letters, at, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
