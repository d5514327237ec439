"""Pictures laid onto each other: light does not matter, moves are found, strangers stay so."""

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from maskgate.data import registration
from maskgate.pixels import Pixels


def pictures(count: int) -> Pixels:
    """Smooth random pictures (count, 64, 48)."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 9, 7)).astype(float)
    fine = [affine_transform(one, (1 / 8, 1 / 8), output_shape=(64, 48)) for one in coarse]
    return np.clip(fine, 0, 255).astype(np.uint8)


def moved(picture: Pixels, zoom: float, turn: float, down: float, right: float) -> Pixels:
    """The picture as a camera sees it that is turned (radians), zoomed and shifted (pixels)."""
    matrix = np.array([[1 + zoom, turn], [-turn, 1 + zoom]])
    middle = np.array([31.5, 23.5])
    offset = middle - matrix @ middle + (down, right)
    return affine_transform(picture, matrix, offset, order=1, mode="nearest")


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_shrunk_pictures_are_means_of_blocks(factor: int) -> None:
    whole = np.random.default_rng(0).integers(0, 256, (3, 64, 48), dtype=np.uint8)
    whole[0] = 255
    found = registration.shrink(whole, factor)
    assert found.dtype == np.float32
    assert found.shape == (3, 64 // factor, 48 // factor)
    for row in range(64 // factor):
        for column in range(48 // factor):
            block = whole[:, row * factor :, column * factor :][:, :factor, :factor]
            np.testing.assert_allclose(found[:, row, column], block.mean(axis=(1, 2)), rtol=1e-6)


def test_similarity_does_not_depend_on_brightness_or_contrast() -> None:
    first = pictures(30)
    second = np.stack([moved(picture, 0.02, 0.01, 1, -1) for picture in first])
    dim, scaled = first // 4 + 100, second // 2 + 60
    assert (registration.similarity(first, dim) > 0.995).all()
    assert (registration.similarity(first, first) > 0.99999).all()
    np.testing.assert_allclose(
        registration.similarity(first, second), registration.similarity(first, scaled), atol=0.005
    )


def test_similarity_of_unmoved_pictures_is_their_correlation() -> None:
    first = np.random.default_rng(0).integers(0, 256, (1, 64, 48), dtype=np.uint8)
    assert registration.similarity(first, 255 - first)[0] < 0
    assert registration.similarity(first, first)[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("zoom", "turn", "down", "right"),
    [(0, 0, 2.5, -2), (0.05, 0, 0, 0), (-0.05, 0, 0, 0), (0, 0.05, 0, 0), (0.03, -0.03, 1, 1)],
)
def test_moved_pictures_are_laid_onto_each_other(
    zoom: float, turn: float, down: float, right: float
) -> None:
    first = pictures(50)
    second = np.stack([moved(picture, zoom, turn, down, right) for picture in first])
    plain = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first, second, strict=True)]
    found = registration.similarity(first, second)
    assert (found > 0.98).mean() >= 0.9
    assert ((1 - found) < (1 - np.array(plain)) / 4).mean() >= 0.9


def test_strangers_are_not_laid_onto_each_other() -> None:
    first = pictures(50)
    assert registration.similarity(first, np.roll(first, 1, axis=0)).max() < 0.9
