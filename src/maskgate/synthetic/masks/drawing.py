"""Draws an outfit on the face in a photo."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import (
    blending,
    covers,
    exposure,
    fabrics,
    light,
    pose,
    raster,
    shapes,
    straps,
)
from maskgate.synthetic.masks.canvas import Canvas, paint
from maskgate.synthetic.masks.light import Light
from maskgate.synthetic.masks.outfits import Outfit
from maskgate.synthetic.masks.pose import Pose

_TEXTURE: Final = 96, 1024  # pixels: the narrowest and the widest texture


@dataclass(frozen=True)
class Sitter:
    """A photo (H, W, 3) whose face has been looked at: how it is turned, and its light."""

    photo: Pixels
    head: Pose
    light: Light


def sitter(photo: Pixels, landmarks: npt.ArrayLike) -> Sitter:
    """The face with these landmarks (5, 2), in pixels and in the order of faces.LANDMARKS.

    They may lie outside of the photo. Raises ValueError where they are no face's.
    """
    head = pose.fit(landmarks)
    return Sitter(photo, head, light.measure(photo, head))


def dressed(face: Sitter, outfit: Outfit, rng: np.random.Generator) -> Pixels:
    """The sitter's photo (H, W, 3) with the outfit on; `rng` draws the noise alone."""
    canvas = draw(face, outfit)
    if canvas is None:
        return face.photo.copy()
    return blending.blended(
        face.photo, canvas, outfit, seen=face.light, scale=face.head.scale, rng=rng
    )


def within(face: Sitter, outfit: Outfit) -> float:
    """The share (0…1) of a mask that lies within the photo."""
    flat = face.head.project(shapes.points(outfit, straps.nearer(face.head)))
    height, width = face.photo.shape[:2]
    return float(((flat >= 0) & (flat < (width, height))).all(-1).mean())


def draw(face: Sitter, outfit: Outfit) -> Canvas | None:
    """What the outfit looks like on the sitter, alone; None where it lies beside the photo."""
    size, head, seen = face.photo.shape[:2], face.head, face.light
    if outfit.style in covers.HELD:
        return covers.held(size, head, outfit, seen)
    grid = shapes.points(outfit, straps.nearer(head))
    flat, turned = head.project(grid), head.turn(grid)
    held = straps.lines(head, grid, outfit)
    canvas = Canvas.around(np.concatenate([flat.reshape(-1, 2), *held]), size, head.scale)
    if canvas is None:
        return None
    for line in held:
        thick = head.scale * canvas.finer * straps.THICK[outfit.fastening]
        canvas.stroke(line, thick, exposure.strap_ink(outfit, seen))
    place = canvas.place(flat)
    width = int(np.clip(np.ptp(place[..., 0]), *_TEXTURE)) // 8 * 8
    bolt = fabrics.weave(outfit, width, exposure.bare_skin(seen))
    texture = exposure.expose(bolt, turned, outfit, seen)
    corner, window = canvas.window(place)
    if not window.size:  # only its straps reach into the photo
        return canvas
    u, v, shown = raster.sheet(place - corner, turned[..., 2], window.shape[:2])
    paint(window, raster.lay(texture, u, v), shown)
    return canvas
