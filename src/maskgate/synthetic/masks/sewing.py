"""Details of masks: pleats, hems, wires, welds, valves and prints."""

from dataclasses import dataclass

import cv2
import numpy as np

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks.patterns import Floats, Ink, Rng, clouds

Line = list[tuple[float, float]]  # knots (u, v), 0…1 from left to right and from top to bottom


@dataclass(frozen=True)
class FlatMask:
    """A mask spread out flat: the colours of its `cloth` (h, w, 3), shade and opacity (h, w).

    A shade of 1 does not change a colour; `details` are the names of what is sewn on.
    """

    cloth: Pixels
    shade: Floats
    opacity: Floats
    details: frozenset[str]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.shade.shape[0], self.shade.shape[1]


def line(flat_mask: FlatMask, knots: Line, width_share: float, shade: float) -> None:
    """Draw a line of that shade; `width_share` is a share of the height."""
    height, width = flat_mask.shape
    path = (np.array(knots) * (width, height) * 16).astype(np.int32)
    thick = max(1, round(width_share * height))
    kind = cv2.LINE_AA if thick < 3 else cv2.LINE_8
    cv2.polylines(flat_mask.shade, [path], False, shade, thick, kind, 4)


def bow(v: float, sag: float) -> Line:
    """A horizontal line at height v that is lower by `sag` in its middle."""
    return [(u, v + sag * (1 - (2 * u - 1) ** 2)) for u in np.linspace(0, 1, 9)]


def wrinkles(flat_mask: FlatMask, rng: Rng, strength: float, cells: int = 7) -> None:
    """Add broad uneven shades."""
    shade = flat_mask.shade
    shade *= 1 + np.float32(strength) * clouds(rng, flat_mask.shape, cells)


def grain(flat_mask: FlatMask, rng: Rng, strength: float) -> None:
    """Add threads or fibres, as noise."""
    shade = flat_mask.shade
    shade += rng.normal(0, strength, flat_mask.shape).astype(np.float32)


def heights(flat_mask: FlatMask) -> Floats:
    """(h, 1): v of each row."""
    height = flat_mask.shape[0]
    return ((np.arange(height, dtype=np.float32) + 0.5) / np.float32(height))[:, None]


def sides(flat_mask: FlatMask) -> Floats:
    """(1, w): -1 at the left to 1 at the right."""
    return np.linspace(-1, 1, flat_mask.shape[1], dtype=np.float32)[None]


def hems(flat_mask: FlatMask, width: float, brightness: float) -> None:
    """Add a border of that relative brightness at the upper and lower edge, and its stitches."""
    shade, height = flat_mask.shade, flat_mask.shape[0]
    edge, stitch = max(1, round(width * height)), max(1, height // 60)
    shade[:edge] *= brightness
    shade[-edge:] *= brightness
    shade[edge : edge + stitch] *= 0.86
    shade[-edge - stitch : -edge] *= 0.86


def pleats(flat_mask: FlatMask, rng: Rng) -> None:
    """Add horizontal folds, each bright above and dark below."""
    shade = flat_mask.shade
    count = int(rng.integers(2, 5))
    depth = rng.uniform(0.08, 0.3)
    start, end = rng.uniform(0.16, 0.3), rng.uniform(0.72, 0.86)
    sag = rng.uniform(-0.02, 0.08)
    v = heights(flat_mask) - sag * (1 - sides(flat_mask) ** 2)
    for place in np.linspace(start, end, count):
        distance = (v - np.float32(place + rng.normal(0, 0.012))) / 0.035
        shade *= 1 - depth * np.exp(-np.abs(distance)) * np.where(distance > 0, 1.0, 0.35)
        shade *= 1 + 0.3 * depth * np.exp(-((distance + 2.2) ** 2))


def wire(flat_mask: FlatMask, rng: Rng, v: float = 0.075) -> None:
    """Add the metal strip over the nose, under the cloth."""
    lift = rng.uniform(0.0, 0.02)
    knots = [(u, v + lift * (2 * u - 1) ** 2) for u in (0.3, 0.4, 0.5, 0.6, 0.7)]
    line(flat_mask, [(u, w + 0.022) for u, w in knots], 0.012, 0.85)
    line(flat_mask, knots, 0.03, 1.07)


def welds(flat_mask: FlatMask, rng: Rng) -> None:
    """Add the embossed border of a folded respirator."""
    shade, (height, width) = flat_mask.shade, flat_mask.shape
    border = max(1, round(rng.uniform(0.03, 0.06) * height))
    line_height, line_width = max(1, height // 70), max(1, width // 110)
    dash = (np.arange(width) // max(1, width // 60) % 2 * 0.1 + 0.9).astype(np.float32)
    shade[border : border + line_height] *= dash
    shade[-border - line_height : -border] *= dash
    shade[:, border : border + line_width] *= 0.9
    shade[:, -border - line_width : -border] *= 0.9


def valve(flat_mask: FlatMask, u: float, v: float) -> None:
    """Add a round valve with slits."""
    height, width = flat_mask.shape
    centre = round(u * width), round(v * height)
    size = round(0.075 * width), round(0.12 * height)
    light = [int(60 + 0.7 * part) for part in flat_mask.cloth[centre[1], centre[0]]]
    cv2.ellipse(flat_mask.cloth, centre, size, 0, 0, 360, light, -1, cv2.LINE_AA)
    cv2.ellipse(flat_mask.shade, centre, size, 0, 0, 360, 0.72, max(1, height // 60))
    for row in (-0.4, 0.0, 0.4):
        y = centre[1] + round(row * size[1])
        ends = (centre[0] - size[0] // 2, y), (centre[0] + size[0] // 2, y)
        cv2.line(flat_mask.shade, *ends, 0.8, 1)


def words(flat_mask: FlatMask, rng: Rng, u: float, v: float) -> None:
    """Add a few lines of print from (u, v), sometimes with a mark above."""
    height, width = flat_mask.shape
    ink: Ink = (40, 44, 52) if int(flat_mask.cloth.mean()) > 110 else (205, 205, 205)
    x, y = round(u * width), round(v * height)
    if rng.random() < 0.4:
        mark = x + width // 20, y - height // 9
        cv2.circle(flat_mask.cloth, mark, width // 40, ink, max(1, width // 160))
    for row in range(int(rng.integers(1, 4))):
        letters = "".join(rng.choice(list("AEKMNORSTX0359"), int(rng.integers(3, 9))))
        size = width / 256 * rng.uniform(0.22, 0.4)
        position = x, y + round(row * height * 0.075)
        cv2.putText(
            flat_mask.cloth, letters, position, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA
        )
