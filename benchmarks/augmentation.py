"""How long the augmentation of a batch takes: maskgate's, torchvision's and kornia's.

    pip install kornia
    python benchmarks/augmentation.py [RECIPE] [--rounds 9] [--batches 20]

The same transforms with the same arguments, from 64 stored pictures (uint8) to the model's input
(uint8), at the size of a shipped recipe: first those of its geometry, then all of its transforms
that each of the three has. maskgate's run as its loader calls them, torchvision's one after the
other on one photo after the other, kornia's on the batch as float, with a draw for each photo.

Everything runs in one thread on the CPU, on random pixels; the ways take turns in each round.
Prints the milliseconds of processor time that a batch takes, and their ratio to maskgate's in the
same round: the median over the rounds, with the extremes.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from itertools import count
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from maskgate.config.recipe import find as find_recipe
from maskgate.config.recipe import load as load_recipe
from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.core.progress import say
from maskgate.core.seeding import derive
from maskgate.pipeline.transforms import Augment

try:
    from kornia import augmentation as kornia
except ImportError as error:
    raise SystemExit(f"error: {error}; install it with: pip install kornia") from error

BATCH: Final = 64
LIGHT: Final = ("affine", "random_crop", "horizontal_flip")
TORCHVISION: Final[dict[str, Callable[..., nn.Module]]] = {
    "affine": partial(v2.RandomAffine, interpolation="bilinear"),
    "random_crop": v2.RandomCrop,
    "horizontal_flip": v2.RandomHorizontalFlip,
    "color_jitter": v2.ColorJitter,
    "blur": lambda p=0.5, **settings: v2.RandomApply([v2.GaussianBlur(**settings)], p),
    "random_erasing": v2.RandomErasing,
}
KORNIA: Final[dict[str, Callable[..., nn.Module]]] = {
    "affine": partial(kornia.RandomAffine, p=1.0),
    "random_crop": kornia.RandomCrop,
    "horizontal_flip": kornia.RandomHorizontalFlip,
    "color_jitter": kornia.ColorJitter,
    "blur": kornia.RandomGaussianBlur,
    "random_erasing": kornia.RandomErasing,
}

Way = Callable[[Tensor], Tensor]  # stored pictures (N, H, W, 3) to inputs (N, height, width, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="face-backbone", help="a shipped recipe")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, default=20, help="batches of one measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load_recipe(find_recipe(arguments.recipe))
    geometry = recipe.photo.geometry
    heavy = [each for each in recipe.augment if each.name in TORCHVISION]
    light = [each for each in heavy if each.name in LIGHT]
    stored = torch.randint(0, 256, (BATCH, *geometry.stored, 3), dtype=torch.uint8)
    print(f"{arguments.recipe}, {geometry.height}×{geometry.width},", end=" ")
    print(", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "kornia")))
    for transforms in (light, heavy):
        ways = {
            "maskgate": maskgate(transforms, geometry),
            "torchvision, photo by photo": torchvision(transforms, geometry),
            "kornia, in batches": in_batches(transforms, geometry),
        }
        names = ", ".join(each.name for each in transforms)
        say(names)
        seconds = [
            measure(ways, stored, first=number, batches=arguments.batches)
            for number in range(arguments.rounds)
        ]
        print(f"\n| {names} | ms a batch | of maskgate's |\n|---|---|---|")
        for way in ways:
            times = [1000 * each[way] for each in seconds]
            ratios = [each[way] / each["maskgate"] for each in seconds]
            print(f"| {way} | {spread(times, 0)} | {spread(ratios, 2)} |", flush=True)


def maskgate(transforms: Sequence[Component], geometry: Geometry) -> Way:
    """As the loader calls them: each draw of a photo has its seed."""
    augment, numbers = Augment(transforms, geometry), count()
    return lambda stored: augment(stored, [derive(7, 0, 0, next(numbers)) for _ in stored])


def torchvision(transforms: Sequence[Component], geometry: Geometry) -> Way:
    modules = [TORCHVISION[each.name](**settings(each, geometry)) for each in transforms]
    chain = v2.Compose(modules)

    def augment(stored: Tensor) -> Tensor:
        photos = [chain(picture) for picture in stored.permute(0, 3, 1, 2)]
        return torch.stack(photos).permute(0, 2, 3, 1).contiguous()

    return augment


def in_batches(transforms: Sequence[Component], geometry: Geometry) -> Way:
    modules = [KORNIA[each.name](**settings(each, geometry)) for each in transforms]
    chain: Any = kornia.AugmentationSequential(*modules, same_on_batch=False)

    def augment(stored: Tensor) -> Tensor:
        floats = stored.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        photos: Tensor = chain(floats.div_(255)).mul(255).round_().clamp_(0, 255)
        return photos.permute(0, 2, 3, 1).to(torch.uint8, memory_format=torch.contiguous_format)

    return augment


def settings(transform: Component, geometry: Geometry) -> Mapping[str, Any]:
    if transform.name == "random_crop":
        return {"size": (geometry.height, geometry.width)}
    return transform.arguments


def measure(ways: dict[str, Way], stored: Tensor, *, first: int, batches: int) -> dict[str, float]:
    """The processor's seconds for a batch, by the way; round `first` begins with that way."""
    order = list(ways)
    start = first % len(order)
    seconds = {}
    for name in order[start:] + order[:start]:
        ways[name](stored)  # what is made on first use
        since = time.thread_time()
        for _ in range(batches):
            inputs = ways[name](stored)
        seconds[name] = (time.thread_time() - since) / batches
        assert inputs.dtype == torch.uint8 and inputs.is_contiguous(), name
    return seconds


def spread(values: Sequence[float], digits: int) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()
