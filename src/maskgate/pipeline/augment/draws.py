"""Uniform random numbers → the values that transforms need, for all photos of a batch at once."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Draws(NamedTuple):
    """The random numbers of N photos: `u` (N, count) float64, uniform in [0, 1), on the CPU, and
    the seed of each photo."""

    u: Tensor
    seeds: Sequence[int]

    def split(self, counts: Iterable[int]) -> "Iterator[Draws]":
        """The first numbers, as many as the first of `counts`, then the next, and so on."""
        start = 0
        for count in counts:
            yield Draws(self.u[:, start : start + count], self.seeds)
            start += count


def uniform(seeds: Sequence[int], count: int) -> Draws:
    """`count` random numbers from each seed."""
    generator = torch.Generator()
    numbers = torch.empty(len(seeds), count, dtype=torch.float64)
    for row, seed in zip(numbers, seeds, strict=True):
        row.uniform_(generator=generator.manual_seed(seed))
    return Draws(numbers, seeds)


def between(u: Tensor, low: float, high: float) -> Tensor:
    """Numbers between `low` and `high`, of u's shape."""
    return low + (high - low) * u


def integers(u: Tensor, count: Tensor | int) -> Tensor:
    """Whole numbers from 0 to `count` − 1, of u's shape."""
    return (u * count).long()


def low_and_high(name: str, values: Sequence[float], least: float) -> tuple[float, float]:
    """The two numbers of a range. Raises ValueError unless `least` ≤ low ≤ high."""
    low, high = values
    if not least <= low <= high:
        raise ValueError(f"{name} is {list(values)}; give two numbers from {least} on, in order")
    return low, high


def probability(p: float) -> float:
    """`p` itself. Raises ValueError unless it is a probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; a probability lies in [0.0, 1.0]")
    return float(p)
