"""Tasks on a Ray cluster; their errors are raised here, and lost tasks are retried."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from maskgate import __version__
from maskgate.cluster import Cluster, ray_cluster
from maskgate.core import threads
from maskgate.errors import MaskgateError, disk_error

T = TypeVar("T")
R = TypeVar("R")

RETRIES: Final = 3  # of a task whose process or node was lost
_LOOK: Final = 0.1  # seconds between polls


@dataclass(frozen=True)
class Driver:
    """What a worker takes over from the process that submits its task."""

    folder: Path
    cores: int
    version: str = __version__

    @classmethod
    def current(cls, cores: int) -> "Driver":
        return cls(Path.cwd(), cores)

    def set_up(self) -> None:
        """Change to the driver's folder and use `cores` threads. Raises MaskgateError if this
        node cannot."""
        node = socket.gethostname()
        if self.version != __version__:
            raise MaskgateError(
                f"{node}: has maskgate {__version__}, but the command runs {self.version}; install"
                " the same on all nodes"
            )
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise MaskgateError(
                f"{self.folder}: {node} does not see this folder ({error.strerror}); start the"
                " command in a folder that all nodes share"
            ) from error
        threads.limit_spinning()
        os.environ["OMP_NUM_THREADS"] = str(self.cores)
        if "torch" in sys.modules:  # by an earlier task of this process
            sys.modules["torch"].set_num_threads(self.cores)


def map_unordered(
    work: Callable[[T], R], items: Sequence[T], on: Cluster, names: Sequence[str]
) -> Iterator[tuple[int, R]]:
    """As `cluster.map_unordered`; running tasks are cancelled when the caller stops iterating."""
    if not items:
        return
    with ray_cluster.joined(on.address) as ray:
        share = ray_cluster.share(ray, on.gpus_per_task, len(items))
        driver = Driver.current(share.cores)
        # A process that has used a GPU keeps it, with its memory: it takes no second task.
        task = ray.remote(
            num_cpus=share.cores,
            num_gpus=share.gpus,
            max_calls=1 if share.gpus else 0,
            max_retries=RETRIES,
            scheduling_strategy="SPREAD",
        )(_run_task)
        waiting: dict[Any, int] = {}
        try:
            for number, item in enumerate(items):
                # In bytes, so that the worker unpickles them only after its set-up.
                packed = ray.cloudpickle.dumps((work, item))
                task_id = task.options(name=names[number]).remote(packed, driver)
                waiting[task_id] = number
            while waiting:
                ended, _ = ray.wait(list(waiting), timeout=0)
                for task_id in ended:
                    number = waiting.pop(task_id)
                    yield number, _result(ray, task_id, names[number])
                if not ended:
                    time.sleep(_LOOK)  # here, not in Ray, which would swallow a Ctrl-C
        finally:
            for task_id in waiting:
                ray.cancel(task_id, force=True)


def _run_task(packed: bytes, driver: Driver) -> tuple[bool, Any]:
    """True and the result, or False and the message of a MaskgateError, which is not retried."""
    from ray import cloudpickle

    try:
        driver.set_up()
        work, item = cloudpickle.loads(packed)
        return True, work(item)
    except MaskgateError as error:
        return False, str(error)
    except OSError as error:
        return False, str(disk_error(error, error.filename or "a file"))


def _result(ray: Any, reference: Any, name: str) -> Any:
    try:
        is_done, outcome = ray.get(reference)
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise MaskgateError(
            f"{name}: its worker was lost {RETRIES + 1} times ({reason}); see that the nodes have"
            " memory to spare, and repeat the command"
        ) from error
    if not is_done:
        raise MaskgateError(outcome)
    return outcome
