"""Independent tasks: run one after the other in this process, or in parallel on a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster for tasks: `address` is its HOST:PORT, or `ray` for one that is found or
    started here. If it has GPUs, each task takes `gpus_per_task` of them: a share of one (tasks
    with 0.25 run four on a GPU), or a whole number."""

    address: str
    gpus_per_task: float = 1.0


def map_unordered(
    work: Callable[[T], R],
    items: Sequence[T],
    on: Cluster | None = None,
    name_of: Callable[[T], str] | None = None,
) -> Iterator[tuple[int, R]]:
    """The index of each item and `work(item)`, in the order in which they finish.

    `on` is None for this process; for a cluster, `work` and `items` must be picklable, and all
    nodes must see the files.
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


def check(address: str) -> None:
    """Raise MaskgateError if Ray is not installed or no cluster answers at the address."""
    from maskgate.cluster import ray_cluster

    ray_cluster.check(address)
