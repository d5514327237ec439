"""Takes away the scene behind a person, so that a model cannot lean on it (considered by S3)."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskgate.core import extras
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import GREY, Pixels, Window

_ROUNDS: Final = 3
_SIDE: Final = 160  # pixels of the longer side that the person is cut out at


def check() -> None:
    """Raise MaskgateError where OpenCV, which `without` needs, is not installed."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise MaskgateError(
            "photo.face.background: remove needs OpenCV, which is not installed;"
            f" {extras.install('train')}"
        ) from error


def without(image: Image.Image, box: npt.NDArray[np.floating], window: Window) -> Image.Image:
    """The photo with everything grey but the person whose face `box` (4,) holds.

    Only what `window` shows of it is gone over. By GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH
    2004): the middle of the face is the person's for sure, hair and body around and under it
    perhaps, what lies far off or at the rim above the shoulders is the scene's.
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
    whole = image.copy()
    whole.paste(Image.fromarray(cleared), (left, top))
    return whole


def _person(picture: Pixels, box: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Which pixels (H, W) are the person's."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    seeds = _seeds(size, box * scale)
    if not ((seeds == cv2.GC_FGD).any() and (seeds == cv2.GC_BGD).any()):
        return np.ones((height, width), dtype=np.bool_)  # nothing but face: no scene to take away
    cv2.setRNGSeed(0)  # its clusters begin at random
    scene, figure = np.zeros((1, 65)), np.zeros((1, 65))
    everywhere = (0, 0, *size)
    cv2.grabCut(small, seeds, everywhere, scene, figure, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    person = ((seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)).astype(np.uint8)
    large = cv2.resize(person * 255, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large > 127)


def _seeds(size: tuple[int, int], box: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """GrabCut's first guess of each pixel, of a picture of width and height `size`."""
    import cv2

    width, height = size
    left, top, right, bottom = box
    wide, tall = right - left, bottom - top
    x, y = (left + right) / 2, (top + bottom) / 2
    across, down = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)

    def ellipse(radius_x: float, radius_y: float, lower: float = 0.0) -> npt.NDArray[np.bool_]:
        off = (across - x) / max(radius_x, 1e-6), (down - y - lower) / max(radius_y, 1e-6)
        return off[0] ** 2 + off[1] ** 2 < 1

    body = (down > y + 0.6 * tall) & (abs(across - x) < wide * (0.4 + (down - y) / tall))
    perhaps = ellipse(0.85 * wide, 0.85 * tall, -0.1 * tall) | body
    rim = max(1, round(0.03 * max(width, height)))
    edge = (across < rim) | (across > width - rim) | (down < rim)
    seeds = np.full((height, width), cv2.GC_PR_BGD, dtype=np.uint8)
    seeds[perhaps] = cv2.GC_PR_FGD
    seeds[edge & ~perhaps & (down < bottom)] = cv2.GC_BGD
    far = ~ellipse(1.6 * wide, 1.5 * tall) & (down < bottom)
    seeds[far] = cv2.GC_BGD
    seeds[ellipse(0.4 * wide, 0.42 * tall)] = cv2.GC_FGD
    neck = (abs(across - x) < 0.25 * wide) & (down > bottom) & (down < bottom + 0.3 * tall)
    seeds[neck] = cv2.GC_FGD
    return seeds
