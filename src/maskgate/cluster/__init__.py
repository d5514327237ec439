"""Work in parts that do not need each other: one after the other here, or all on a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def each(
    work: Callable[[T], R],
    items: Sequence[T],
    on: str | None = None,
    named: Callable[[T], str] | None = None,
) -> Iterator[tuple[int, R]]:
    """The number of each item and what `work` makes of it, as they end.

    `on` is None for this process, `ray` for a Ray cluster that is found or started here, or the
    address of one; `work` and `items` must then be picklable, and files lie where all nodes see
    them. `named` gives an item the name before the lines that its work says there. Work whose
    process or node is lost is done anew, so it must bear to be broken off anywhere. Raises what
    `work` raises, and MaskgateError where no cluster can be had or it keeps losing the work.
    """
    if on is None:
        for number, item in enumerate(items):
            yield number, work(item)
        return
    from maskgate.cluster import remote

    names = [f"part {number + 1}" for number in range(len(items))]
    if named is not None:
        names = [named(item) for item in items]
    yield from remote.each(work, items, on, names)


def check(on: str) -> None:
    """Raise MaskgateError, before any work, where Ray is missing or nobody answers at `on`."""
    from maskgate.cluster import ray_cluster

    ray_cluster.check(on)
