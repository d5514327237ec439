"""Rasterises a curved sheet: triangles are drawn from far to near."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.synthetic.masks.pose import Array

Map = npt.NDArray[np.float32]
_BITS: Final = 4  # of the fraction of a pixel coordinate


def rasterise(
    flat: Array, depth: Array, size: tuple[int, int]
) -> tuple[Map, Map, npt.NDArray[np.bool_]]:
    """The column and row of a grid, 0…1 (H, W) each, at each pixel, and where the grid is visible.

    `flat` (R, C, 2) are the grid's points in pixels, with columns to the right; `depth` (R, C)
    grows towards the camera. Triangles that face away are left out.
    """
    rows, columns = depth.shape
    place = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (place[i : rows - 1 + i, j : columns - 1 + j].ravel() for i, j in np.ndindex(2, 2))
    corners = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    xy = flat.reshape(-1, 2)[corners]
    one, two = xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0]
    area = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    order = np.argsort(depth.ravel()[corners].mean(1), kind="stable")
    order = order[area[order] > 1e-3]
    corners, xy, one, two, area = corners[order], xy[order], one[order], two[order], area[order]
    uv = np.stack([corners % columns / (columns - 1), corners // columns / (rows - 1)], -1)
    # uv = uv0 + M (pixel - xy0), with M = [uv1 - uv0, uv2 - uv0] [one, two]^-1
    inverse = np.stack([two[:, 1], -two[:, 0], -one[:, 1], one[:, 0]], 1).reshape(-1, 2, 2)
    inverse /= area[:, None, None]
    matrix = (uv[:, 1:] - uv[:, :1]).transpose(0, 2, 1) @ inverse
    offset = uv[:, 0] - np.einsum("nij,nj->ni", matrix, xy[:, 0])
    table = np.concatenate([np.zeros((1, 6)), np.hstack([matrix.reshape(-1, 4), offset])])
    triangle_numbers = np.zeros(size, dtype=np.int32)
    triangles = np.round(np.clip(xy, -30_000, 30_000) * (1 << _BITS)).astype(np.int32)
    for number, triangle in enumerate(triangles, 1):
        cv2.fillConvexPoly(triangle_numbers, triangle, number, cv2.LINE_8, _BITS)
    xs = np.arange(size[1], dtype=np.float32)
    ys = np.arange(size[0], dtype=np.float32)[:, None]
    ux, uy, vx, vy, u0, v0 = (
        column.take(triangle_numbers) for column in table.astype(np.float32).T.copy()
    )
    u = ux * xs + uy * ys + u0
    v = vx * xs + vy * ys + v0
    return u, v, triangle_numbers > 0


def apply_texture(texture: npt.NDArray[np.uint8], u: Map, v: Map) -> npt.NDArray[np.uint8]:
    """The texture (h, w, C) at the pixels (H, W, C)."""
    height, width = texture.shape[:2]
    columns, rows = u * np.float32(width - 1), v * np.float32(height - 1)
    laid = cv2.remap(texture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(laid, np.uint8)
