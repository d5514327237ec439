"""Colours as the photo's light and camera would show them."""

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import colours, light, surface
from maskgate.synthetic.masks.light import Light
from maskgate.synthetic.masks.outfits import Outfit
from maskgate.synthetic.masks.pose import Array
from maskgate.synthetic.masks.sewing import Bolt


def expose(bolt: Bolt, turned: Array, outfit: Outfit, seen: Light) -> Pixels:
    """Colours and opacity (h, w, 4) of cloth on points (R, C, 3) that the camera sees."""
    shade = bolt.shade * cv2.resize(_lit(turned, outfit, seen), bolt.shape[::-1])
    texture = np.empty((*bolt.shape, 4), np.uint8)
    grey = cv2.cvtColor(bolt.cloth, cv2.COLOR_RGB2GRAY) if seen.grey else None
    scale, black = _range(seen, outfit)
    for channel in range(3):
        # One channel after the other: several times as quick as all three at once.
        lit = (bolt.cloth[..., channel] if grey is None else grey) * shade
        lit *= scale[channel]
        lit += 255 * black[channel]
        texture[..., channel] = np.minimum(np.maximum(lit, 0, out=lit), 255, out=lit)
    texture[..., 3] = np.minimum(bolt.opacity * 255, 255)
    return texture


def _lit(turned: Array, outfit: Outfit, seen: Light) -> light.Floats:
    """How much light each point (R, C) gets, as a share of what they get on the mean."""
    normal = surface.normals(turned)
    if outfit.flat:
        lit = 1 + 0.12 * (normal[..., 2] - 0.85) - 0.04 * normal[..., 0]
    else:
        # Where the light comes from cannot be told from every face; from above it often does.
        slope = seen.slope * 0.8 + np.array([0.0, -0.12, 0.15])
        lit = 1 + (normal - np.array([0, 0, 0.85])) @ slope
    lit /= max(0.5, float(lit.mean()))  # how bright it is all in all, the photo's white says
    return np.clip(lit, 0.35, 1.6).astype(np.float32)


def bare_skin(seen: Light) -> Array:
    """The skin's own colour (3,): as the photo shows it, less the photo's light."""
    own: Array = np.clip((seen.skin - seen.black) / (seen.white - seen.black + 1e-3), 0, 1)
    return own


def strap_ink(outfit: Outfit, seen: Light) -> Array:
    """The straps' colour (3,) in the photo's light, 0…1."""
    skin = outfit.straps == colours.SKIN
    own: npt.NDArray[np.floating] = bare_skin(seen) if skin else colours.read(outfit.straps)
    if seen.grey:
        own = np.repeat(own @ light.LUMA, 3)
    scale, black = _range(seen, outfit)
    ink: Array = np.clip(0.95 * own * scale + black, 0, 1)
    return ink


def _range(seen: Light, outfit: Outfit) -> tuple[light.Floats, light.Floats]:
    """By how much white is brighter than black in each channel (3,), and what black looks like."""
    white, black = seen.white, seen.black
    if outfit.flat:  # takes the brightness alone
        white, black = (np.full(3, colour @ light.LUMA) for colour in (white, black))
    return ((white - black) * outfit.gain).astype(np.float32), black.astype(np.float32)
