"""Uniform random numbers → the values that transforms need, for all photos of a batch at once."""

from collections.abc import Sequence

import torch
from torch import Tensor


def uniform(seeds: Sequence[int], count: int) -> Tensor:
    """`count` random numbers in [0, 1) from each seed: (N, count) float64, on the CPU."""
    generator = torch.Generator()
    numbers = torch.empty(len(seeds), count, dtype=torch.float64)
    for row, seed in zip(numbers, seeds, strict=True):
        row.uniform_(generator=generator.manual_seed(seed))
    return numbers


def split(u: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """The first columns of `u` (N, sum of the counts), as many as the first count, and so on."""
    return list(torch.split(u, list(counts), dim=1))


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
