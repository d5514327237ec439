"""Which point of a curved sheet each pixel shows: triangles drawn far to near."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from maskgate.synthetic.masks.pose import Array

Map = npt.NDArray[np.float32]
_BITS: Final = 4  # of a pixel's fraction


def sheet(
    flat: Array, depth: Array, size: tuple[int, int]
) -> tuple[Map, Map, npt.NDArray[np.bool_]]:
    """Column and row of a grid, 0…1 (H, W) each, shown at each pixel, and where it shows at all.

    `flat` (R, C, 2) are the grid's points in pixels, `depth` (R, C) grows towards the camera;
    columns go to the right. What shows its back is left out.
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
    shown = np.zeros(size, dtype=np.int32)
    drawn = np.round(np.clip(xy, -30_000, 30_000) * (1 << _BITS)).astype(np.int32)
    for number, triangle in enumerate(drawn, 1):
        cv2.fillConvexPoly(shown, triangle, number, cv2.LINE_8, _BITS)
    across = np.arange(size[1], dtype=np.float32)
    down = np.arange(size[0], dtype=np.float32)[:, None]
    ux, uy, vx, vy, u0, v0 = (column.take(shown) for column in table.astype(np.float32).T.copy())
    u = ux * across + uy * down + u0
    v = vx * across + vy * down + v0
    return u, v, shown > 0


def lay(texture: npt.NDArray[np.uint8], u: Map, v: Map) -> npt.NDArray[np.uint8]:
    """The texture (h, w, C) as the pixels (H, W, C) show it."""
    height, width = texture.shape[:2]
    across, down = u * np.float32(width - 1), v * np.float32(height - 1)
    laid = cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(laid, np.uint8)
