"""The seven photos of a person: what is drawn for each."""

from typing import Final

import cv2
import numpy as np

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import drawing, outfits
from maskgate.synthetic.masks.colours import one_of
from maskgate.synthetic.masks.drawing import Sitter
from maskgate.synthetic.masks.outfits import Outfit

# The photos' names, and the label that each earns.
SHOTS: Final = {
    **{f"mask{number}": "wear" for number in range(1, 6)},
    "incorrect_mask": "incorrect",
    "normal": "not_wear",
}
# How often each wrong way is drawn, where it can be seen in the photo.
_WRONG: Final = {
    "nose_out": 0.28,
    "chin": 0.2,
    "lower_lip": 0.14,
    "eyes": 0.1,
    "nose_only": 0.1,
    "mouth_only": 0.06,
    "neck": 0.06,
    "one_ear": 0.06,
}
_COVERED: Final = 0.15  # share of bare faces that something else is drawn before
_WITHIN: Final = 0.5  # share of a mask that must lie within the photo
_DIFFERENT: Final = 0.8  # of 255: by how much it must change face or photo, pixel for pixel
_FACE: Final = 6.0  # square face units that a face takes
_TRIES: Final = 6


Shot = tuple[Outfit | None, Pixels]


def shoot(sitter: Sitter, shot: str, rng: np.random.Generator) -> Shot | None:
    """What is drawn for one of the SHOTS of a face, None for nothing, and the photo with it.

    None where no mask that belongs to the shot can be seen in the photo.
    """
    if shot != "normal":
        return _masked(sitter, SHOTS[shot] == "wear", rng)
    if rng.random() < _COVERED:
        outfit = outfits.cover(rng)
        return outfit, drawing.dressed(sitter, outfit, rng)
    return None, sitter.photo


def _masked(sitter: Sitter, worn: bool, rng: np.random.Generator) -> Shot | None:
    """A mask that can be seen: beyond the edge or black on black it is none."""
    height, width = sitter.photo.shape[:2]
    face = min(height * width, _FACE * sitter.head.scale**2)
    for _ in range(_TRIES):
        if worn:
            shot = _seen(sitter, outfits.random(rng, "worn"), rng, face)
        else:
            shot = _seen(sitter, outfits.random(rng, one_of(rng, _WRONG)), rng, height * width)
        if shot is not None:
            return shot
    # Of a small face hardly any changes the whole photo so much; what covers most shows best.
    return None if worn else _seen(sitter, outfits.random(rng, "nose_out"), rng, face)


def _seen(sitter: Sitter, outfit: Outfit, rng: np.random.Generator, area: float) -> Shot | None:
    """The mask on the face; None where too little lies within the photo or changes its pixels.

    `area` is the number of pixels that the change is spread over.
    """
    if drawing.within(sitter, outfit) < _WITHIN:
        return None
    photo = drawing.dressed(sitter, outfit, rng)
    height, width = photo.shape[:2]
    change = cv2.absdiff(photo, sitter.photo).mean() * (height * width / area)
    return (outfit, photo) if change >= _DIFFERENT else None
