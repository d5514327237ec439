"""Draws one photo of each kind: every wrong way, and what could be taken for a mask."""

from dataclasses import replace
from typing import Final

import numpy as np

from maskgate.synthetic.masks import outfits, shots
from maskgate.synthetic.masks.drawing import BareFace
from maskgate.synthetic.masks.outfits import COVERS, SHIELD, Outfit
from maskgate.synthetic.masks.placements import PLACEMENTS
from maskgate.synthetic.masks.shots import Shot

BARE: Final = "bare"
WORN: Final = "worn"
CLEAR: Final = "clear"
MASK_UNDER_SHIELD: Final = "mask_under_shield"
# The mask label of each kind. Covers are over the mouth.
KINDS: Final[dict[str, str]] = {
    WORN: "wear",
    CLEAR: "wear",
    MASK_UNDER_SHIELD: "wear",
    **{placement: "incorrect" for placement in PLACEMENTS if placement != "worn"},
    BARE: "not_wear",
    **dict.fromkeys((*COVERS, SHIELD), "not_wear"),
}
# The kinds without which a person is left out; others are not drawn where they cannot be seen.
NEEDED: Final = (WORN, BARE)


def draw_kind(face_photo: BareFace, kind: str, rng: np.random.Generator) -> Shot | None:
    """The outfit that is drawn for a kind, None for a bare face, and the photo with it.

    None if it cannot be drawn so that it is visible in the photo.
    """
    if kind == BARE:
        return None, face_photo.photo
    area = shots.face_area(face_photo)
    if KINDS[kind] == "incorrect":
        area = face_photo.photo.shape[0] * face_photo.photo.shape[1]
    for _ in range(shots.TRIES):
        shot = shots.draw_visible(face_photo, _outfit(kind, rng), rng, area)
        if shot is not None:
            return shot
    return None


def _outfit(kind: str, rng: np.random.Generator) -> Outfit:
    """A random outfit of a kind other than `BARE`."""
    if kind == SHIELD:
        return outfits.shield(rng)
    if kind in COVERS:
        return outfits.cover_over_mouth(rng, kind)
    if kind == CLEAR:
        return outfits.random(rng, "worn", "clear")
    if kind == MASK_UNDER_SHIELD:
        return replace(outfits.random(rng, "worn"), under_shield=True)
    return outfits.random(rng, kind)
