"""What happens to training photos only: a recipe's `augment` list, by name.

Random numbers come from a seed given with each photo, so a photo drawn twice in an epoch
differs and a resumed run sees the same pixels.
"""

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from maskgate.errors import MaskgateError
from maskgate.pixels import Geometry, Pixels, centre
from maskgate.recipe import Named, lookup


def random_crop(geometry: Geometry) -> nn.Module:
    """A window of the input's size anywhere in the stored photo: shifts within the margin."""
    return v2.RandomCrop((geometry.height, geometry.width))


def _plain(transform: Callable[..., nn.Module], **defaults: Any) -> Callable[..., nn.Module]:
    """torchvision's own, whatever the geometry, with other `defaults` where those are better."""
    own = partial(transform, **defaults)

    def make(geometry: Geometry, **arguments: Any) -> nn.Module:
        return own(**arguments)

    return update_wrapper(make, own, (), ())  # its signature is the arguments a recipe can give


TRANSFORMS: Final[dict[str, Callable[..., nn.Module]]] = {
    "random_crop": random_crop,
    "horizontal_flip": _plain(v2.RandomHorizontalFlip),
    "affine": _plain(v2.RandomAffine, interpolation="bilinear"),
    "color_jitter": _plain(v2.ColorJitter),
    "random_erasing": _plain(v2.RandomErasing),
}


class Augment:
    """Stored pixels (H, W, 3) and a seed to the model's input (height, width, 3), uint8.

    Raises MaskgateError for an unknown transform or arguments it does not take.
    """

    def __init__(self, transforms: Sequence[Named], geometry: Geometry) -> None:
        self.geometry = geometry
        self.transforms: list[nn.Module] = []
        for named in transforms:
            make = lookup("transform", named.name, TRANSFORMS)
            try:
                self.transforms.append(make(geometry, **named.arguments))
            except (TypeError, ValueError) as error:
                told = str(error).rstrip(".")
                raise MaskgateError(f"augment {named.name}: {told}; see docs/recipe.md") from error

    def __call__(self, stored: Pixels, seed: int) -> Tensor:
        # What torch.manual_seed does, less the accelerators: those take longer than the photo.
        torch.default_generator.manual_seed(seed)
        photo = torch.from_numpy(stored).permute(2, 0, 1)
        for transform in self.transforms:
            photo = transform(photo)
        return centre(photo.permute(1, 2, 0), self.geometry)  # type: ignore[arg-type,return-value]
