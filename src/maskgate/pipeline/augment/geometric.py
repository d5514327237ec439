"""Transforms of geometry. All that follow one another are one matrix per photo, and one resampling.

Places are in pixels from a picture's top left corner; the centre of the first pixel is at
(0.5, 0.5). A matrix (3, 3) maps a place (x, y, 1) in the result to the place in the picture before.
Whatever a window leaves out of the picture is still there for a rotation that directly follows it:
only what lies outside the picture before the first transform of a row is filled.

A transform has `random_count`, how many random numbers it takes of each photo; `resampling`, None
if it only moves whole pixels; `size`, from the height and width before to those of the result; and
`matrices` (N, 3, 3) float64.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from maskgate.pipeline.augment import draws
from maskgate.pipeline.augment.matrices import identity

Size = tuple[int, int]  # height and width in pixels


@dataclass(frozen=True)
class Resampling:
    """How a picture is read between its pixels, and beyond its border.

    `mode` is bilinear or nearest, `padding` zeros or reflection as in `torch.nn.functional.
    grid_sample`. With zeros, what lies outside has the colour `fill`, values 0–255.
    """

    mode: str = "bilinear"
    padding: str = "zeros"
    fill: tuple[float, ...] = (0.0, 0.0, 0.0)


class Window:
    """A window of `height` × `width` pixels anywhere in the picture; the middle if not `random`."""

    resampling = None

    def __init__(self, height: int, width: int, random: bool = True) -> None:
        self.height, self.width = height, width
        self.random_count = 2 if random else 0

    def size(self, _: Size) -> Size:
        return self.height, self.width

    def matrices(self, u: Tensor, before: Size) -> Tensor:
        room = (before[0] - self.height, before[1] - self.width)
        matrices = identity(len(u), 3)
        for axis in (0, 1):
            middle = torch.tensor(room[axis] // 2)
            start = draws.integers(u[:, axis], room[axis] + 1) if self.random_count else middle
            matrices[:, 1 - axis, 2] = start
        return matrices


class Flip:
    """Mirrors left and right with probability `p`."""

    resampling = None
    random_count = 1

    def __init__(self, p: float) -> None:
        self.p = draws.probability(p)

    def size(self, before: Size) -> Size:
        return before

    def matrices(self, u: Tensor, before: Size) -> Tensor:
        matrices, mirrored = identity(len(u), 3), u[:, 0] < self.p
        matrices[mirrored, 0, 0] = -1
        matrices[mirrored, 0, 2] = before[1]
        return matrices


class Affine:
    """Rotates, shifts, zooms and shears, with the arguments of torchvision's RandomAffine."""

    random_count = 6

    def __init__(self, settings: v2.RandomAffine) -> None:
        self.settings = settings
        mode = getattr(settings.interpolation, "value", settings.interpolation)
        if mode not in ("bilinear", "nearest"):
            raise ValueError(f"interpolation is {mode}; it is bilinear or nearest")
        fill = settings.fill if settings.fill is not None else 0
        colour = tuple(fill) if isinstance(fill, Sequence) else (fill,)
        if len(colour) not in (1, 3):
            raise ValueError(f"fill is {list(colour)}; give one number, or three")
        self.resampling = Resampling(
            mode, fill=tuple(map(float, colour * 3 if len(colour) == 1 else colour))
        )

    def size(self, before: Size) -> Size:
        return before

    def matrices(self, u: Tensor, before: Size) -> Tensor:
        settings, (height, width) = self.settings, before
        shear = [*(settings.shear or (0, 0)), 0, 0]
        across, down = settings.translate or (0, 0)
        centre = settings.center or (width / 2, height / 2)
        return _inverse_matrices(
            angle=draws.between(u[:, 0], *settings.degrees),
            zoom=draws.between(u[:, 1], *(settings.scale or (1, 1))),
            shear=(draws.between(u[:, 2], *shear[:2]), draws.between(u[:, 3], *shear[2:4])),
            shift=(
                draws.between(u[:, 4], -across * width, across * width).round(),
                draws.between(u[:, 5], -down * height, down * height).round(),
            ),
            centre=(float(centre[0]), float(centre[1])),
        )


class ShiftScaleRotate:
    """Shifts, zooms and rotates with probability `p`, as albumentations does."""

    random_count = 5
    resampling = Resampling(padding="reflection")

    def __init__(self, shift: float, scale: float, rotate: float, p: float) -> None:
        for name, limit in (("shift", shift), ("scale", scale), ("rotate", rotate)):
            if not limit >= 0:
                raise ValueError(f"{name} is {limit}, below 0")
        if scale >= 1:
            raise ValueError(f"scale is {scale}, not below 1")
        self.shift, self.scale, self.rotate = shift, scale, rotate
        self.p = draws.probability(p)

    def size(self, before: Size) -> Size:
        return before

    def matrices(self, u: Tensor, before: Size) -> Tensor:
        height, width = before
        none = torch.zeros(len(u), dtype=u.dtype)
        matrices = _inverse_matrices(
            angle=draws.between(u[:, 0], -self.rotate, self.rotate),
            zoom=draws.between(u[:, 1], 1 - self.scale, 1 + self.scale),
            shear=(none, none),
            shift=(
                draws.between(u[:, 2], -self.shift, self.shift) * width,
                draws.between(u[:, 3], -self.shift, self.shift) * height,
            ),
            centre=(width / 2, height / 2),
        )
        return torch.where((u[:, 4] < self.p)[:, None, None], matrices, identity(len(u), 3))


