"""Pictures laid onto each other: light does not matter, moves are found, strangers stay so."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import affine_transform

from maskgate.data import alignments, registration
from maskgate.imaging.pixels import Pixels


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
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 48), dtype=np.uint8)
    pictures[0] = 255
    shrunk = registration.shrink(pictures, factor)
    assert shrunk.dtype == np.float32
    assert shrunk.shape == (3, 64 // factor, 48 // factor)
    for row in range(64 // factor):
        for column in range(48 // factor):
            block = pictures[:, row * factor :, column * factor :][:, :factor, :factor]
            np.testing.assert_allclose(shrunk[:, row, column], block.mean(axis=(1, 2)), rtol=1e-6)


def agreement(first: Pixels, second: Pixels, alignment: int = 0) -> npt.NDArray[np.float32]:
    """As pairs are compared: first coarse, then, where that is near, at their size."""
    start = alignments.matrices(np.full(len(first), alignment))
    rows, moved = registration.similar_pairs(
        registration.coarse(first), registration.coarse(second), start
    )
    share = np.zeros(len(first), dtype=np.float32)
    share[rows] = registration.agreement(first[rows], second[rows], moved)
    return share


def test_agreement_does_not_depend_on_brightness_or_contrast() -> None:
    first = pictures(30)
    second = np.stack([moved(picture, 0.02, 0.01, 1, -1) for picture in first])
    dim, scaled = first // 4 + 100, second // 2 + 60
    assert (agreement(first, dim) > 0.98).all()
    assert (agreement(first, first) > 0.99999).all()
    np.testing.assert_allclose(agreement(first, second), agreement(first, scaled), atol=0.06)


def test_gamma_and_clipping_hardly_matter() -> None:
    first = pictures(30)
    dark = (255 * (first / 255.0) ** 2).astype(np.uint8)
    bright = np.clip(first * 1.3, 0, 255).astype(np.uint8)
    assert (agreement(first, dark) > 0.9).all()
    assert (agreement(first, bright) > 0.75).mean() >= 0.9


def test_most_pictures_with_a_third_clipped_are_laid_onto_each_other() -> None:
    first = pictures(200)
    bright = np.clip(first * 1.5, 0, 255).astype(np.uint8)
    assert (bright == 255).mean() == pytest.approx(1 / 3, abs=0.06)
    assert (agreement(first, bright) > 0.73).mean() >= 0.8


def test_a_picture_agrees_with_itself_and_not_with_its_negative() -> None:
    first = np.random.default_rng(0).integers(0, 256, (1, 64, 48), dtype=np.uint8)
    assert agreement(first, 255 - first)[0] == 0
    assert agreement(first, first)[0] == pytest.approx(1, abs=1e-4)
    start = alignments.matrices(np.zeros(1, dtype=np.int64))
    assert registration.agreement(first, 255 - first, start)[0] == 0


@pytest.mark.parametrize(
    ("zoom", "turn", "down", "right"),
    [(0, 0, 2.5, -2), (0.05, 0, 0, 0), (-0.05, 0, 0, 0), (0, 0.05, 0, 0), (0.03, -0.03, 1, 1)],
)
def test_moved_pictures_are_laid_onto_each_other(
    zoom: float, turn: float, down: float, right: float
) -> None:
    first = pictures(50)
    second = np.stack([moved(picture, zoom, turn, down, right) for picture in first])
    assert (agreement(first, second) > 0.9).mean() >= 0.9


def test_what_is_covered_has_no_say() -> None:
    first = pictures(50)
    barred, framed = first.copy(), np.full_like(first, 255)
    barred[:, 20:33] = 0
    framed[:, 4:60, 3:45] = first[:, 4:60, 3:45]
    assert (agreement(first, barred) > 0.75).mean() >= 0.9
    assert (agreement(first, framed) > 0.75).mean() >= 0.9
    # But pictures of which next to nothing is left agree in nothing much.
    barred[:, :48] = 0
    assert agreement(first, barred).max() < 0.75


def test_an_alignment_lays_a_part_held_in_another_way_onto_the_whole() -> None:
    second = pictures(20)
    for alignment in (1, 2, 3, 5 * 8, 5 * 8 + 1, 1 * 8 + 2, 6 * 8):
        start = alignments.matrices(np.full(20, alignment))
        part, orientation = divmod(alignment, 8)
        first = np.rint(alignments.part(second.astype(np.float32), part)).astype(np.uint8)
        first = first[:, ::-1] if orientation & 2 else first
        first = first[:, :, ::-1] if orientation & 1 else first
        assert (registration.agreement(first, second, start) > 0.9).mean() >= 0.9, alignment


def test_strangers_are_not_laid_onto_each_other() -> None:
    first = pictures(50)
    others = np.roll(first, 1, axis=0)
    start = alignments.matrices(np.zeros(50, dtype=np.int64))
    assert registration.agreement(first, others, start).max() < 0.5
    assert agreement(first, others).max() < 0.5


def test_nothing_is_compared_with_nothing() -> None:
    none = np.empty((0, 64, 48), dtype=np.uint8)
    assert agreement(none, none).shape == (0,)
