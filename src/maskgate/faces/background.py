"""Removes the background behind a person, so that a model cannot use it (considered by S3)."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskgate.core import extras
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import GREY, Pixels, Window

_ROUNDS: Final = 3
_SIDE: Final = 160  # pixels: the longer side of the picture that GrabCut works on


def check() -> None:
    """Raise MaskgateError if OpenCV, which `remove_background` needs, is not installed."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise MaskgateError(
            "photo.face.background: remove needs OpenCV, which is not installed;"
            f" {extras.install('train')}"
        ) from error


def remove_background(
    image: Image.Image, box: npt.NDArray[np.floating], window: Window
) -> Image.Image:
    """The photo with everything grey except the person whose face is in `box` (4,).

    Only the part that `window` shows is changed. By GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH
    2004), which starts from these guesses: the middle of the face is certainly the person; hair and
    body around it are probably the person; pixels far away, and those at the border above the
    shoulders, are background.
    """
    reach = math.hypot(window.width, window.height) / 2
    left, top = max(0, int(window.x - reach)), max(0, int(window.y - reach))
    right, bottom = (
        min(image.width, int(window.x + reach)),
        min(image.height, int(window.y + reach)),
    )
    if right - left < 2 or bottom - top < 2:
        return image
    part = np.asarray(image.crop((left, top, right, bottom)))
    person = _person(part, np.asarray(box) - (left, top, left, top))
    cleared = np.where(person[..., None], part, np.uint8(GREY))
    full_image = image.copy()
    full_image.paste(Image.fromarray(cleared), (left, top))
    return full_image


def _person(picture: Pixels, box: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Which pixels (H, W) belong to the person."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    seeds = _seeds(size, box * scale)
    if not ((seeds == cv2.GC_FGD).any() and (seeds == cv2.GC_BGD).any()):
        return np.ones((height, width), dtype=np.bool_)  # no background to remove
    cv2.setRNGSeed(0)  # its clusters start at random
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    rectangle = (0, 0, *size)
    cv2.grabCut(small, seeds, rectangle, background, foreground, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    person = ((seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)).astype(np.uint8)
    large = cv2.resize(person * 255, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large > 127)


def _seeds(size: tuple[int, int], box: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """GrabCut's first guess for each pixel of a picture of `size` (width, height)."""
    import cv2

    width, height = size
    left, top, right, bottom = box
    box_width, box_height = right - left, bottom - top
    centre_x, centre_y = (left + right) / 2, (top + bottom) / 2
    xs, ys = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)

    def ellipse(radius_x: float, radius_y: float, lower: float = 0.0) -> npt.NDArray[np.bool_]:
        scaled = (
            (xs - centre_x) / max(radius_x, 1e-6),
            (ys - centre_y - lower) / max(radius_y, 1e-6),
        )
        return scaled[0] ** 2 + scaled[1] ** 2 < 1

    body = (ys > centre_y + 0.6 * box_height) & (
        abs(xs - centre_x) < box_width * (0.4 + (ys - centre_y) / box_height)
    )
    likely_person = ellipse(0.85 * box_width, 0.85 * box_height, -0.1 * box_height) | body
    border_width = max(1, round(0.03 * max(width, height)))
    border = (xs < border_width) | (xs > width - border_width) | (ys < border_width)
    seeds = np.full((height, width), cv2.GC_PR_BGD, dtype=np.uint8)
    seeds[likely_person] = cv2.GC_PR_FGD
    seeds[border & ~likely_person & (ys < bottom)] = cv2.GC_BGD
    far_from_face = ~ellipse(1.6 * box_width, 1.5 * box_height) & (ys < bottom)
    seeds[far_from_face] = cv2.GC_BGD
    seeds[ellipse(0.4 * box_width, 0.42 * box_height)] = cv2.GC_FGD
    neck = (
        (abs(xs - centre_x) < 0.25 * box_width) & (ys > bottom) & (ys < bottom + 0.3 * box_height)
    )
    seeds[neck] = cv2.GC_FGD
    return seeds
