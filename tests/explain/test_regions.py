"""The face in a network's input, compared with a face that is painted into the photo."""

import numpy as np
import pytest
from PIL import Image

from maskgate.config.recipe import Photo
from maskgate.explain import regions
from maskgate.faces.protocol import Faces
from maskgate.faces.view import View
from maskgate.imaging import pixels

FACE = np.array([[70.0, 50.0, 130.0, 140.0]])


def photo_settings(**changes: object) -> Photo:
    return Photo.model_validate({"height": 64, "width": 48, "margin": 0.25, **changes})


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, (240, 180)),
        ({}, (200, 220)),
        ({"crop": 0.8}, (240, 180)),
        ({"margin": 0.1}, (300, 160)),
        ({"face": {"margin": 0.1}}, (240, 180)),
        ({"face": {"margin": 0.6}, "width": 64}, (240, 180)),
    ],
)
def test_the_box_is_where_the_face_is_painted(
    changes: dict[str, object], size: tuple[int, int]
) -> None:
    settings = photo_settings(**changes)
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    image[50:140, 70:130] = 255
    faces = Faces(FACE.astype("f4"), np.zeros((1, 5, 2), "f4"), np.ones(1, "f4"))
    view = View(settings.geometry, None, settings.face)
    number = None if settings.face is None else 0
    stored = view.stored(Image.fromarray(image), faces, number)
    picture = pixels.centre(stored, settings.geometry)
    boxes = regions.in_input(FACE, np.array([[height, width]], float), settings)
    painted = picture[..., 0] > 130  # outside the photo it is grey
    mask = regions.masks(boxes, *picture.shape[:2])["face"][0]
    assert (painted & mask).sum() / (painted | mask).sum() > 0.9


def test_a_photo_without_a_face_has_no_box() -> None:
    boxes = regions.in_input(np.full((1, 4), np.nan), np.array([[90.0, 80.0]]), photo_settings())
    assert np.isnan(boxes).all()
    assert not regions.masks(boxes, 64, 48)["face"].any()


def test_a_face_outside_the_input_has_no_box() -> None:
    face = np.array([[0.0, 0.0, 30.0, 30.0]])
    boxes = regions.in_input(face, np.array([[240.0, 180.0]]), photo_settings(crop=0.3))
    assert np.isnan(boxes).all()


def test_regions_are_parts_of_the_input() -> None:
    masks = regions.masks(np.array([[16.0, 20.0, 32.0, 40.0]]), 64, 48)
    face, lower, outside, scenery = (masks[name][0] for name in regions.REGIONS)
    assert face.sum() == 16 * 20 and lower.sum() == 16 * 10
    assert (outside == ~face).all() and not (lower & ~face).any() and not (scenery & face).any()
    assert scenery[0, 0] and not scenery[15, 24]  # hair above the face is no scenery


def test_shares_equal_a_loop() -> None:
    random = np.random.default_rng(0)
    heat, mask = random.random((3, 5, 4)), random.random((3, 5, 4)) < 0.3
    heat[2] = 0
    shares = regions.shares(heat, mask)
    for row in range(2):
        cells = [(y, x) for y in range(5) for x in range(4)]
        inside = sum(heat[row, y, x] for y, x in cells if mask[row, y, x])
        assert shares[row] == pytest.approx(inside / sum(heat[row, y, x] for y, x in cells))
    assert np.isnan(shares[2])
