"""Resizes photos by area: each new pixel is the mean of the area that it covers."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels

_CHANNELS: Final = 3
_BITS: Final = 11  # of the integer weights of linear interpolation
_MIN_PART: Final = 1e-3  # of a pixel: smaller parts are ignored
_BLOCK: Final = 1 << 17  # values processed at once: they fit into a core's cache
_CACHE_SIZE: Final = 512  # pairs of lengths whose weights are cached

Indices = npt.NDArray[np.int64]
Integers = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float32]


def resize_area(photo: Pixels, height: int, width: int) -> Pixels:
    """The photo (H, W, 3) at `height` and `width`, as OpenCV's INTER_AREA resizes it.

    Uses OpenCV if it is installed, which is faster, else `resize_area_numpy`. On x86-64 both give
    the same bits.
    """
    resize = _opencv()
    return (
        resize_area_numpy(photo, height, width) if resize is None else resize(photo, height, width)
    )


def resize_area_numpy(photo: Pixels, height: int, width: int) -> Pixels:
    """The same as `resize_area`, without OpenCV.

    If a side becomes longer, OpenCV does not average areas but interpolates linearly between
    pixels, with integer weights; so does this function.
    """
    old_height, old_width = photo.shape[:2]
    if (old_height, old_width) == (height, width):
        return photo.copy()
    if height > old_height or width > old_width:
        return _linear(photo, height, width)
    factor_y, factor_x = _factor(old_height, height), _factor(old_width, width)
    if factor_y and factor_x:
        return _means(photo, factor_y, factor_x)
    return _weighted(photo, height, width)


@cache
def _opencv() -> Callable[[Pixels, int, int], Pixels] | None:
    """OpenCV's function, None if OpenCV is not installed."""
    try:
        import cv2
    except ImportError:
        return None

    def resize(photo: Pixels, height: int, width: int) -> Pixels:
        return cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]

    return resize


def _factor(old: int, new: int) -> int:
    """How many pixels of `old` become one of `new`; 0 if that is not a whole number.

    It rounds as OpenCV does, for which 49 to 1 is not a whole number.
    """
    scale = 1 / (new / old)
    return round(scale) if abs(scale - round(scale)) < np.finfo(np.float64).eps else 0


def _means(photo: Pixels, factor_y: int, factor_x: int) -> Pixels:
    """The means of rectangles of `factor_y` × `factor_x` pixels."""
    height, width = photo.shape[0] // factor_y, photo.shape[1] // factor_x
    kind: Any = np.uint16 if 255 * factor_y * factor_x < 1 << 16 else np.int32
    rows = photo[: height * factor_y].reshape(height, factor_y, -1)
    sums = rows[:, 0].astype(kind)
    for number in range(1, factor_y):
        sums += rows[:, number]
    columns = sums.reshape(height, width, factor_x, _CHANNELS)
    sums = np.empty((height, width, _CHANNELS), kind)
    for channel in range(_CHANNELS):  # one at a time: few long NumPy loops
        plane = columns[..., 0, channel].copy()
        for number in range(1, factor_x):
            plane += columns[..., number, channel]
        sums[..., channel] = plane
    if factor_y == factor_x == 2:
        return ((sums + 2) >> 2).astype(np.uint8)
    means = sums.astype(np.float32) * np.float32(1 / (factor_y * factor_x))
    return np.rint(means).astype(np.uint8)


def _weighted(photo: Pixels, height: int, width: int) -> Pixels:
    """Means in which each pixel is weighted by the share of it that is covered: first along rows,
    then along columns."""
    indices, weights = _coverage(photo.shape[1], width, _CHANNELS)
    values = photo.reshape(len(photo), -1)
    narrow = np.empty((len(photo), width * _CHANNELS), np.float32)
    step = max(1, _BLOCK // values.shape[1])
    for start in range(0, len(photo), step):
        block = values[start : start + step].astype(np.float32)
        narrow[start : start + step] = _sum(block, indices, weights, 1)
    indices, weights = _coverage(len(photo), height, 1)
    means = _sum(narrow, indices, weights[..., None], 0)
    return np.rint(means).astype(np.uint8).reshape(height, width, _CHANNELS)


def _sum(values: Weights, indices: Indices, weights: Weights, axis: int) -> Weights:
    """The weighted sum of `values` at the `indices` (K, N) of an axis, in the order of K."""
    total = values.take(indices[0], axis=axis)
    total *= weights[0]
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        part = values.take(index, axis=axis)
        part *= weight
        total += part
    return total


@lru_cache(_CACHE_SIZE)
def _coverage(old: int, new: int, channels: int) -> tuple[Indices, Weights]:
    """Which of `old` pixels each of `new` pixels covers, and the weights, (K, new × channels).

    K is the largest number of pixels that one covers; the others are padded with zeros.
    """
    scale = 1 / (new / old)
    low = np.arange(new) * scale
    high = low + scale
    length = np.minimum(scale, old - low)
    last = np.minimum(np.floor(high).astype(np.int64), old - 1)
    first = np.minimum(np.ceil(low).astype(np.int64), last)
    before, after = first - low > _MIN_PART, high - last > _MIN_PART  # pixels covered in part
    start = first - before
    count = last - start + after
    number = np.arange(count.max())[:, None]
    weights = np.broadcast_to(1 / length, (len(number), new)).copy()
    weights[0, before] = ((first - low) / length)[before]
    partly_covered = np.flatnonzero(after)
    share = np.minimum(np.minimum(high - last, 1), length) / length
    weights[count[partly_covered] - 1, partly_covered] = share[partly_covered]
    is_covered = number < count
    indices = np.where(is_covered, start + number, 0)
    weights = np.where(is_covered, weights, 0).astype(np.float32)
    flat = indices[..., None] * channels + np.arange(channels)
    return flat.reshape(len(number), -1), np.repeat(weights, channels, axis=1)


def _linear(photo: Pixels, height: int, width: int) -> Pixels:
    """Interpolates linearly between two pixels of a row, then between two of a column."""
    left, right, from_left, from_right = _neighbours(photo.shape[1], width)
    rows = photo[:, left] * from_left[:, None] + photo[:, right] * from_right[:, None]
    rows >>= 4  # values and weights have 16 bits each, as in OpenCV's vector instructions
    above, below, from_above, from_below = _neighbours(photo.shape[0], height)
    sums = rows[above] * from_above[:, None, None] >> 16
    sums += rows[below] * from_below[:, None, None] >> 16
    return (sums + 2 >> 2).astype(np.uint8)


@lru_cache(_CACHE_SIZE)
def _neighbours(old: int, new: int) -> tuple[Indices, Indices, Integers, Integers]:
    """The two `old` pixels between which each of `new` pixels lies, and their weights; (new,)
    each."""
    ratio = new / old
    positions = np.arange(new)
    first = np.floor(positions * (1 / ratio)).astype(np.int64)
    share = ((positions + 1) - (first + 1) * ratio).astype(np.float32)
    share = np.where(share <= 0, np.float32(0), share - np.floor(share))
    one = np.float32(1 << _BITS)
    weights = (np.rint(each * one).astype(np.int32) for each in (np.float32(1) - share, share))
    return first, np.minimum(first + 1, old - 1), *weights
