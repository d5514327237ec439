"""Draws each photo of a person, by default seven."""

from typing import Final

import cv2
import numpy as np

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import drawing, outfits
from maskgate.synthetic.masks.colours import one_of
from maskgate.synthetic.masks.drawing import BareFace
from maskgate.synthetic.masks.outfits import Outfit

# How often each wrong placement is drawn, if it is visible in the photo.
_WRONG_PLACEMENTS: Final = {
    "nose_out": 0.24,
    "chin": 0.16,
    "lower_lip": 0.12,
    "chin_out": 0.1,
    "eyes": 0.1,
    "nose_only": 0.1,
    "mouth_only": 0.06,
    "neck": 0.06,
    "one_ear": 0.06,
}
_COVERED: Final = 0.15  # share of bare faces in front of which something else is drawn
_MIN_WITHIN: Final = 0.5  # share of a mask that must be inside the photo
_MIN_CHANGE: Final = 0.8  # of 255: mean change of the pixels of the face or the photo
_FACE_AREA: Final = 6.0  # square face units
TRIES: Final = 6


Shot = tuple[Outfit | None, Pixels]


def names(worn: int = 5, incorrect: int = 1) -> dict[str, str]:
    """The names of a person's photos and the mask label of each, by default the competition's.

    `worn` photos have the mask worn, `incorrect` ones have it worn incorrectly, one has none.
    """
    return {
        **{f"mask{number}": "wear" for number in range(1, worn + 1)},
        **{
            f"incorrect_mask{number if number > 1 else ''}": "incorrect"
            for number in range(1, incorrect + 1)
        },
        "normal": "not_wear",
    }


def draw_shot(face_photo: BareFace, mask: str, rng: np.random.Generator) -> Shot | None:
    """The outfit that is drawn for a mask label, None for a bare face, and the photo with it.

    None if no mask can be drawn that is visible in the photo.
    """
    if mask != "not_wear":
        return _draw_mask(face_photo, mask == "wear", rng)
    if rng.random() < _COVERED:
        covering = outfits.cover(rng)
        return covering, drawing.draw_outfit(face_photo, covering, rng)
    return None, face_photo.photo


def face_area(face_photo: BareFace) -> float:
    """The area of the face in pixels, at most that of the photo."""
    height, width = face_photo.photo.shape[:2]
    return min(height * width, _FACE_AREA * face_photo.head.scale**2)


def _draw_mask(face_photo: BareFace, correctly: bool, rng: np.random.Generator) -> Shot | None:
    """Draw a mask that is visible: not outside the photo, nor black on black."""
    height, width = face_photo.photo.shape[:2]
    face = face_area(face_photo)
    for _ in range(TRIES):
        if correctly:
            shot = draw_visible(face_photo, outfits.random(rng, "worn"), rng, face)
        else:
            shot = draw_visible(
                face_photo, outfits.random(rng, one_of(rng, _WRONG_PLACEMENTS)), rng, height * width
            )
        if shot is not None:
            return shot
    # On a small face hardly any mask changes the photo enough; the one that covers most does best.
    return (
        None if correctly else draw_visible(face_photo, outfits.random(rng, "nose_out"), rng, face)
    )


def draw_visible(
    face_photo: BareFace, outfit: Outfit, rng: np.random.Generator, area: float
) -> Shot | None:
    """Draw the outfit on the face; None if too little of it is visible.

    Of a mask a part must be inside the photo, and the pixels must change. `area` is the number of
    pixels over which the change is averaged.
    """
    if outfit.is_mask and drawing.share_within(face_photo, outfit) < _MIN_WITHIN:
        return None
    photo = drawing.draw_outfit(face_photo, outfit, rng)
    height, width = photo.shape[:2]
    change = cv2.absdiff(photo, face_photo.photo).mean() * (height * width / area)
    return (outfit, photo) if change >= _MIN_CHANGE else None
