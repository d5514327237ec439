"""Lays one picture onto another and tells where they agree.

Pictures are normalised by the contrast around each pixel, so that brightness, gain, gamma and
clipping hardly matter. Lucas–Kanade with an affine transform and robust weights (Black and Anandan
1996) goes from coarse to fine; what is covered, cut off or without contrast has no say.
"""

from functools import reduce
from typing import Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from maskgate.data.alignments import Matrices, corners, grid, places
from maskgate.imaging.pixels import Pixels

Values = npt.NDArray[np.float32]
Coarse = npt.NDArray[np.int8]
T = TypeVar("T", bound=np.generic)


class _Level(NamedTuple):
    """A step from coarse to fine."""

    factor: int  # that pictures are shrunk by
    window: int  # pixels, of the contrast
    worth: float  # correlation before any iteration, of pairs that are worth one
    iterations: int
    least: float  # correlation to go on, each pixel weighted by how well it fits
    # Correlation before any iteration to go on however pixels fit: clipping in one picture changes
    # the mean and the contrast around it, so that few fit although all correlate.
    sure: float = 1.0


_FIRST: Final = _Level(factor=4, window=5, worth=0.5, iterations=2, least=0.5, sure=0.66)
_LEVELS: Final = (
    _Level(factor=2, window=7, worth=0.7, iterations=3, least=0.45),
    _Level(factor=1, window=9, worth=0.5, iterations=4, least=0.45),
)
_NOISE: Final = 3.0  # grey levels: contrast below that is none
_FLAT: Final = 2  # grey levels: a square of 5 pixels with less range is a bar, a frame, or clipped
_OUTLIER: Final = 0.5  # difference of normalised values from which a pixel loses its weight
_WINDOW: Final = 9  # pixels: the side of a square in which pictures are to correlate
_AGREES: Final = 0.9
_LEAST: Final = 0.4  # share of a picture that must have contrast in both to agree wholly
_STEPS: Final = 32  # of a coarse value in int8, to ±3.9
_NO_CONTRAST: Final = -128  # a coarse pixel without contrast


def coarse(pictures: Pixels) -> Coarse:
    """What `near` needs of pictures (N, 64, 48): (N, 16, 12)."""
    values, weight = _normalised(pictures, _flat(pictures), _FIRST)
    steps = np.clip(np.round(values * _STEPS), -127, 127).astype(np.int8)
    return np.where(weight > 0, steps, np.int8(_NO_CONTRAST))


def near(first: Coarse, second: Coarse, start: Matrices) -> tuple[npt.NDArray[np.int64], Matrices]:
    """Which of N pairs may agree, (n,), and the matrices (n, 2, 3) that lay their second picture
    onto the first, looked for from `start` (N, 2, 3) on."""
    return _laid(_unpacked(first), _unpacked(second), start, _FIRST)


def agreement(first: Pixels, second: Pixels, start: Matrices) -> Values:
    """Share (N,), 0 to 1, of places at which `first` (N, 64, 48) agrees with `second`.

    Of places with contrast in both pictures, those around which they correlate above .9, `second`
    being laid onto `first` from the matrices `start` (N, 2, 3) on. 0 where they are too different
    to be laid onto each other.
    """
    share = np.zeros(len(first), dtype=np.float32)
    rows, moved = np.arange(len(first)), start.astype(np.float32)
    flat = [_flat(side) for side in (first, second)]
    for level in _LEVELS:
        a, b = (
            _normalised(side[rows], blank[rows], level)
            for side, blank in zip((first, second), flat, strict=True)
        )
        kept, moved = _laid(a, b, moved, level)
        rows = rows[kept]
    a, b = (
        _smoothed(side[rows], blank[rows])
        for side, blank in zip((first, second), flat, strict=True)
    )
    share[rows] = _agreeing(a, b, moved)
    return share


