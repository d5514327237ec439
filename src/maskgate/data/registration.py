"""Registers one picture onto another, and measures where they agree.

Pictures are normalised by the contrast around each pixel, so that brightness, gain, gamma and
clipping hardly matter. Lucas–Kanade with an affine transform and robust weights (Black and Anandan
1996) goes from coarse to fine; pixels that are covered, outside or without contrast are ignored.
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
    """A level of the image pyramid, coarse to fine; its thresholds are correlations."""

    factor: int  # by which pictures are shrunk
    window: int  # pixels: side of the square in which contrast is measured
    min_initial: float  # needed before the first iteration
    iterations: int
    min_final: float  # needed afterwards, with each pixel weighted by how well it fits
    # A higher initial correlation is enough, whatever the final one: clipping in one picture
    # changes the mean and the contrast around it, so few pixels fit although all correlate.
    sufficient_initial: float = 1.0


_FIRST: Final = _Level(
    factor=4, window=5, min_initial=0.5, iterations=2, min_final=0.5, sufficient_initial=0.66
)
_LEVELS: Final = (
    _Level(factor=2, window=7, min_initial=0.7, iterations=3, min_final=0.45),
    _Level(factor=1, window=9, min_initial=0.5, iterations=4, min_final=0.45),
)
_NOISE: Final = 3.0  # grey levels: lower contrast is treated as none
_FLAT: Final = 2  # grey levels: a square of 5 pixels with less range is a bar, a frame, or clipped
_OUTLIER: Final = 0.5  # difference of normalised values from which a pixel loses its weight
_WINDOW: Final = 9  # pixels: side of the square in which pictures must correlate
_AGREES: Final = 0.9
_MIN_CONTRAST: Final = 0.4  # share of pixels with contrast in both for an agreement of 1
_STEPS: Final = 32  # of a coarse value in int8, to ±3.9
_NO_CONTRAST: Final = -128  # a coarse pixel without contrast


def coarse(pictures: Pixels) -> Coarse:
    """The input of `similar_pairs` from pictures (N, 64, 48): (N, 16, 12)."""
    values, weight = _normalised(pictures, _flat(pictures), _FIRST)
    steps = np.clip(np.round(values * _STEPS), -127, 127).astype(np.int8)
    return np.where(weight > 0, steps, np.int8(_NO_CONTRAST))


def similar_pairs(
    first: Coarse, second: Coarse, start: Matrices
) -> tuple[npt.NDArray[np.int64], Matrices]:
    """Which of N pairs may agree, (n,), and the matrices (n, 2, 3) that register their second
    picture onto the first; the search starts from `start` (N, 2, 3)."""
    return _registered(_unpacked(first), _unpacked(second), start, _FIRST)


def agreement(first: Pixels, second: Pixels, start: Matrices) -> Values:
    """The share (N,), 0 to 1, of pixels at which `first` (N, 64, 48) agrees with `second`.

    Of the pixels with contrast in both pictures, the share around which they correlate above .9,
    after `second` is registered onto `first`, starting from the matrices `start` (N, 2, 3). It is 0
    if they are too different to be registered.
    """
    share = np.zeros(len(first), dtype=np.float32)
    rows, moved = np.arange(len(first)), start.astype(np.float32)
    flat = [_flat(side) for side in (first, second)]
    for level in _LEVELS:
        a, b = (
            _normalised(side[rows], blank[rows], level)
            for side, blank in zip((first, second), flat, strict=True)
        )
        kept, moved = _registered(a, b, moved, level)
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
    """The shrunk pictures minus the mean, divided by the contrast in a window; 0 where flat."""
    valid = ~flat
    weight = shrink(valid.astype(np.uint8), level.factor)
    values = _divided(shrink(pictures * valid, level.factor), weight)
    weight = (weight > 0.5).astype(np.float32)
    total_weight = _mean(weight, level.window)
    mean = _divided(_mean(values * weight, level.window), total_weight)
    values = np.asarray((values - mean) * weight, dtype=np.float32)
    contrast = _divided(_mean(values**2, level.window), total_weight)
    return _divided(values, np.sqrt(contrast + np.float32(_NOISE**2))), weight


def _divided(values: Values, weight: Values) -> Values:
    return np.asarray(values / np.maximum(weight, np.float32(1e-3)), dtype=np.float32)


def _unpacked(coarse: Coarse) -> _Normalised:
    valid = coarse != _NO_CONTRAST
    values = np.where(valid, coarse, 0).astype(np.float32)
    return _divided(values, np.full(1, _STEPS, dtype=np.float32)), valid.astype(np.float32)


def _flat(pictures: Pixels) -> npt.NDArray[np.bool_]:
    """Which pixels (N, H, W) are in a square of five pixels of nearly one value."""
    is_constant = _extreme(pictures, np.maximum) - _extreme(pictures, np.minimum) <= _FLAT
    return _extreme(is_constant, np.logical_or)


def _extreme(pictures: npt.NDArray[T], combine: np.ufunc) -> npt.NDArray[T]:
    """`combine` over a square of five pixels around each pixel; five times as fast as scipy."""
    for axis in (1, 2):
        padding = [(0, 0)] * 3
        padding[axis] = (2, 2)
        padded = np.pad(pictures, padding, mode="edge")
        length = pictures.shape[axis]
        shifted = (np.moveaxis(padded, axis, 0)[offset : offset + length] for offset in range(5))
        pictures = np.moveaxis(reduce(combine, shifted), 0, axis)
    return pictures


def _mean(values: Values, window: int) -> Values:
    """Means in a square around each pixel (N, H, W)."""
    rows = uniform_filter1d(values, window, axis=1, mode="nearest")
    return np.asarray(uniform_filter1d(rows, window, axis=2, mode="nearest"))


def _registered(
    a: _Normalised, b: _Normalised, start: Matrices, level: _Level
) -> tuple[npt.NDArray[np.int64], Matrices]:
    """Which of the pairs correlate, and the matrices that register b onto a."""
    initial = _correlation(a, b, start)
    rows = np.flatnonzero(initial > level.min_initial)
    a, b = ((values[rows], weight[rows]) for values, weight in (a, b))
    correlation, moved = _register(a, b, start[rows], level.iterations)
    keep = (correlation > level.min_final) | (initial[rows] > level.sufficient_initial)
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
    """The best correlation (N,) and its matrices (N, 2, 3), by reweighted Gauss–Newton."""
    count, height, width = a[0].shape
    y, x = grid((height, width))
    target, valid = (side.reshape(count, height * width) for side in a)
    gradient_y, gradient_x = np.gradient(b[0], axis=(1, 2))
    slopes = (gradient_y * np.float32(height), gradient_x * np.float32(width))
    pictures = [*b, *(np.asarray(slope, dtype=np.float32) for slope in slopes)]
    best, best_moved = np.full(count, -1, dtype=np.float32), moved.copy()
    for iteration in range(iterations + 1):
        (value, weight, slope_y, slope_x), inside = _sampled(pictures, moved)
        weight = weight * inside * valid
        residual = target - value
        robust = weight / (1 + (residual / np.float32(_OUTLIER)) ** 2)
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
        step = np.linalg.solve(normal, weighted @ residual[:, :, None])[:, :, 0]
        moved = moved + step.reshape(moved.shape)
    return best, best_moved


def _agreeing(first: _Normalised, second: _Normalised, moved: Matrices) -> Values:
    """The share of the pixels with contrast in both pictures at which they correlate."""
    a, valid = first
    shape = a.shape[1:]
    sampled, inside = _sampled([*second], moved)
    b, weight = (each.reshape(a.shape) for each in sampled)
    weight = (valid * weight * inside.reshape(a.shape) > 0.5).astype(np.float32)
    total_weight = _mean(weight, _WINDOW)

    def mean(values: Values) -> Values:
        return _divided(_mean(values * weight, _WINDOW), total_weight)

    middle_a, middle_b = mean(a), mean(b)
    spread_a, spread_b = mean(a**2) - middle_a**2, mean(b**2) - middle_b**2
    product = mean(a * b) - middle_a * middle_b
    has_contrast = (total_weight > 0.5) & (spread_a > _NOISE**2) & (spread_b > 2)
    agrees = has_contrast & (product > _AGREES * np.sqrt(np.maximum(spread_a * spread_b, 1e-3)))
    min_count = _MIN_CONTRAST * shape[0] * shape[1]
    return np.asarray(
        agrees.sum((1, 2)) / np.maximum(has_contrast.sum((1, 2)), min_count), dtype=np.float32
    )


def _smoothed(pictures: Pixels, flat: npt.NDArray[np.bool_]) -> _Normalised:
    valid = (~flat).astype(np.float32)
    weight = _mean(_mean(valid, 3), 3)
    return _divided(_mean(_mean(pictures * valid, 3), 3), weight), valid


def _sampled(pictures: list[Values], moved: Matrices) -> tuple[list[Values], Values]:
    """The values (N, P) of each of the pictures (N, H, W) at the moved pixels, and 1 where these
    are inside."""
    count, height, width = pictures[0].shape
    shape = (height, width)
    rows, columns = places(moved, shape, shape)
    inside = (rows > -0.5) & (rows < height - 0.5) & (columns > -0.5) & (columns < width - 0.5)
    indices, weights = corners(rows, columns, shape)
    first_index = np.arange(count)[:, None] * (height * width)
    indices = [first_index + index for index in indices]
    values = []
    for picture in pictures:
        flat = picture.ravel()
        parts = [flat[index] * weight for index, weight in zip(indices, weights, strict=True)]
        values.append(parts[0] + parts[1] + parts[2] + parts[3])
    return values, inside.astype(np.float32)
