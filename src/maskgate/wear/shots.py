"""The seven photos of a person: what is drawn for each."""

from typing import Final

import cv2
import numpy as np

from maskgate.pixels import Pixels
from maskgate.wear import drawing, outfits
from maskgate.wear.colours import one_of
from maskgate.wear.drawing import Sitter
from maskgate.wear.outfits import Outfit

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
_WITHIN: Final = 0.5  # share of a wrongly worn mask that must lie within the photo
_DIFFERENT: Final = 0.8  # of 255: by how much it must change the photo, pixel for pixel
_TRIES: Final = 6


def shoot(sitter: Sitter, shot: str, rng: np.random.Generator) -> tuple[Outfit | None, Pixels]:
    """What is drawn for one of the SHOTS of a face, None for nothing, and the photo with it."""
    if shot == "incorrect_mask":
        return _worn_wrongly(sitter, rng)
    outfit: Outfit | None = None
    if shot != "normal":
        outfit = outfits.random(rng, "worn")
    elif rng.random() < _COVERED:
        outfit = outfits.cover(rng)
    return outfit, sitter.photo if outfit is None else drawing.dressed(sitter, outfit, rng)


def _worn_wrongly(sitter: Sitter, rng: np.random.Generator) -> tuple[Outfit, Pixels]:
    """A mask that sits wrongly and can be seen: beyond the edge or black on black it is none."""
    for _ in range(_TRIES):
        outfit = outfits.random(rng, one_of(rng, _WRONG))
        if drawing.within(sitter, outfit) >= _WITHIN:
            photo = drawing.dressed(sitter, outfit, rng)
            if cv2.absdiff(photo, sitter.photo).mean() >= _DIFFERENT:
                return outfit, photo
    outfit = outfits.random(rng, "nose_out")
    return outfit, drawing.dressed(sitter, outfit, rng)
