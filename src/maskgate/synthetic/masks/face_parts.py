"""Pastes a part of one face onto another, so that a mask that is worn covers less of it."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels

Array = npt.NDArray[np.float64]

# Where the part ends: bounds in heights of the face from the eyes (0) to the mouth (1).
ENDS: Final = {"nose": (0.66, 0.82), "upper_lip": (1.05, 1.2), "mouth": (1.25, 1.5)}
_MAX_ENLARGEMENT: Final = 2.2  # of the pasted face
_MAX_OUTSIDE: Final = 0.02  # share of the part that may lie outside the photo it is from
_EDGE: Final = 0.6  # pixels over which its lower edge fades: that of a mask is sharp
_FADE: Final = 0.12, 0.15  # of its upper edge and its sides, in heights and distances of the eyes
_CONTRAST: Final = 0.7, 1.4  # bounds of the change of contrast


@dataclass(frozen=True)
class FacePhoto:
    """A photo (H, W, 3) with the landmarks (5, 2) of its face, in the order of faces.LANDMARKS."""

    photo: Pixels
    landmarks: Array


def paste(
    target: FacePhoto, source: FacePhoto, end: str, rng: np.random.Generator
) -> Pixels | None:
    """The photo of `target` (H, W, 3), in which the band from below the eyes to the `end`, a key of
    ENDS, is the one of the `source`, in the light of the target.

    None if the source is too small or does not show the band, or if landmarks lie in one place.
    """
    move, _ = cv2.estimateAffinePartial2D(
        source.landmarks.astype(np.float32),
        target.landmarks.astype(np.float32),
        method=cv2.LMEDS,
    )
    if move is None or not np.isfinite(move).all():
        return None
    enlargement = float(np.hypot(move[0, 0], move[1, 0]))
    if enlargement > _MAX_ENLARGEMENT:
        return None
    axes = _Axes.of(target.landmarks)
    if axes is None:
        return None
    height, width = target.photo.shape[:2]
    moved = cv2.warpAffine(
        source.photo,
        move,
        (width, height),
        flags=cv2.INTER_AREA if enlargement < 1 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    extent = np.ones(source.photo.shape[:2], np.float32)
    inside = cv2.warpAffine(extent, move, (width, height))
    alpha = axes.band(
        (height, width),
        top=rng.uniform(0.12, 0.25),
        bottom=rng.uniform(*ENDS[end]),
        curve=rng.uniform(-0.12, 0.15),
        half=rng.uniform(0.95, 1.15),
    )
    if (alpha * (1 - inside)).sum() > _MAX_OUTSIDE * alpha.sum():
        return None
    eyes = axes.band((height, width), top=-0.35, bottom=0.15, curve=0.0, half=0.8)
    lit = _in_light(np.asarray(moved, np.uint8), target.photo, eyes > 0.3)
    mixed = target.photo * (1 - alpha[..., None]) + lit * alpha[..., None]
    return np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8)


@dataclass(frozen=True)
class _Axes:
    """Coordinates of a face: the origin lies between the eyes, `right` and `down` are unit vectors
    along the eyes and down the face. `eyes` is the distance of the eyes and `height` that of the
    mouth from them, in pixels; `middle` is how far to the right the middle line lies at the nose.
    """

    origin: Array
    right: Array
    down: Array
    eyes: float
    height: float
    middle: float

    @classmethod
    def of(cls, landmarks: Array) -> "_Axes | None":
        """The coordinates of a face with these landmarks (5, 2); None if they are no face's."""
        origin, line = landmarks[:2].mean(0), landmarks[1] - landmarks[0]
        eyes = float(np.hypot(*line))
        if eyes < 1:
            return None
        right = line / eyes
        down = np.array([-right[1], right[0]])
        height = float((landmarks[3:].mean(0) - origin) @ down)
        if height < 1:
            return None
        # The middle line of a turned head leans towards the nose.
        middle = 0.6 * float((landmarks[2] - origin) @ right)
        return cls(origin, right, down, eyes=eyes, height=height, middle=middle)

    def band(
        self, size: tuple[int, int], top: float, bottom: float, curve: float, half: float
    ) -> Array:
        """How much (0…1, H, W) each pixel belongs to a band of the face.

        `top` and `bottom` are in heights from the eyes to the mouth, `half` is half its width in
        distances of the eyes, and `curve` how far its lower edge falls at one distance.
        """
        rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64)
        from_origin = np.stack([columns, rows], axis=-1) - self.origin
        across = (from_origin @ self.right - self.middle) / self.eyes
        along = from_origin @ self.down / self.height
        lower = (bottom + curve * across**2 - along) * self.height / _EDGE
        edges = (lower, (along - top) / _FADE[0], (half - np.abs(across)) / _FADE[1])
        alpha: Array = np.prod([np.clip(edge + 0.5, 0, 1) for edge in edges], axis=0)
        return alpha


def _in_light(photo: Pixels, other: Pixels, region: npt.NDArray[np.bool_]) -> Pixels:
    """The photo with the mean colour, and about the contrast, that the `region` (H, W) has in the
    `other` photo (Reinhard et al. 2001, "Color Transfer between Images", in CIELAB)."""
    if region.sum() < 30:
        return photo
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB).astype(np.float64)
    other_lab = cv2.cvtColor(other, cv2.COLOR_RGB2LAB).astype(np.float64)
    mean, other_mean = lab[region].mean(0), other_lab[region].mean(0)
    gain = other_lab[region][:, 0].std() / (lab[region][:, 0].std() + 1e-3)
    scale = np.array([np.clip(gain, *_CONTRAST), 1, 1])
    moved = np.clip((lab - mean) * scale + other_mean + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(moved, cv2.COLOR_LAB2RGB), np.uint8)