def shrink(pictures: Pixels, factor: int) -> Values:
    """Means (N, H / factor, W / factor) of the blocks of pictures (N, H, W)."""
    parts = range(factor)
    sums = reduce(np.add, [pictures[:, row::factor].astype(np.uint16) for row in parts])
    sums = reduce(np.add, [sums[:, :, column::factor] for column in parts])
    return sums.astype(np.float32) / np.float32(factor**2)


_Normalised = tuple[Values, Values]  # (N, h, w): values, and the weight of each


def _normalised(pictures: Pixels, flat: npt.NDArray[np.bool_], level: _Level) -> _Normalised:
    """The shrunk pictures less their mean in a window, by its contrast; 0 where flat."""
    valid = ~flat
    weight = shrink(valid.astype(np.uint8), level.factor)
    values = _divided(shrink(pictures * valid, level.factor), weight)
    weight = (weight > 0.5).astype(np.float32)
    around = _mean(weight, level.window)
    middle = _divided(_mean(values * weight, level.window), around)
    values = np.asarray((values - middle) * weight, dtype=np.float32)
    contrast = _divided(_mean(values**2, level.window), around)
    return _divided(values, np.sqrt(contrast + np.float32(_NOISE**2))), weight


def _divided(values: Values, weight: Values) -> Values:
    return np.asarray(values / np.maximum(weight, np.float32(1e-3)), dtype=np.float32)


def _unpacked(coarse: Coarse) -> _Normalised:
    valid = coarse != _NO_CONTRAST
    values = np.where(valid, coarse, 0).astype(np.float32)
    return _divided(values, np.full(1, _STEPS, dtype=np.float32)), valid.astype(np.float32)


def _flat(pictures: Pixels) -> npt.NDArray[np.bool_]:
    """Pixels (N, H, W) in a square of five pixels of one value."""
    alike = _extreme(pictures, np.maximum) - _extreme(pictures, np.minimum) <= _FLAT
    return _extreme(alike, np.logical_or)


def _extreme(pictures: npt.NDArray[T], of: np.ufunc) -> npt.NDArray[T]:
    """`of` all values in a square of five pixels around each. scipy's takes five times as long."""
    for axis in (1, 2):
        padding = [(0, 0)] * 3
        padding[axis] = (2, 2)
        wide = np.pad(pictures, padding, mode="edge")
        length = pictures.shape[axis]
        shifted = (np.moveaxis(wide, axis, 0)[at : at + length] for at in range(5))
        pictures = np.moveaxis(reduce(of, shifted), 0, axis)
    return pictures


def _mean(values: Values, window: int) -> Values:
    """Means in a square around each pixel (N, H, W)."""
    rows = uniform_filter1d(values, window, axis=1, mode="nearest")
    return np.asarray(uniform_filter1d(rows, window, axis=2, mode="nearest"))


def _laid(
    a: _Normalised, b: _Normalised, start: Matrices, level: _Level
) -> tuple[npt.NDArray[np.int64], Matrices]:
    """Which of the pairs correlate, and the matrices that lay b onto a."""
    before = _correlation(a, b, start)
    rows = np.flatnonzero(before > level.worth)
    a, b = ((values[rows], weight[rows]) for values, weight in (a, b))
    correlation, moved = _register(a, b, start[rows], level.iterations)
    keep = (correlation > level.least) | (before[rows] > level.sure)
    return rows[keep], moved[keep]


def _correlation(a: _Normalised, b: _Normalised, moved: Matrices) -> Values:
    (value, weight), inside = _sampled([*b], moved)
    target, valid = (side.reshape(value.shape) for side in a)
    weight = weight * inside * valid
    norm = (weight * target**2).sum(1) * (weight * value**2).sum(1)
    return np.asarray((weight * target * value).sum(1) / np.sqrt(norm + np.float32(1e-3)))


