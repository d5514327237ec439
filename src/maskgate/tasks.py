"""Work in parts that do not need each other: one after the other here, or all on a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def each(
    work: Callable[[T], R], items: Sequence[T], on: str | None = None
) -> Iterator[tuple[int, R]]:
    """The number of each item and what `work` makes of it, as they end.

    `on` is None for this process, `ray` for a Ray cluster that is found or started here, or the
    address of one; `work` and `items` must then be picklable, and files lie where all nodes see
    them. Raises what `work` raises.
    """
    if on is not None:
        raise NotImplementedError
    for number, item in enumerate(items):
        yield number, work(item)
