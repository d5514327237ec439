"""How one picture may appear in another: cropped, slightly rotated, mirrored, or on its side.

An alignment is a number, 8 × part + orientation. A position in a picture is (y, x) from its middle,
in heights and widths. A matrix (2, 3) maps positions of the first picture to the second.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Matrices = npt.NDArray[np.float32]

ORIENTATIONS: Final = 8  # of the second picture: 1 is mirrored, 2 upside down, 4 transposed
_KEPT: Final = 0.875  # of height and width in a part: crops and frames of 4 to 16 percent are near
_ROTATION: Final = np.deg2rad(8.0)
_ASPECT: Final = 4 / 3  # height to width, of which a turn makes a shear


def _crop(vertical: int, horizontal: int) -> npt.NDArray[np.float64]:
    """The part in a corner, or in the middle (0, 0)."""
    offset = (1 - _KEPT) / 2
    return np.array([[_KEPT, 0, vertical * offset], [0, _KEPT, horizontal * offset]])


def _rotation(angle: float) -> npt.NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin / _ASPECT, 0], [-sin * _ASPECT, cos, 0]])


# The first is the full picture. The set of parts is the same for every orientation of a photo.
PARTS: Final = np.stack(
    [
        np.eye(2, 3),
        *(_crop(down, right) for down in (-1, 1) for right in (-1, 1)),
        _crop(0, 0),
        _rotation(_ROTATION),
        _rotation(-_ROTATION),
    ]
).astype(np.float32)

# What orientation o does to positions, (8, 2, 2): flip horizontally, flip vertically, transpose.
_FLIPS: Final = np.array(
    [
        np.array([[0, 1], [1, 0]] if o & 4 else [[1, 0], [0, 1]])
        @ np.diag([-1 if o & 2 else 1, -1 if o & 1 else 1])
        for o in range(ORIENTATIONS)
    ]
)
# RELATIVE[a, b]: the orientation of b's picture that looks like a's, where a's in orientation a
# looks like b's in orientation b.
RELATIVE: Final = np.array(
    [
        [np.flatnonzero((b @ a.T == _FLIPS).all(axis=(1, 2)))[0] for b in _FLIPS]
        for a in _FLIPS
    ],
    dtype=np.uint64,
)  # fmt: skip


def matrices(alignments: npt.NDArray[np.integer]) -> Matrices:
    """The matrices (N, 2, 3) of alignments (N,)."""
    part, orientation = np.divmod(alignments, ORIENTATIONS)
    turned = PARTS[part, :, :2] @ _FLIPS[orientation].astype(np.float32)
    return np.concatenate([turned, PARTS[part, :, 2:]], axis=2)


def places(
    matrices: Matrices, shape: tuple[int, int], target_shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The rows and columns (N, P) of a picture's pixels in a picture of the `target_shape`."""
    y, x = grid(shape)
    row, column = (
        (side[:, :1] * y + side[:, 1:2] * x + side[:, 2:] + np.float32(0.5)) * length - 0.5
        for side, length in zip(np.moveaxis(matrices, 1, 0), target_shape, strict=True)
    )
    return row, column


def grid(shape: tuple[int, int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The positions (P,) of a picture's pixels: y and x."""
    y, x = ((np.arange(length, dtype=np.float32) + 0.5) / length - 0.5 for length in shape)
    return np.repeat(y, len(x)), np.tile(x, len(y))


def part(pictures: npt.NDArray[np.float32], number: int) -> npt.NDArray[np.float32]:
    """That part of pictures (N, H, W), at their size; outside, the edge pixels are repeated."""
    count, height, width = pictures.shape
    rows, columns = places(PARTS[[number]], (height, width), (height, width))
    flat, (places_, weights) = pictures.reshape(count, -1), corners(rows, columns, (height, width))
    mixed = sum(flat[:, index[0]] * weight for index, weight in zip(places_, weights, strict=True))
    return np.asarray(mixed, dtype=np.float32).reshape(pictures.shape)


def corners(
    rows: npt.NDArray[np.float32], columns: npt.NDArray[np.float32], shape: tuple[int, int]
) -> tuple[list[npt.NDArray[np.int64]], list[npt.NDArray[np.float32]]]:
    """The four pixels around positions (N, P) in a picture of `shape`, as flat indices, and their
    weights in bilinear interpolation. Positions outside are moved to the edge."""
    rows = np.clip(rows, 0, shape[0] - 1.001)
    columns = np.clip(columns, 0, shape[1] - 1.001)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    bottom_weight, right_weight = rows - top, columns - left
    base = top * shape[1] + left
    top_weight, left_weight = 1 - bottom_weight, 1 - right_weight
    indices = [base, base + 1, base + shape[1], base + shape[1] + 1]
    return indices, [
        top_weight * left_weight,
        top_weight * right_weight,
        bottom_weight * left_weight,
        bottom_weight * right_weight,
    ]
