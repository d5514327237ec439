"""RandAugment for a batch: photos with the same operation are transformed together.

The operations and their strengths are torchvision's (31 bins, nearest neighbour, black borders).
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from maskgate.pipeline.augment import draws
from maskgate.pipeline.augment.filters import whole_values

Operation = Callable[[Tensor], Tensor]
_LARGEST: Final = 30  # magnitude


class RandAugment:
    """`num_ops` random operations of strength `magnitude`, from 0 to 30, on each photo."""

    def __init__(self, num_ops: int, magnitude: int) -> None:
        are_integers = all(type(number) is int for number in (num_ops, magnitude))
        if not (are_integers and 0 <= magnitude <= _LARGEST and 0 <= num_ops <= _LARGEST):
            raise ValueError(
                f"num_ops is {num_ops} and magnitude {magnitude}; they are whole, from 0, 0 to 30"
            )
        self.num_ops, self.magnitude = num_ops, magnitude
        self.random_count = 2 * num_ops

    def __call__(self, photos: Tensor, u: Tensor) -> Tensor:
        photos = whole_values(photos).to(torch.uint8, memory_format=torch.contiguous_format)
        operations = list(self.operations(photos.shape[2], photos.shape[3]).values())
        for number in range(self.num_ops):
            chosen = draws.integers(u[:, 2 * number], len(operations)).tolist()
            is_second = (u[:, 2 * number + 1] < 0.5).tolist()
            rows_of: dict[Operation, list[int]] = {}
            for row, (choice, second) in enumerate(zip(chosen, is_second, strict=True)):
                operation = operations[choice][-1 if second else 0]
                rows_of.setdefault(operation, []).append(row)
            for operation, rows in rows_of.items():
                index = torch.tensor(rows).to(photos.device, non_blocking=True)
                photos.index_copy_(0, index, operation(photos.index_select(0, index)))
        return photos

    def operations(self, height: int, width: int) -> dict[str, tuple[Operation, ...]]:
        """Each operation by name: one function, or one for each sign of the strength."""
        shear, turn, factor = (self._strength(largest) for largest in (0.3, 30.0, 0.9))
        across, down = (int(self._strength(150 / 331 * side)) for side in (width, height))
        signed: dict[str, Callable[[int], Operation]] = {
            "shear_x": lambda sign: _sheared(sign * shear, 0.0),
            "shear_y": lambda sign: _sheared(0.0, sign * shear),
            "translate_x": lambda sign: partial(_translate, across=sign * across, down=0),
            "translate_y": lambda sign: partial(_translate, across=0, down=sign * down),
            "rotate": lambda sign: partial(functional.rotate, angle=sign * turn),
            "brightness": lambda sign: _factor(functional.adjust_brightness, sign * factor),
            "color": lambda sign: _factor(functional.adjust_saturation, sign * factor),
            "contrast": lambda sign: _factor(functional.adjust_contrast, sign * factor),
            "sharpness": lambda sign: _factor(_adjust_sharpness, sign * factor),
        }
        bits = 8 - round(4 * self.magnitude / _LARGEST)
        threshold = 255 * float(torch.linspace(1, 0, _LARGEST + 1)[self.magnitude])
        return {
            "identity": (lambda photos: photos,),
            **{name: (make(1), make(-1)) for name, make in signed.items()},
            "posterize": (partial(functional.posterize, bits=bits),),
            "solarize": (partial(_solarize, threshold=math.ceil(threshold)),),
            "auto_contrast": (functional.autocontrast,),
            "equalize": (functional.equalize,),
        }

    def _strength(self, largest: float) -> float:
        """The magnitude's part of the largest strength, in torchvision's precision."""
        return float(torch.linspace(0.0, largest, _LARGEST + 1)[self.magnitude])


def _sheared(across: float, down: float) -> Operation:
    degrees = [math.degrees(math.atan(value)) for value in (across, down)]
    fixed = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "center": [0, 0]}
    return partial(functional.affine, shear=degrees, **fixed)


def _translate(photos: Tensor, across: int, down: int) -> Tensor:
    """Whole pixels are copied; torchvision would resample them."""
    height, width = photos.shape[2:]
    result = torch.zeros_like(photos)
    target = result[..., max(down, 0) : height + down, max(across, 0) : width + across]
    source = photos[..., max(-down, 0) : height - down, max(-across, 0) : width - across]
    target.copy_(source)
    return result


def _adjust_sharpness(photos: Tensor, factor: float) -> Tensor:
    """torchvision's, without its convolution, which is slow for few channels on a CPU."""
    if min(photos.shape[2:]) <= 2:
        return photos
    floats, integers = photos.float(), photos.short()
    inside = (..., slice(1, -1), slice(1, -1))
    rows = integers[..., :-2] + integers[..., 1:-1] + integers[..., 2:]
    # The kernel is 1 everywhere but 5 in the middle, divided by its sum.
    total = rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :] + 4 * integers[inside]
    blurred = floats.clone()
    blurred[inside] = (total / 13).round()
    return torch.lerp(blurred, floats, factor).clamp_(0, 255).to(torch.uint8)


def _solarize(photos: Tensor, threshold: int) -> Tensor:
    """torchvision's for a whole threshold, without `torch.where`, which is slow for uint8."""
    return photos ^ ((photos >= threshold).to(torch.uint8) * 255)


def _factor(adjust: Callable[[Tensor, float], Tensor], change: float) -> Operation:
    return lambda photos: adjust(photos, 1.0 + change)