def _register(
    a: _Normalised, b: _Normalised, moved: Matrices, iterations: int
) -> tuple[Values, Matrices]:
    """Best correlation (N,) and the matrices (N, 2, 3) that give it: Gauss–Newton, reweighted."""
    count, height, width = a[0].shape
    y, x = grid((height, width))
    target, valid = (side.reshape(count, height * width) for side in a)
    down, right = np.gradient(b[0], axis=(1, 2))
    slopes = (down * np.float32(height), right * np.float32(width))
    pictures = [*b, *(np.asarray(slope, dtype=np.float32) for slope in slopes)]
    best, best_moved = np.full(count, -1, dtype=np.float32), moved.copy()
    for iteration in range(iterations + 1):
        (value, weight, slope_y, slope_x), inside = _sampled(pictures, moved)
        weight = weight * inside * valid
        rest = target - value
        robust = weight / (1 + (rest / np.float32(_OUTLIER)) ** 2)
        norm = (weight * target**2).sum(1) * (weight * value**2).sum(1)
        correlation = (robust * target * value).sum(1) / np.sqrt(norm + np.float32(1e-3))
        better = correlation > best
        best[better], best_moved[better] = correlation[better], moved[better]
        if iteration == iterations:
            break
        jacobian = np.stack([slope_y * y, slope_y * x, slope_y, slope_x * y, slope_x * x, slope_x])
        jacobian = jacobian.transpose(1, 0, 2)  # (N, 6, P)
        weighted = jacobian * robust[:, None]
        normal = weighted @ jacobian.transpose(0, 2, 1) + np.eye(6, dtype=np.float32) / 100
        step = np.linalg.solve(normal, weighted @ rest[:, :, None])[:, :, 0]
        moved = moved + step.reshape(moved.shape)
    return best, best_moved


def _agreeing(first: _Normalised, second: _Normalised, moved: Matrices) -> Values:
    """Share of the places with contrast in both pictures at which they correlate."""
    a, valid = first
    shape = a.shape[1:]
    sampled, inside = _sampled([*second], moved)
    b, weight = (each.reshape(a.shape) for each in sampled)
    weight = (valid * weight * inside.reshape(a.shape) > 0.5).astype(np.float32)
    around = _mean(weight, _WINDOW)

    def mean(values: Values) -> Values:
        return _divided(_mean(values * weight, _WINDOW), around)

    middle_a, middle_b = mean(a), mean(b)
    spread_a, spread_b = mean(a**2) - middle_a**2, mean(b**2) - middle_b**2
    product = mean(a * b) - middle_a * middle_b
    there = (around > 0.5) & (spread_a > _NOISE**2) & (spread_b > 2)
    good = there & (product > _AGREES * np.sqrt(np.maximum(spread_a * spread_b, 1e-3)))
    enough = _LEAST * shape[0] * shape[1]
    return np.asarray(good.sum((1, 2)) / np.maximum(there.sum((1, 2)), enough), dtype=np.float32)


def _smoothed(pictures: Pixels, flat: npt.NDArray[np.bool_]) -> _Normalised:
    valid = (~flat).astype(np.float32)
    weight = _mean(_mean(valid, 3), 3)
    return _divided(_mean(_mean(pictures * valid, 3), 3), weight), valid


def _sampled(pictures: list[Values], moved: Matrices) -> tuple[list[Values], Values]:
    """Values (N, P) of each of the pictures (N, H, W) where their pixels are moved to, and 1 where
    that is inside."""
    count, height, width = pictures[0].shape
    shape = (height, width)
    rows, columns = places(moved, shape, shape)
    inside = (rows > -0.5) & (rows < height - 0.5) & (columns > -0.5) & (columns < width - 0.5)
    at, weights = corners(rows, columns, shape)
    first = np.arange(count)[:, None] * (height * width)
    at = [first + place for place in at]
    values = []
    for picture in pictures:
        flat = picture.ravel()
        parts = [flat[place] * weight for place, weight in zip(at, weights, strict=True)]
        values.append(parts[0] + parts[1] + parts[2] + parts[3])
    return values, inside.astype(np.float32)
