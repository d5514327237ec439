"""A Ray cluster: joined if one runs, else started here, and left at the end."""

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from maskgate.core import extras
from maskgate.core.progress import say
from maskgate.errors import MaskgateError

ANY_CLUSTER: Final = "ray"  # a cluster that is found, or else started here

_PATIENCE: Final = 10.0  # seconds for an address to answer

# Ray reads these on import: print every line of a worker, without colours, and send no usage
# statistics. A value that the user has set is kept.
_SETTINGS: Final = {
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # avoids a warning
}


@dataclass(frozen=True)
class Share:
    """The resources of one task, and how many such tasks fit on the cluster."""

    cores: int
    gpus: float
    room: int


def check(on: str) -> None:
    """Raise MaskgateError if Ray is not installed, or if no cluster answers at the address."""
    _ray()
    _address(on)


@contextmanager
def joined(on: str) -> Iterator[Any]:
    """The module `ray`, connected to the cluster `on`; an earlier connection is kept.

    Raises MaskgateError if Ray is not installed or the cluster does not answer.
    """
    ray = _ray()
    if ray.is_initialized():
        yield ray
        return
    _connect(ray, on)
    try:
        yield ray
    finally:
        ray.shutdown()


def share(ray: Any, gpus_per_task: float, parts: int | None = None) -> Share:
    """The resources of each of `parts` tasks: `gpus_per_task` if the cluster has GPUs, and an equal
    share of the cores of the nodes that have room. If the number of tasks is unknown, it is one
    core, or with GPUs a core's share for each task that the GPUs have room for.

    OMP_NUM_THREADS sets the number of cores. Raises MaskgateError if the cluster has no cores, or
    no node as many GPUs.
    """
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_cores = [node for node in alive if int(node.get("CPU", 0))]
    if not with_cores:
        raise MaskgateError("the Ray cluster has no cores to work on; add a node, or wait for one")
    gpus = [int(node.get("GPU", 0)) for node in with_cores]
    has_gpus = any(gpus)
    cores_and_places = [
        (int(node["CPU"]), _tasks_on(count, gpus_per_task) if has_gpus else int(node["CPU"]))
        for node, count in zip(with_cores, gpus, strict=True)
    ]
    usable = [(cores, places) for cores, places in cores_and_places if places]
    if not usable:
        raise MaskgateError(
            f"--gpus-per-task {gpus_per_task:g}: no node of the Ray cluster has so many GPUs, at"
            f" most {max(gpus)}; give a lower number"
        )
    cores_of, places = zip(*usable, strict=True)
    threads = os.environ.get("OMP_NUM_THREADS", "")
    at_once = min(sum(places), parts or sum(cores_of))
    requested = int(threads) if re.fullmatch("[1-9][0-9]*", threads) else sum(cores_of) // at_once
    # A task that fits on no node would wait for ever.
    cores = max(1, min(requested, max(cores_of)))
    room = sum(min(count // cores, place) for count, place in zip(cores_of, places, strict=True))
    return Share(cores, gpus_per_task if has_gpus else 0, max(1, room))


def _tasks_on(gpus: int, gpus_per_task: float) -> int:
    """How many tasks fit on the GPUs of a node. Ray gives shares of one GPU, never of two."""
    if gpus_per_task >= 1:
        return gpus // int(gpus_per_task)
    return gpus * int(1 / gpus_per_task + 1e-6)


def _ray() -> Any:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise MaskgateError(
            f"work on a cluster needs Ray; install it with {extras.install('cluster')}, or"
            " leave --on out"
        ) from error
    return ray


def _connect(ray: Any, on: str) -> None:
    quietly = {"include_dashboard": False, "logging_level": logging.ERROR}
    address = _address(on)
    try:
        try:
            if address == "local":
                raise ConnectionError
            ray.init(address=address, **quietly)
        except ConnectionError:
            if address not in ("auto", "local"):
                raise
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
            ray.init(address="local", num_cpus=cores, **quietly)
            say("no Ray cluster runs here: one is started for this command")
    except Exception as error:  # Ray raises a bare Exception if a node starts too slowly
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise MaskgateError(
            f"{address}: no Ray cluster can be joined or started there ({reason}); start this"
            " command on one of its nodes, and give the HOST:PORT that `ray start --head` printed"
        ) from error


def _address(on: str) -> str:
    """The address for Ray: `auto`, `local`, or a host that answers. Raises MaskgateError."""
    address = os.environ.get("RAY_ADDRESS", "auto") if on == ANY_CLUSTER else on
    if address not in ("auto", "local"):
        _check_reachable(address)
    return address


def _check_reachable(address: str) -> None:
    """Raise MaskgateError if no host answers: at once, not after Ray's own timeout of minutes."""
    match = re.fullmatch(r"(?P<host>[^/\s]+):(?P<port>\d{1,5})", address)
    if match is None:
        raise MaskgateError(
            f"{address}: not the address of a Ray cluster; give HOST:PORT as `ray start --head`"
            " printed on one of the cluster's nodes, or ray"
        )
    try:
        host = match["host"].strip("[]")
        socket.create_connection((host, int(match["port"])), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise MaskgateError(
            f"{address}: no Ray cluster answers there ({error}); start one with `ray start --head`,"
            " or give --on ray for one on this machine"
        ) from error


def quieten() -> None:
    """Switch off Ray Data's progress bars and reports."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def fault_of(error: BaseException) -> BaseException:
    """The MaskgateError that Ray has wrapped, if there is one; else the error itself."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MaskgateError):
            return MaskgateError(str(cause))
        cause = getattr(cause, "cause", None) or cause.__cause__
    # Ray Data loses the cause between processes, but keeps its text.
    pattern = rf"\s*{re.escape(MaskgateError.__module__)}\.\w+: (.*)"  # or a subclass
    sentences = [match[1] for line in str(error).splitlines() if (match := re.match(pattern, line))]
    return MaskgateError(sentences[-1].strip()) if sentences else error
