"""Placements of a mask on a face: the positions of its edges."""

from dataclasses import dataclass
from typing import Final

Range = tuple[float, float]


@dataclass(frozen=True)
class Placement:
    """Bounds of a mask's position, in face units (see `pose`).

    `top` and `bottom` bound the heights of the middle of its upper and lower edge, `wide` its
    width as a share of the usual one, `sag` how far its upper edge sags, and `nose` the share of
    the nose that it covers.
    """

    top: Range
    bottom: Range
    wide: Range = (0.88, 1.06)
    sag: Range = (0.0, 0.0)
    nose: float = 1.0


PLACEMENTS: Final[dict[str, Placement]] = {
    "worn": Placement((0.10, 0.30), (1.5, 1.74)),
    "nose_out": Placement((0.70, 0.82), (1.5, 1.85), sag=(0.0, 0.06), nose=0.0),
    "mouth_only": Placement((0.68, 0.78), (1.1, 1.35), (0.45, 0.8), nose=0.0),
    "lower_lip": Placement((0.93, 1.03), (1.5, 1.9), sag=(0.0, 0.08), nose=0.0),
    "chin": Placement(
        top=(1.1, 1.28), bottom=(1.62, 1.95), wide=(0.8, 1.06), sag=(0.0, 0.1), nose=0.0
    ),
    "chin_out": Placement((0.10, 0.30), (1.08, 1.2), (0.75, 1.0)),
    "eyes": Placement((-0.5, -0.25), (0.35, 0.62), (0.75, 1.0), nose=0.6),
    "nose_only": Placement((-0.05, 0.2), (0.66, 0.74), (0.4, 0.95), nose=1.0),
    "neck": Placement(
        top=(1.42, 1.6), bottom=(1.95, 2.3), wide=(0.85, 1.06), sag=(0.0, 0.1), nose=0.0
    ),
    "one_ear": Placement((0.3, 0.5), (1.5, 1.9), (0.35, 0.7), nose=0.0),
}
