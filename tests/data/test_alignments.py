"""Alignments: where a place of one picture lies in another, held in eight ways."""

import numpy as np
import pytest

from maskgate.data import alignments, near_duplicates, registration


def held_so(picture: np.ndarray, orientation: int) -> np.ndarray:
    """The picture (N, N), transposed, upside down and mirrored, in this order."""
    picture = picture.T if orientation & 4 else picture
    picture = picture[::-1] if orientation & 2 else picture
    return picture[:, ::-1] if orientation & 1 else picture


def sampled(picture: np.ndarray, alignment: int) -> np.ndarray:
    matrices = alignments.matrices(np.array([alignment]))
    rows, columns = alignments.places(matrices, picture.shape, picture.shape)
    at, weights = alignments.corners(rows, columns, picture.shape)
    values = sum(picture.ravel()[a] * w for a, w in zip(at, weights, strict=True))
    return np.asarray(values).reshape(picture.shape)


@pytest.mark.parametrize("orientation", range(8))
def test_an_orientation_is_a_transposed_turned_and_mirrored_picture(orientation: int) -> None:
    picture = np.random.default_rng(0).random((16, 16))
    expected = held_so(picture, orientation)
    np.testing.assert_allclose(sampled(picture, orientation), expected, atol=2e-3)


def test_relative_orientations_lay_one_onto_the_other() -> None:
    picture = np.random.default_rng(0).random((9, 9))
    for a in range(8):
        for b in range(8):
            # Two pictures that look alike when held as a and as b.
            first = next(
                each
                for each in (held_so(picture, o) for o in range(8))
                if (held_so(each, a) == picture).all()
            )
            second = next(
                each
                for each in (held_so(picture, o) for o in range(8))
                if (held_so(each, b) == picture).all()
            )
            relative = int(alignments.RELATIVE[a, b])
            np.testing.assert_array_equal(held_so(second, relative), first)


def test_a_part_is_what_a_crop_shows() -> None:
    y, x = np.mgrid[:64, :48].astype(np.float32)
    corner = alignments.part((y * 100 + x)[None], 1)[0]  # above, left
    np.testing.assert_allclose(corner[0, 0], 0, atol=0.1)
    np.testing.assert_allclose(corner[-1, -1], 100 * 55.06 + 41.06, atol=1)
    np.testing.assert_allclose(alignments.part(y[None], 0)[0], y, atol=2e-3)


def hashes_of(pictures: "np.ndarray") -> "np.ndarray":
    """Those of whole thumbnails (N, 64, 48)."""
    return near_duplicates.perceptual_hash(registration.shrink(pictures, 2))


def test_the_hash_of_a_photo_held_in_another_way_is_known_without_it() -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (40, 16, 12), dtype=np.uint8)
    pictures = coarse.repeat(4, axis=1).repeat(4, axis=2)
    upside_down = hashes_of(pictures[:, ::-1])
    hashes = hashes_of(pictures)
    np.testing.assert_array_equal(upside_down, hashes ^ near_duplicates.UPSIDE_DOWN)
    # On its side a photo of 64 by 48 is squeezed into the same size.
    side = coarse.transpose(0, 2, 1).repeat(16, axis=1).repeat(12, axis=2)
    side = side.reshape(40, 64, 3, 48, 4).mean((2, 4)).astype(np.uint8)
    far = np.bitwise_count(hashes_of(side) ^ near_duplicates.transposed(hashes))
    assert np.median(far) <= 2
