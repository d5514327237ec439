"""Options of commands that run on a Ray cluster: --on and --gpus-per-task."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from maskgate.cluster import Cluster

_SMALLEST: Final = 0.01  # share of a GPU
_MOST: Final = 1024  # GPUs


def _check_cluster(on: str | None) -> str | None:
    """Raise MaskgateError without a cluster, before a folder is created."""
    if on is not None:
        from maskgate import cluster

        cluster.check(on)
    return on


def _check_gpus(gpus: float | None) -> float | None:
    """Raise BadParameter for a number that Ray cannot give."""
    if gpus is None or _SMALLEST <= gpus <= 1 or (1 <= gpus <= _MOST and gpus.is_integer()):
        return gpus
    raise typer.BadParameter(
        f"{gpus:g} is neither a share of a GPU from {_SMALLEST} to 1 nor a whole number up to"
        f" {_MOST}"
    )


On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="CLUSTER",
        help="Run on a Ray cluster: ray, or its HOST:PORT.",
        callback=_check_cluster,
    ),
]
GpusPerTask = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-task",
        metavar="GPUS",
        help="With --on: GPUs per task, if the cluster has any; 0.25 runs four tasks on each GPU.",
        show_default="1",
        callback=_check_gpus,
    ),
]


def cluster_of(on: str | None, gpus_per_task: float | None) -> "Cluster | None":
    """The cluster to run on. Raises MaskgateError if GPUs are named without one."""
    if on is None:
        if gpus_per_task is not None:
            raise MaskgateError("--gpus-per-task needs --on; give both, or neither")
        return None
    from maskgate.cluster import Cluster

    return Cluster(on) if gpus_per_task is None else Cluster(on, gpus_per_task)
