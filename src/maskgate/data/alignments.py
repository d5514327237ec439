"""How one shot may lie in another: as a part of it, turned a little, mirrored, or on its side.

An alignment is a number, 8 × part + orientation. A place in a picture is (y, x) from its middle,
in heights and widths. A matrix (2, 3) tells where in the second picture a place of the first lies.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Matrices = npt.NDArray[np.float32]

ORIENTATIONS: Final = 8  # of the second picture: 1 is mirrored, 2 upside down, 4 transposed
_KEPT: Final = 0.875  # of height and width in a part: crops and frames of 4 to 16 percent are near
_TURN: Final = np.deg2rad(8.0)
_ASPECT: Final = 4 / 3  # height to width, of which a turn makes a shear


def _crop(down: int, right: int) -> npt.NDArray[np.float64]:
    """The part in a corner, or in the middle (0, 0)."""
    rest = (1 - _KEPT) / 2
    return np.array([[_KEPT, 0, down * rest], [0, _KEPT, right * rest]])


def _turned(angle: float) -> npt.NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, sin / _ASPECT, 0], [-sin * _ASPECT, cos, 0]])


# The first is the whole picture. Together they stay the same whatever way a photo is held.
PARTS: Final = np.stack(
    [
        np.eye(2, 3),
        *(_crop(down, right) for down in (-1, 1) for right in (-1, 1)),
        _crop(0, 0),
        _turned(_TURN),
        _turned(-_TURN),
    ]
).astype(np.float32)

# What orientation o does to places, (8, 2, 2): turn over left and right, up and down, swap them.
_OVER: Final = np.array(
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
        [np.flatnonzero((b @ a.T == _OVER).all(axis=(1, 2)))[0] for b in _OVER]
        for a in _OVER
    ],
    dtype=np.uint64,
)  # fmt: skip


def matrices(alignments: npt.NDArray[np.integer]) -> Matrices:
    """The matrices (N, 2, 3) of alignments (N,)."""
    part, orientation = np.divmod(alignments, ORIENTATIONS)
    turned = PARTS[part, :, :2] @ _OVER[orientation].astype(np.float32)
    return np.concatenate([turned, PARTS[part, :, 2:]], axis=2)


def places(
    matrices: Matrices, shape: tuple[int, int], of: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Where a picture's pixels lie in one of the shape `of`: rows and columns (N, P)."""
    y, x = grid(shape)
    row, column = (
        (side[:, :1] * y + side[:, 1:2] * x + side[:, 2:] + np.float32(0.5)) * length - 0.5
        for side, length in zip(np.moveaxis(matrices, 1, 0), of, strict=True)
    )
    return row, column


def grid(shape: tuple[int, int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The places (P,) of a picture's pixels: y and x."""
    y, x = ((np.arange(length, dtype=np.float32) + 0.5) / length - 0.5 for length in shape)
    return np.repeat(y, len(x)), np.tile(x, len(y))


def part(pictures: npt.NDArray[np.float32], number: int) -> npt.NDArray[np.float32]:
    """That part of pictures (N, H, W), at their size; beyond their edge is what is at it."""
    count, height, width = pictures.shape
    rows, columns = places(PARTS[[number]], (height, width), (height, width))
    flat, (places_, weights) = pictures.reshape(count, -1), corners(rows, columns, (height, width))
    mixed = sum(flat[:, at[0]] * weight for at, weight in zip(places_, weights, strict=True))
    return np.asarray(mixed, dtype=np.float32).reshape(pictures.shape)


def corners(
    rows: npt.NDArray[np.float32], columns: npt.NDArray[np.float32], shape: tuple[int, int]
) -> tuple[list[npt.NDArray[np.int64]], list[npt.NDArray[np.float32]]]:
    """The four pixels around places (N, P) of a picture of `shape`, as flat indices, and their
    weights in bilinear interpolation. Places beyond the edge are moved onto it."""
    rows = np.clip(rows, 0, shape[0] - 1.001)
    columns = np.clip(columns, 0, shape[1] - 1.001)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    below, beside = rows - top, columns - left
    base = top * shape[1] + left
    above, aside = 1 - below, 1 - beside
    at = [base, base + 1, base + shape[1], base + shape[1] + 1]
    return at, [above * aside, above * beside, below * aside, below * beside]
