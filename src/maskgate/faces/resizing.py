"""Photos at another size, each pixel the mean of the area that it covers."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels

_CHANNELS: Final = 3
_BITS: Final = 11  # of the weights between two pixels, which are whole numbers
_LEAST: Final = 1e-3  # of a pixel: a smaller part is left out
_BLOCK: Final = 1 << 17  # values of a photo that are worked on at once: these fit a core's cache
_SIZES: Final = 512  # pairs of lengths whose weights are kept

Indices = npt.NDArray[np.int64]
Whole = npt.NDArray[np.int32]
Weights = npt.NDArray[np.float32]


def by_area(photo: Pixels, height: int, width: int) -> Pixels:
    """The photo (H, W, 3) at `height` and `width`, as OpenCV's INTER_AREA resizes it.

    By OpenCV where it is installed, which takes less time, and else by `with_numpy`. On x86-64
    both give the same bits.
    """
    resize = _opencv()
    return with_numpy(photo, height, width) if resize is None else resize(photo, height, width)


def with_numpy(photo: Pixels, height: int, width: int) -> Pixels:
    """The same as `by_area`, without OpenCV.

    Where a side becomes longer, OpenCV does not take means of areas but goes linearly from one
    pixel to the next, with whole numbers for weights; so does this.
    """
    old_height, old_width = photo.shape[:2]
    if (old_height, old_width) == (height, width):
        return photo.copy()
    if height > old_height or width > old_width:
        return _linear(photo, height, width)
    down, across = _factor(old_height, height), _factor(old_width, width)
    if down and across:
        return _means(photo, down, across)
    return _weighted(photo, height, width)


@cache
def _opencv() -> Callable[[Pixels, int, int], Pixels] | None:
    """OpenCV's way, None where it is not installed."""
    try:
        import cv2
    except ImportError:
        return None

    def resize(photo: Pixels, height: int, width: int) -> Pixels:
        return cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]

    return resize


def _factor(old: int, new: int) -> int:
    """How many pixels of `old` become one of `new`; 0 where that is no whole number.

    By the same rounded division as OpenCV's, for which 49 to 1 is none.
    """
    scale = 1 / (new / old)
    return round(scale) if abs(scale - round(scale)) < np.finfo(np.float64).eps else 0


def _means(photo: Pixels, down: int, across: int) -> Pixels:
    """The means of rectangles of `down` × `across` pixels."""
    height, width = photo.shape[0] // down, photo.shape[1] // across
    kind: Any = np.uint16 if 255 * down * across < 1 << 16 else np.int32
    rows = photo[: height * down].reshape(height, down, -1)
    sums = rows[:, 0].astype(kind)
    for number in range(1, down):
        sums += rows[:, number]
    columns = sums.reshape(height, width, across, _CHANNELS)
    sums = np.empty((height, width, _CHANNELS), kind)
    for channel in range(_CHANNELS):  # each in turn: long loops in NumPy instead of short ones
        plane = columns[..., 0, channel].copy()
        for number in range(1, across):
            plane += columns[..., number, channel]
        sums[..., channel] = plane
    if down == across == 2:
        return ((sums + 2) >> 2).astype(np.uint8)
    means = sums.astype(np.float32) * np.float32(1 / (down * across))
    return np.rint(means).astype(np.uint8)


def _weighted(photo: Pixels, height: int, width: int) -> Pixels:
    """Means in which a pixel counts by the share of it that is covered: rows, then columns."""
    indices, weights = _covered(photo.shape[1], width, _CHANNELS)
    values = photo.reshape(len(photo), -1)
    narrow = np.empty((len(photo), width * _CHANNELS), np.float32)
    step = max(1, _BLOCK // values.shape[1])
    for start in range(0, len(photo), step):
        block = values[start : start + step].astype(np.float32)
        narrow[start : start + step] = _sum(block, indices, weights, 1)
    indices, weights = _covered(len(photo), height, 1)
    means = _sum(narrow, indices, weights[..., None], 0)
    return np.rint(means).astype(np.uint8).reshape(height, width, _CHANNELS)


def _sum(values: Weights, indices: Indices, weights: Weights, axis: int) -> Weights:
    """The sum of `values` at the `indices` (K, N) of an axis, each by its weight, in order of K."""
    total = values.take(indices[0], axis=axis)
    total *= weights[0]
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        part = values.take(index, axis=axis)
        part *= weight
        total += part
    return total


@lru_cache(_SIZES)
def _covered(old: int, new: int, channels: int) -> tuple[Indices, Weights]:
    """Which of `old` pixels each of `new` ones covers, and with what weight, (K, new × channels).

    K is the largest number that one covers; the others have zeros to fill up.
    """
    scale = 1 / (new / old)
    low = np.arange(new) * scale
    high = low + scale
    length = np.minimum(scale, old - low)
    last = np.minimum(np.floor(high).astype(np.int64), old - 1)
    first = np.minimum(np.ceil(low).astype(np.int64), last)
    before, after = first - low > _LEAST, high - last > _LEAST  # pixels that are covered in part
    start = first - before
    count = last - start + after
    number = np.arange(count.max())[:, None]
    weights = np.broadcast_to(1 / length, (len(number), new)).copy()
    weights[0, before] = ((first - low) / length)[before]
    at_end = np.flatnonzero(after)
    share = np.minimum(np.minimum(high - last, 1), length) / length
    weights[count[at_end] - 1, at_end] = share[at_end]
    there = number < count
    indices = np.where(there, start + number, 0)
    weights = np.where(there, weights, 0).astype(np.float32)
    flat = indices[..., None] * channels + np.arange(channels)
    return flat.reshape(len(number), -1), np.repeat(weights, channels, axis=1)


def _linear(photo: Pixels, height: int, width: int) -> Pixels:
    """Each pixel between two of a row, and between two of a column."""
    left, right, from_left, from_right = _between(photo.shape[1], width)
    rows = photo[:, left] * from_left[:, None] + photo[:, right] * from_right[:, None]
    rows >>= 4  # 16 bits each for the values and the weights, as vector instructions have them
    above, below, from_above, from_below = _between(photo.shape[0], height)
    sums = rows[above] * from_above[:, None, None] >> 16
    sums += rows[below] * from_below[:, None, None] >> 16
    return (sums + 2 >> 2).astype(np.uint8)


@lru_cache(_SIZES)
def _between(old: int, new: int) -> tuple[Indices, Indices, Whole, Whole]:
    """Of `new` pixels the two of `old` that each lies between, and their weights, (new,) each."""
    shrink = new / old
    place = np.arange(new)
    first = np.floor(place * (1 / shrink)).astype(np.int64)
    share = ((place + 1) - (first + 1) * shrink).astype(np.float32)
    share = np.where(share <= 0, np.float32(0), share - np.floor(share))
    one = np.float32(1 << _BITS)
    weights = (np.rint(each * one).astype(np.int32) for each in (np.float32(1) - share, share))
    return first, np.minimum(first + 1, old - 1), *weights
