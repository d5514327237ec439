"""Blends a drawing into the photo, with the photo's shadows, blur and noise."""

import math
from typing import Final

import cv2
import numpy as np

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks.canvas import Canvas
from maskgate.synthetic.masks.light import Floats, Light
from maskgate.synthetic.masks.outfits import Outfit

_MAX_SIGMA: Final = 4.0  # pixels: a Gaussian of twice this is computed on a smaller copy


def blended(
    photo: Pixels,
    canvas: Canvas,
    outfit: Outfit,
    photo_light: Light,
    scale: float,
    rng: np.random.Generator,
) -> Pixels:
    """A copy of the photo with the canvas on top; `scale` is a face unit in pixels."""
    colour, alpha = canvas.coarse()
    top, left = canvas.corner
    height, width = alpha.shape
    part = photo[top : top + height, left : left + width]
    if outfit.relight:
        gain = _relight(part, alpha, scale, outfit.relight)
        colour = [plane * gain for plane in colour]
    blur = 0.0 if outfit.flat else photo_light.blur
    if canvas.finer == 1:
        blur = max(0.6, blur)
    if blur > 0.45:
        *colour, alpha = (_blurred(plane, blur) for plane in (*colour, alpha))
    touched, below = alpha > 0.002, 1 - alpha
    if outfit.shadow:
        cast = _shadow(alpha, scale)
        touched |= cast > 0.01
        below *= 1 - np.float32(outfit.shadow) * cast * below
    if photo_light.noise > 0.004 and not outfit.flat:
        grain = rng.standard_normal((1 if photo_light.grey else 3, height, width), dtype=np.float32)
        grain *= alpha * np.float32(0.8 * photo_light.noise)
        colour = [plane + grain[number % len(grain)] for number, plane in enumerate(colour)]
    result_photo = photo.copy()
    view = result_photo[top : top + height, left : left + width]
    tone = part.reshape(-1, 3).mean(0) / max(1.0, float(part.mean()))  # of a grey photo
    for channel, plane in enumerate(colour):
        share = np.float32(255 * (tone[channel] if photo_light.grey else 1))
        mixed = part[..., channel] * below + plane * share
        mixed = np.minimum(np.maximum(mixed + np.float32(0.5), 0), 255)
        np.copyto(view[..., channel], mixed.astype(np.uint8), where=touched)
    return result_photo


def _blurred(plane: Floats, sigma: float) -> Floats:
    """A plane (H, W) blurred by a Gaussian of `sigma` pixels; large ones on a smaller copy."""
    step = max(1, int(sigma / _MAX_SIGMA))
    if step == 1:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)
    height, width = plane.shape
    size = -(-width // step), -(-height // step)
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return np.asarray(cv2.resize(small, (width, height)), np.float32)


def _shadow(alpha: Floats, scale: float) -> Floats:
    """How much (0…1, H, W) of the light from above the edge of a mask blocks."""
    cast = _blurred(alpha, max(0.6, 0.06 * scale))
    shift = max(1, round(0.03 * scale))
    cast[shift:] = cast[:-shift].copy()
    return cast


def _relight(part: Pixels, alpha: Floats, scale: float, share: float) -> Floats:
    """Gains (H, W) that restore the broad lights and shadows of the covered part."""
    step = max(1, math.ceil(scale / 12))
    small = max(2, part.shape[1] // step), max(2, part.shape[0] // step)
    level = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    broad = cv2.resize(level, small, interpolation=cv2.INTER_AREA)
    broad = cv2.GaussianBlur(broad, (0, 0), max(0.5, 0.28 * scale / step))
    broad = cv2.resize(broad, (part.shape[1], part.shape[0]))
    mean = float((broad * alpha).sum() / max(1e-3, float(alpha.sum())))
    gain = np.minimum(np.maximum((broad + 0.03) / (mean + 0.03), 0.3), 2.0)
    return np.asarray(cv2.pow(gain, share), np.float32)
