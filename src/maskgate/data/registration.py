"""Lays one picture onto another: Lucas–Kanade with a similarity transform, from coarse to fine."""

from functools import reduce
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate.pixels import Pixels

# Registration from coarse to fine: shrink by, iterations, correlation needed to go on.
_LEVELS: Final = ((4, 2, 0.85), (4, 3, 0.94), (2, 6, 0.96), (1, 20, 1.0))
_UNALIGNED: Final = 0.7  # correlation at the coarsest level before any registration


def similarity(first: Pixels, second: Pixels) -> npt.NDArray[np.float32]:
    """Correlation (N,) of `first` (N, 64, 48) with `second` shifted, turned and zoomed onto it.

    From coarse to fine; a pair below a level's threshold keeps that level's correlation.
    A picture without contrast correlates with nothing.
    """
    coarsest = _LEVELS[0][0]
    (a, a_norm), (b, b_norm) = (
        _centred(shrink(side, coarsest).reshape(len(side), -1)) for side in (first, second)
    )
    best = (a * b).sum(1) / (a_norm * b_norm)[:, 0]
    rows = np.flatnonzero(best > _UNALIGNED)
    moved = np.zeros((len(rows), 4), dtype=np.float32)
    for factor, iterations, threshold in _LEVELS:
        a, b = shrink(first[rows], factor), shrink(second[rows], factor)
        best[rows], moved = _register(a, b, moved * (1, 1, 1 / factor, 1 / factor), iterations)
        keep = best[rows] > threshold
        rows, moved = rows[keep], moved[keep] * (1, 1, factor, factor)
    return best


def shrink(pictures: Pixels, factor: int) -> npt.NDArray[np.float32]:
    """Means (N, H / factor, W / factor) of the blocks of pictures (N, H, W)."""
    parts = range(factor)
    sums = reduce(np.add, [pictures[:, row::factor].astype(np.uint16) for row in parts])
    sums = reduce(np.add, [sums[:, :, column::factor] for column in parts])
    return sums.astype(np.float32) / np.float32(factor**2)


def _register(
    first: npt.NDArray[np.float32],
    second: npt.NDArray[np.float32],
    moved: npt.NDArray[np.float32],
    iterations: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Best correlation (N,) and where it lies (N, 4): zoom, turn, shift down, shift right.

    Gauss–Newton over the inner four fifths of pictures (N, H, W); gain and offset of the
    brightness drop out.
    """
    count, height, width = first.shape
    inner = [slice(length // 10, length - length // 10) for length in (height, width)]
    middle = ((height - 1) / 2, (width - 1) / 2)
    rows, columns = (grid.ravel() for grid in np.mgrid[inner])
    y, x = (rows - middle[0]).astype(np.float32), (columns - middle[1]).astype(np.float32)
    target, contrast = _centred(first[:, rows, columns])
    target /= contrast
    slopes = np.gradient(second, axis=(1, 2))
    pictures = np.stack([second, *slopes], axis=-1).reshape(count, height * width, 3)
    limit = np.array([0.2, 0.2, height / 8, width / 8], dtype=np.float32)
    moved, best_moved = moved.astype(np.float32), moved.astype(np.float32)
    best = np.full(count, -1, dtype=np.float32)
    for _ in range(iterations):
        zoom, turn, down, right = (moved[:, [i]] for i in range(4))
        at_y = (1 + zoom) * y + turn * x + down + middle[0]
        at_x = (1 + zoom) * x - turn * y + right + middle[1]
        value, slope_y, slope_x = _bilinear(pictures, at_y, at_x, height, width)
        value, norm = _centred(value)
        correlation = (value * target).sum(1) / norm[:, 0]
        better = correlation > best
        best[better], best_moved[better] = correlation[better], moved[better]
        jacobian = np.stack(
            [slope_y * y + slope_x * x, slope_y * x - slope_x * y, slope_y, slope_x], axis=2
        )
        jacobian -= jacobian.mean(axis=1, keepdims=True)
        gain = (target * value).sum(1, keepdims=True)
        transposed = jacobian.transpose(0, 2, 1)
        normal = transposed @ jacobian + 1e-3 * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(normal, transposed @ (gain * target - value)[:, :, None])[:, :, 0]
        moved = np.clip(moved + step, -limit, limit)
    return np.where(contrast[:, 0] > 1, best, -1), best_moved


def _centred(
    values: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    values = values - values.mean(axis=1, keepdims=True)
    return values, np.linalg.norm(values, axis=1, keepdims=True) + np.float32(1e-6)


def _bilinear(
    pictures: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
    x: npt.NDArray[np.float32],
    height: int,
    width: int,
) -> tuple[npt.NDArray[np.float32], ...]:
    """Values of (N, H*W, C) pictures at the places (N, P), one array (N, P) a channel."""
    y, x = np.clip(y, 0, height - 1.001), np.clip(x, 0, width - 1.001)
    top, left = y.astype(np.int64), x.astype(np.int64)
    below, beside = (y - top)[:, :, None], (x - left)[:, :, None]
    base = np.arange(len(pictures))[:, None] * (height * width) + top * width + left
    flat = pictures.reshape(-1, pictures.shape[-1])
    upper = flat[base] * (1 - beside) + flat[base + 1] * beside
    lower = flat[base + width] * (1 - beside) + flat[base + width + 1] * beside
    mixed = upper * (1 - below) + lower * below
    return tuple(np.moveaxis(mixed, -1, 0))
