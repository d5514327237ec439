"""The scene behind a person goes, the person stays; a model trained so does not lean on it."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from maskgate.faces import background
from maskgate.imaging.pixels import GREY, Window

BOX = np.array([40.0, 30.0, 80.0, 80.0])
FULL_PHOTO = Window(60, 80, 120, 160)


def portrait(scene: str, seed: int = 0) -> Image.Image:
    """A person (face, hair, body) of 120×160 pixels before a scene."""
    random = np.random.default_rng(seed)
    photo = random.normal(0, 6, (160, 120, 3)) + np.array(Image.new("RGB", (1, 1), scene))[0, 0]
    image = Image.fromarray(photo.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((34, 16, 86, 80), fill=(40, 30, 25))
    draw.rectangle((20, 95, 100, 160), fill=(150, 60, 60))
    draw.rectangle((52, 76, 68, 98), fill=(220, 180, 150))
    draw.ellipse((40, 30, 80, 80), fill=(224, 182, 152))
    return image


@pytest.mark.parametrize("scene", ["green", "navy", "khaki"])
def test_the_person_stays_and_the_scene_goes(scene: str) -> None:
    image = portrait(scene)
    picture = np.asarray(background.remove_background(image, BOX, FULL_PHOTO))
    gone = (picture == GREY).all(2)
    behind = np.ones((160, 120), dtype=bool)
    behind[10:] = False
    behind[:90, :25] = behind[:90, 95:] = True
    assert gone[behind].mean() > 0.95
    face = gone[35:75, 46:74]
    assert face.mean() == 0
    assert gone[120:155, 45:75].mean() < 0.1  # the body
    kept = ~gone
    np.testing.assert_array_equal(picture[kept], np.asarray(image)[kept])


def test_the_same_photo_is_cut_out_alike_every_time() -> None:
    image = portrait("green")
    first, again = (
        np.asarray(background.remove_background(image, BOX, FULL_PHOTO)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("box", [(0, 0, 120, 160), (-50, -50, 200, 300), (118, 150, 130, 170)])
def test_a_face_that_fills_or_leaves_the_photo_does_no_harm(box: tuple[float, ...]) -> None:
    image = portrait("green")
    picture = background.remove_background(image, np.array(box, dtype=np.float64), FULL_PHOTO)
    assert picture.size == image.size
    tiny = Image.new("RGB", (1, 1))
    assert background.remove_background(
        tiny, np.array([0.0, 0, 1, 1]), Window(0.5, 0.5, 1, 1)
    ).size == (1, 1)
