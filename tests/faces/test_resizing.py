"""Photos at another size: the same bits without OpenCV as with it."""

import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from maskgate.faces import resizing
from maskgate.imaging.pixels import Pixels

Size = tuple[int, int]
Draw = Callable[[np.random.Generator, int], tuple[Any, Any]]


def opencv(photo: Pixels, size: Size) -> Pixels:
    return np.asarray(cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def smaller(random: np.random.Generator, side: int) -> tuple[Any, Any]:
    old = random.integers(1, side, 2)
    return old, random.integers(1, old + 1)


def larger(random: np.random.Generator, side: int) -> tuple[Any, Any]:
    old = random.integers(1, side, 2)
    return old, old * random.uniform(1, 4, 2) + 1


def any_size(random: np.random.Generator, side: int) -> tuple[Any, Any]:
    return random.integers(1, side, 2), random.integers(1, side, 2)


def one_side(random: np.random.Generator, side: int) -> tuple[Any, Any]:
    """One side stays, or is of one pixel; the other is any."""
    old, new = random.integers(1, side, 2), random.integers(1, side, 2)
    place = random.integers(2)
    new[place] = random.choice([old[place], 1])
    return old, new


def whole_factor(random: np.random.Generator, side: int) -> tuple[Any, Any]:
    new = random.integers(1, max(2, side // 8), 2)
    return new * random.integers(1, 9, 2), new


@pytest.mark.parametrize("draw", [smaller, larger, any_size, one_side, whole_factor])
@pytest.mark.parametrize("side", [4, 30, 120, 400])
def test_numpy_gives_opencvs_bits(draw: Draw, side: int) -> None:
    random = np.random.default_rng(side)
    for _ in range(60 if side < 400 else 15):
        old, new = ((int(height), int(width)) for height, width in draw(random, side))
        photo = random.integers(0, 256, (*old, 3), dtype=np.uint8)
        photo[random.random(old) < 0.2] = 255
        resized = resizing.resize_area_numpy(photo, *new)
        assert resized.dtype == np.uint8 and resized.shape == (*new, 3)
        np.testing.assert_array_equal(resized, opencv(photo, new), f"{old} to {new}")


EXTREMES: list[tuple[Size, Size]] = [
    *(((48 * k, 49 * k), (k, k)) for k in (1, 2, 5)),  # 1 / (1 / 49) is not 49
    *(((98 * k, 103), (2 * k, 1)) for k in (1, 3)),
    ((1001, 1003), (1000, 1000)),  # parts of a pixel that are too small to count
    ((720, 1280), (144, 256)),
    ((512, 384), (256, 192)),
    ((300, 2), (1, 2)),  # sums of more than 16 bits
    ((300, 700), (1, 1)),
    ((1, 5000), (1, 256)),
    ((3000, 2000), (256, 171)),
    ((7, 7), (7, 7)),
]


@pytest.mark.parametrize(("old", "new"), EXTREMES)
@pytest.mark.parametrize("white", [False, True])
def test_extremes_have_opencvs_bits(old: Size, new: Size, white: bool) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*old, 3), dtype=np.uint8)
    if white:
        photo[:] = 255
    np.testing.assert_array_equal(resizing.resize_area_numpy(photo, *new), opencv(photo, new))


@pytest.mark.parametrize(("old", "new"), [((48, 980), (1, 20)), ((980, 98), (20, 1))])
def test_means_halfway_between_two_values_are_rounded_as_opencv_does(old: Size, new: Size) -> None:
    photo = np.zeros((*old, 3), np.uint8)
    for value in range(255):
        photo[::2], photo[1::2] = value, value + 1
        np.testing.assert_array_equal(resizing.resize_area_numpy(photo, *new), opencv(photo, new))


def test_parts_of_a_photo_are_resized_alike() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    cut = photo[7:67, 11:71]
    for size in ((24, 24), (30, 30), (70, 70)):
        expected = opencv(cut, size)
        np.testing.assert_array_equal(resizing.resize_area_numpy(cut, *size), expected)
        np.testing.assert_array_equal(resizing.resize_area(cut, *size), expected)


def test_without_opencv_numpy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    resizing._opencv.cache_clear()
    photo = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    try:
        resized = resizing.resize_area(photo, 24, 24)
    finally:
        resizing._opencv.cache_clear()
    np.testing.assert_array_equal(resized, opencv(photo, (24, 24)))
