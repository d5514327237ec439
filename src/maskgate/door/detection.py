"""How much detail of a camera's frame a face detector gets, so that faces far enough are found."""

import math
from typing import Final

from maskgate.bundle.manifest import Manifest, SingleModelSpec, leaves
from maskgate.config.recipe import Photo
from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.faces.protocol import Detector as Detector

TOLERANCE: Final = 0.75  # of the smallest face: boxes of equal faces differ in width
_YUNET_FACE: Final = 44  # pixels of a face that YuNet needs to find 95% of masked ones
_MIN_SIDE: Final = 192  # of that picture: a close-up must stay a face
_MAX_SIDE: Final = 2048


def of_manifest(manifest: Manifest) -> SingleModelSpec:
    """A model of a bundle, all of whose models have the same face detectors. Raises
    MaskgateError."""
    models = list(leaves(manifest.model))
    detectors = {model.detector for model in models}
    preferred = {repr(model.preferred) for model in models}
    if len(detectors) != 1 or len(preferred) != 1 or None in detectors:
        raise MaskgateError(
            f"{manifest.name}: the engine needs one face detector, and this model"
            f" {'uses whole photos' if detectors == {None} else 'has members with several'};"
            " train it with the same photo.face for all members"
        )
    return models[0]


def for_frames(photo: Photo, height: int, width: int, smallest_face: float) -> Photo:
    """The settings, with arguments of the detector for faces from `smallest_face` pixels on in
    frames of this size."""
    assert photo.face is not None
    detector = photo.face.detector
    if detector.name == "yunet":
        arguments = detector.arguments | {"side": yunet_side(height, width, smallest_face)}
    else:
        share = min(1.0, max(0.01, TOLERANCE * smallest_face / min(height, width)))
        arguments = detector.arguments | {"min_face": share}
    component = Component(name=detector.name, **arguments)
    return photo.model_copy(update={"face": photo.face.model_copy(update={"detector": component})})


def yunet_side(height: int, width: int, smallest_face: float) -> int:
    """The longest side in pixels of the picture that YuNet gets of a frame.

    An integer fraction of the frame's where possible: downscaling is then five times faster.
    """
    longest = max(height, width)
    least = max(_MIN_SIDE, math.ceil(_YUNET_FACE * longest / max(smallest_face, 1)))
    factors = [
        factor
        for factor in range(1, longest // least + 1)
        if height % factor == 0 and width % factor == 0
    ]
    side = longest // factors[-1] if factors and longest // factors[-1] < 2 * least else least
    return max(64, min(side, longest, _MAX_SIDE))
