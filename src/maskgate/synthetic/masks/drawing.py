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
    outfits,
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
class BareFace:
    """A photo (H, W, 3) with the pose of its face and its light."""

    photo: Pixels
    head: Pose
    light: Light


def bare_face(photo: Pixels, landmarks: npt.ArrayLike) -> BareFace:
    """The face with these landmarks (5, 2), in pixels and in the order of faces.LANDMARKS.

    They may lie outside the photo. Raises ValueError if they are not those of a face.
    """
    head = pose.fit(landmarks)
    return BareFace(photo, head, light.measure(photo, head))


def draw_outfit(face: BareFace, outfit: Outfit, rng: np.random.Generator) -> Pixels:
    """The photo (H, W, 3) with the outfit drawn on the face; `rng` draws only the noise."""
    photo = face.photo
    for layer in _layers(outfit):
        canvas = draw(face, layer)
        if canvas is not None:
            photo = blending.blended(
                photo, canvas, layer, photo_light=face.light, scale=face.head.scale, rng=rng
            )
    return photo.copy() if photo is face.photo else photo


def _layers(outfit: Outfit) -> list[Outfit]:
    """The outfit, and the face shield over it, if any."""
    if not outfit.under_shield:
        return [outfit]
    return [outfit, outfits.shield(np.random.default_rng((outfit.seed, 3)))]


def share_within(face: BareFace, outfit: Outfit) -> float:
    """The share (0…1) of a mask that is inside the photo."""
    flat = face.head.project(shapes.points(outfit, straps.nearer(face.head)))
    height, width = face.photo.shape[:2]
    return float(((flat >= 0) & (flat < (width, height))).all(-1).mean())


def draw(face: BareFace, outfit: Outfit) -> Canvas | None:
    """The outfit on that face, without the photo and without a shield over it.

    None if it is outside the photo.
    """
    size, head, photo_light = face.photo.shape[:2], face.head, face.light
    if outfit.style in covers.HELD:
        return covers.draw_held(size, head, outfit, photo_light)
    grid = shapes.points(outfit, straps.nearer(head))
    flat, turned = head.project(grid), head.turn(grid)
    strap_lines = straps.lines(head, grid, outfit)
    canvas = Canvas.around(np.concatenate([flat.reshape(-1, 2), *strap_lines]), size, head.scale)
    if canvas is None:
        return None
    for line in strap_lines:
        thick = head.scale * canvas.finer * straps.thickness(outfit)
        canvas.stroke(line, thick, exposure.strap_ink(outfit, photo_light))
    place = canvas.place(flat)
    width = int(np.clip(np.ptp(place[..., 0]), *_TEXTURE)) // 8 * 8
    flat_mask = fabrics.draw_fabric(outfit, width, exposure.bare_skin(photo_light))
    texture = exposure.expose(flat_mask, turned, outfit, photo_light)
    corner, window = canvas.window(place)
    if not window.size:  # only its straps are inside the photo
        return canvas
    u, v, visible = raster.rasterise(place - corner, turned[..., 2], window.shape[:2])
    paint(window, raster.apply_texture(texture, u, v), visible)
    return canvas
