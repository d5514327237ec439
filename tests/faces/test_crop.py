"""Which face counts, and the window that shows it."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from maskgate.core.geometry import Geometry
from maskgate.faces import crop
from maskgate.faces.protocol import NO_FACES, Faces
from maskgate.imaging import pixels
from maskgate.imaging.pixels import GREY, Window


def faces(*boxes: tuple[float, float, float, float], tilt: float = 0.0) -> Faces:
    """Faces in these boxes, their eyes on a line that falls by `tilt` degrees to the right."""
    box = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    points = np.zeros((len(box), 5, 2), dtype=np.float32)
    x, y = (box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2
    half = (box[:, 2] - box[:, 0]) / 4
    for eye, side in ((0, -1), (1, 1)):
        points[:, eye, 0] = x + side * half * np.cos(np.radians(tilt))
        points[:, eye, 1] = y + side * half * np.sin(np.radians(tilt))
    return Faces(box, points, np.ones(len(box), dtype=np.float32))


def test_the_largest_and_most_central_face_counts() -> None:
    near, far = (40, 30, 60, 55), (0, 0, 22, 27)
    assert crop.main_face(faces(far, near), 80, 100) == 1
    assert crop.main_face(faces(near, (41, 31, 59, 54)), 80, 100) == 0
    assert (
        crop.main_face(faces((45, 35, 50, 41), (0, 0, 70, 80)), 80, 100) == 1
    )  # large, off-centre
    assert crop.main_face(NO_FACES, 80, 100) is None


@pytest.mark.parametrize("size", [(96, 96), (112, 88), (64, 128)])
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_the_input_holds_the_box_and_its_margin_tightly(
    size: tuple[int, int], margin: float
) -> None:
    geometry = Geometry(*size, margin=0.25)
    window = crop.window(faces((100, 50, 160, 130)), 0, geometry, margin, align=False)
    assert (window.x, window.y, window.turn) == (130, 90, 0)
    height, width = geometry.stored
    assert window.width / window.height == pytest.approx(width / height)
    # The input is the middle of what is stored: one of its sides fits exactly, none is too short.
    input_size = window.width * size[1] / width, window.height * size[0] / height
    spare = [input_size[0] / (60 * (1 + 2 * margin)), input_size[1] / (80 * (1 + 2 * margin))]
    assert min(spare) == pytest.approx(1)


def test_aligned_eyes_lie_level() -> None:
    """A line through the eyes, drawn into the photo, comes out level."""
    for tilt in (-30.0, 17.0):
        image = Image.new("RGB", (200, 200), "white")
        tilted_face = faces((60, 60, 140, 140), tilt=tilt)
        (x0, y0), (x1, y1) = tilted_face.landmarks[0, :2]
        ImageDraw.Draw(image).line((x0, y0, x1, y1), fill="black", width=5)
        window = crop.window(tilted_face, 0, Geometry(64, 64), 0.0, align=True)
        assert window.turn == pytest.approx(tilt, abs=1e-3)
        dark = np.argwhere(pixels.crop_window(image, window, 64, 64)[..., 0] < 90)
        assert len(dark) > 50
        slope = np.polyfit(dark[:, 1], dark[:, 0], 1)[0]
        assert abs(slope) < 0.03


def naive(image: Image.Image, window: Window, height: int, width: int) -> np.ndarray:
    """Pixel by pixel: where its middle lies in the photo, the nearest pixel there, grey beyond."""
    source = np.asarray(image)
    out = np.full((height, width, 3), GREY, dtype=np.uint8)
    cos, sin = np.cos(np.radians(window.turn)), np.sin(np.radians(window.turn))
    for row in range(height):
        for column in range(width):
            across = ((column + 0.5) / width - 0.5) * window.width
            down = ((row + 0.5) / height - 0.5) * window.height
            x, y = window.x + across * cos - down * sin, window.y + across * sin + down * cos
            if 0 <= x < image.width and 0 <= y < image.height:
                out[row, column] = source[int(y), int(x)]
    return out


@pytest.mark.parametrize("turn", [0.0, 25.0, -80.0])
@pytest.mark.parametrize("centre", [(60, 40), (5, 70), (130, -10)])
def test_a_window_shows_what_a_naive_look_up_finds(
    turn: float, centre: tuple[float, float]
) -> None:
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    image = coarse.resize((120, 90), Image.Resampling.BICUBIC)
    window = Window(*centre, 60, 48, turn)
    actual = pixels.crop_window(image, window, 48, 60).astype(int)
    expected = naive(image, window, 48, 60).astype(int)
    # Interpolated against nearest: alike but at edges and by a few levels.
    assert np.median(abs(actual - expected)) <= 4
    assert (abs(actual - expected) > 40).mean() < 0.06


def test_a_window_far_larger_or_smaller_than_asked_for_is_scaled() -> None:
    image = Image.linear_gradient("L").resize((3000, 3000)).convert("RGB")
    large = pixels.crop_window(image, Window(1500, 1500, 2800, 2800), 20, 20)
    rows = large[:, 10, 0].astype(int)
    expected = 255 * (100 + 2800 * (np.arange(20) + 0.5) / 20) / 3000
    np.testing.assert_allclose(rows, expected, atol=2)
    assert pixels.crop_window(image, Window(1500, 1500, 2, 2), 20, 20).std() < 2
    one = Image.new("RGB", (1, 1), (255, 0, 0))
    assert (pixels.crop_window(one, Window(0.5, 0.5, 1, 1), 8, 8) == (255, 0, 0)).all()
    beyond = pixels.crop_window(image, Window(-5000, 9000, 50, 50, 10), 8, 8)
    assert (beyond == GREY).all()
