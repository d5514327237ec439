"""Converts colours to how they look in the photo's light and camera."""

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import colours, light, surface
from maskgate.synthetic.masks.light import Light
from maskgate.synthetic.masks.outfits import Outfit
from maskgate.synthetic.masks.pose import Array
from maskgate.synthetic.masks.sewing import FlatMask


def expose(flat_mask: FlatMask, turned: Array, outfit: Outfit, photo_light: Light) -> Pixels:
    """Colours and opacity (h, w, 4) of cloth on points (R, C, 3) in camera coordinates."""
    shade = flat_mask.shade * cv2.resize(_lit(turned, outfit, photo_light), flat_mask.shape[::-1])
    texture = np.empty((*flat_mask.shape, 4), np.uint8)
    grey = cv2.cvtColor(flat_mask.cloth, cv2.COLOR_RGB2GRAY) if photo_light.grey else None
    scale, black = _range(photo_light, outfit)
    for channel in range(3):
        # One channel at a time: several times as fast as all three at once.
        lit = (flat_mask.cloth[..., channel] if grey is None else grey) * shade
        lit *= scale[channel]
        lit += 255 * black[channel]
        texture[..., channel] = np.minimum(np.maximum(lit, 0, out=lit), 255, out=lit)
    texture[..., 3] = np.minimum(flat_mask.opacity * 255, 255)
    return texture


def _lit(turned: Array, outfit: Outfit, photo_light: Light) -> light.Floats:
    """The light on each point (R, C), relative to its mean."""
    normal = surface.normals(turned)
    if outfit.flat:
        lit = 1 + 0.12 * (normal[..., 2] - 0.85) - 0.04 * normal[..., 0]
    else:
        # A face does not always show the direction of the light; often it comes from above.
        slope = photo_light.slope * 0.8 + np.array([0.0, -0.12, 0.15])
        lit = 1 + (normal - np.array([0, 0, 0.85])) @ slope
    lit /= max(0.5, float(lit.mean()))  # the photo's white determines the overall brightness
    return np.clip(lit, 0.35, 1.6).astype(np.float32)


def bare_skin(photo_light: Light) -> Array:
    """The skin's own colour (3,): its colour in the photo without the photo's light."""
    rgb: Array = np.clip(
        (photo_light.skin - photo_light.black) / (photo_light.white - photo_light.black + 1e-3),
        0,
        1,
    )
    return rgb


def strap_ink(outfit: Outfit, photo_light: Light) -> Array:
    """The straps' colour (3,) in the photo's light, 0…1."""
    skin = outfit.straps == colours.SKIN
    rgb: npt.NDArray[np.floating] = (
        bare_skin(photo_light) if skin else colours.from_hex(outfit.straps)
    )
    if photo_light.grey:
        rgb = np.repeat(rgb @ light.LUMA, 3)
    scale, black = _range(photo_light, outfit)
    ink: Array = np.clip(0.95 * rgb * scale + black, 0, 1)
    return ink


def _range(photo_light: Light, outfit: Outfit) -> tuple[light.Floats, light.Floats]:
    """The difference between white and black in each channel (3,), and the colour of black."""
    white, black = photo_light.white, photo_light.black
    if outfit.flat:  # takes the brightness alone
        white, black = (np.full(3, colour @ light.LUMA) for colour in (white, black))
    return ((white - black) * outfit.gain).astype(np.float32), black.astype(np.float32)
