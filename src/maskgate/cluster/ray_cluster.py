"""A Ray cluster: joined where one runs, else started here, and left again."""

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

HERE: Final = "ray"  # a cluster that is found, or else started here

_PATIENCE: Final = 10.0  # seconds for an address to answer

# Ray reads these as it is loaded. Every line of a worker is shown, as of a process of one's own,
# and nothing is sent to Ray's makers. A value that the user has set stays.
_SETTINGS: Final = {
    "RAY_DEDUP_LOGS": "0",
    "RAY_COLOR_PREFIX": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning that the default will change
}


@dataclass(frozen=True)
class Share:
    """What one task takes of the cluster, and how many such tasks it has room for."""

    cores: int
    gpus: int
    room: int


def check(on: str) -> None:
    """Raise MaskgateError where Ray is not installed, or where nobody answers at the address."""
    _ray()
    _address(on)


@contextmanager
def joined(on: str) -> Iterator[Any]:
    """The module `ray`, connected to the cluster that `on` names; one joined before stays joined.

    Raises MaskgateError where Ray is not installed or the cluster does not answer.
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


def share(ray: Any, parts: int | None = None) -> Share:
    """What each of `parts` tasks takes: a GPU where the cluster has any, and its share of cores;
    of tasks without number, one core.

    As many cores as OMP_NUM_THREADS tells, where it is set. Raises MaskgateError where the
    cluster has no cores.
    """
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = int(sum(node.get("GPU", 0) for node in alive))
    nodes = [int(node.get("CPU", 0)) for node in alive if not gpus or node.get("GPU")]
    if not sum(nodes):
        raise MaskgateError("the Ray cluster has no cores to work on; add a node, or wait for one")
    told = os.environ.get("OMP_NUM_THREADS", "")
    at_once = min(gpus or sum(nodes), parts or sum(nodes))
    wanted = int(told) if re.fullmatch("[1-9][0-9]*", told) else sum(nodes) // at_once
    cores = max(1, min(wanted, max(nodes)))  # what fits on no node would wait for ever
    room = sum(count // cores for count in nodes)
    return Share(cores, 1 if gpus else 0, max(1, min(room, gpus) if gpus else room))


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
    except Exception as error:  # Ray raises it bare where a node takes too long to start
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise MaskgateError(
            f"{address}: no Ray cluster can be joined or started there ({why}); start this command"
            " on one of its nodes, and give the HOST:PORT that `ray start --head` told"
        ) from error


def _address(on: str) -> str:
    """What Ray is to be told: `auto`, `local`, or a place that answers. Raises MaskgateError."""
    address = os.environ.get("RAY_ADDRESS", "auto") if on == HERE else on
    if address not in ("auto", "local"):
        _check_answers(address)
    return address


def _check_answers(address: str) -> None:
    """Raise MaskgateError, at once and not after Ray's own minutes, where nobody is there."""
    found = re.fullmatch(r"(?P<host>[^/\s]+):(?P<port>\d{1,5})", address)
    if found is None:
        raise MaskgateError(
            f"{address}: no address of a Ray cluster; give HOST:PORT as `ray start --head` told it,"
            " on one of the cluster's nodes, or ray"
        )
    try:
        host = found["host"].strip("[]")
        socket.create_connection((host, int(found["port"])), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise MaskgateError(
            f"{address}: no Ray cluster answers there ({error}); start one with `ray start --head`,"
            " or give --on ray for one on this machine"
        ) from error


def quieten() -> None:
    """Let Ray Data do its work without bars and reports of its own."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def fault_of(error: BaseException) -> BaseException:
    """The MaskgateError that Ray has wrapped, if it is one; else what it has wrapped it in."""
    within: BaseException | None = error
    while within is not None:
        if isinstance(within, MaskgateError):
            return MaskgateError(str(within))
        within = getattr(within, "cause", None) or within.__cause__
    # What Ray Data wraps loses its cause between the processes; its text is left.
    named = rf"\s*{re.escape(MaskgateError.__module__)}\.\w+: (.*)"  # it or a class below it
    sentences = [match[1] for line in str(error).splitlines() if (match := re.match(named, line))]
    return MaskgateError(sentences[-1].strip()) if sentences else error
