"""Independent tasks: run one after the other in this process, or in parallel on a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_unordered(
    work: Callable[[T], R],
    items: Sequence[T],
    on: str | None = None,
    name_of: Callable[[T], str] | None = None,
) -> Iterator[tuple[int, R]]:
    """The index of each item and `work(item)`, in the order in which they finish.

    `on` is None for this process, `ray` for a Ray cluster that is found or started here, or the
    address of one; `work` and `items` must then be picklable, and all nodes must see the files.
    `name_of` gives the name under which Ray prints an item's output. If a process or node is lost,
    its item is run again, so `work` must be safe to interrupt and repeat. Raises what `work`
    raises, and MaskgateError if there is no cluster or an item is lost too often.
    """
    if on is None:
        for number, item in enumerate(items):
            yield number, work(item)
        return
    from maskgate.cluster import remote

    names = [f"part {number + 1}" for number in range(len(items))]
    if name_of is not None:
        names = [name_of(item) for item in items]
    yield from remote.map_unordered(work, items, on, names)


def check(on: str) -> None:
    """Raise MaskgateError if Ray is not installed or no cluster answers at `on`."""
    from maskgate.cluster import ray_cluster

    ray_cluster.check(on)