Geometric = Window | Flip | Affine | ShiftScaleRotate


def fusible(transforms: Sequence[Geometric]) -> list[list[Geometric]]:
    """The transforms in rows whose resampling is the same, or None."""
    rows: list[list[Geometric]] = [[]]
    resampling: Resampling | None = None
    for transform in transforms:
        if None not in (resampling, transform.resampling) and resampling != transform.resampling:
            rows.append([])
        resampling = transform.resampling or resampling
        rows[-1].append(transform)
    return rows


class Warp:
    """Geometric transforms of one resampling, as one: (N, 3, H, W) to (N, 3, height, width).

    Photos that are only moved by whole pixels stay uint8; others become float.
    """

    def __init__(self, transforms: Sequence[Geometric]) -> None:
        self.transforms = transforms
        self.random_count = sum(transform.random_count for transform in transforms)
        kinds = (each.resampling for each in transforms if each.resampling is not None)
        self.resampling = next(kinds, None)

    def __call__(self, photos: Tensor, u: Tensor) -> Tensor:
        height, width = photos.shape[2:]
        size: Size = (height, width)
        matrices = identity(len(photos), 3)
        parts = draws.split(u, [transform.random_count for transform in self.transforms])
        for transform, part in zip(self.transforms, parts, strict=True):
            matrices = matrices @ transform.matrices(part, size)
            size = transform.size(size)
        if self.resampling is None:
            return _moved(photos, matrices, size)
        return _resampled(photos, matrices, size, self.resampling)


# ------------------------------------------------------------------------------- the parts


def _inverse_matrices(
    *,
    angle: Tensor,
    zoom: Tensor,
    shear: tuple[Tensor, Tensor],
    shift: tuple[Tensor, Tensor],
    centre: tuple[float, float],
) -> Tensor:
    """The inverse of: shear, rotate and zoom about the `centre`, then shift; all (N,).

    Angles are in degrees, as torchvision counts them; shift and centre in pixels, x first.
    """
    rotation, across, down = (value * (math.pi / 180) for value in (angle, *shear))
    # The forward matrix without the zoom; its determinant is 1.
    a = (rotation - down).cos() / down.cos()
    b = -(rotation - down).cos() * across.tan() / down.cos() - rotation.sin()
    c = (rotation - down).sin() / down.cos()
    d = -(rotation - down).sin() * across.tan() / down.cos() + rotation.cos()
    matrices = identity(len(angle), 3)
    matrices[:, 0, 0], matrices[:, 0, 1] = d / zoom, -b / zoom
    matrices[:, 1, 0], matrices[:, 1, 1] = -c / zoom, a / zoom
    middle = torch.tensor(centre, dtype=angle.dtype)
    moved = middle + torch.stack(shift, dim=1)
    matrices[:, :2, 2] = middle - (matrices[:, :2, :2] @ moved[:, :, None])[:, :, 0]
    return matrices


def _moved(photos: Tensor, matrices: Tensor, size: Size) -> Tensor:
    """Windows of `size`, some of them mirrored: whole pixels are copied."""
    height, width = size
    result = photos.new_empty((len(photos), *size, 3)).permute(0, 3, 1, 2)
    for target, photo, matrix in zip(result, photos, matrices[:, :2].tolist(), strict=True):
        (direction, _, x), (_, _, y) = matrix
        left, top = int(x) - (width if direction < 0 else 0), int(y)
        window = photo[:, top : top + height, left : left + width]
        target.copy_(window.flip(2) if direction < 0 else window)
    return result


def _resampled(photos: Tensor, matrices: Tensor, size: Size, resampling: Resampling) -> Tensor:
    """The photos at the places that the matrices give, as float (N, 3, height, width)."""
    floats = photos.to(torch.float32, memory_format=torch.contiguous_format)
    fill = torch.tensor(resampling.fill).to(photos.device, non_blocking=True)[:, None, None]
    is_filled = resampling.padding == "zeros" and any(resampling.fill)
    sampled = functional.grid_sample(
        floats - fill if is_filled else floats,
        _grid(photos, matrices, size),
        mode=resampling.mode,
        padding_mode=resampling.padding,
        align_corners=False,
    )
    return sampled + fill if is_filled else sampled


def _grid(photos: Tensor, matrices: Tensor, size: Size) -> Tensor:
    """The place in its photo of every pixel of the results (N, height, width, 2), x first; the
    sides of a photo go from -1 to 1."""
    height, width = photos.shape[2:]
    scaled = matrices[:, :2].clone()
    scaled[:, 0] *= 2 / width
    scaled[:, 1] *= 2 / height
    scaled[:, :, 2] -= 1
    x, y = (torch.arange(side, dtype=scaled.dtype)[:, None] + 0.5 for side in (size[1], size[0]))
    columns = x * scaled[:, None, :, 0] + scaled[:, None, :, 2]
    rows = y * scaled[:, None, :, 1]
    columns, rows = (each.float().to(photos.device, non_blocking=True) for each in (columns, rows))
    return rows[:, :, None] + columns[:, None]
