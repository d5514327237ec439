"""Tasks on a Ray cluster; told of as if they ran here, and begun anew where they are lost."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from maskgate import __version__
from maskgate.cluster import ray_cluster
from maskgate.core import threads
from maskgate.errors import MaskgateError, of_disk

T = TypeVar("T")
R = TypeVar("R")

RETRIES: Final = 3  # of a task whose process or node is lost
_LOOK: Final = 0.1  # seconds between two looks at what has ended


@dataclass(frozen=True)
class Driver:
    """What a worker takes over from the process that gives it work."""

    folder: Path
    cores: int
    version: str = __version__

    @classmethod
    def here(cls, cores: int) -> "Driver":
        return cls(Path.cwd(), cores)

    def settle(self) -> None:
        """Work in the driver's folder, on the cores given. Raises MaskgateError where a node
        cannot."""
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
                " command in one that lies on storage of all nodes"
            ) from error
        threads.wait_politely()
        os.environ["OMP_NUM_THREADS"] = str(self.cores)
        if "torch" in sys.modules:  # by an earlier task of this process
            sys.modules["torch"].set_num_threads(self.cores)


def each(
    work: Callable[[T], R], items: Sequence[T], on: str, names: Sequence[str]
) -> Iterator[tuple[int, R]]:
    """As `tasks.each`; what is begun is given up when the caller stops listening."""
    if not items:
        return
    with ray_cluster.joined(on) as ray:
        share = ray_cluster.share(ray, len(items))
        driver = Driver.here(share.cores)
        task, asked = (
            ray.remote(_work),
            {
                "num_cpus": share.cores,
                "num_gpus": share.gpus,
                "max_retries": RETRIES,
                "scheduling_strategy": "SPREAD",
            },
        )
        waiting: dict[Any, int] = {}
        try:
            for number, item in enumerate(items):
                # In bytes: what they need is loaded once the worker has settled, not before.
                packed = ray.cloudpickle.dumps((work, item))
                begun = task.options(name=names[number], **asked).remote(packed, driver)
                waiting[begun] = number
            while waiting:
                ended, _ = ray.wait(list(waiting), timeout=0)
                for reference in ended:
                    number = waiting.pop(reference)
                    yield number, _result(ray, reference, names[number])
                if not ended:
                    time.sleep(_LOOK)  # here, not in Ray, which would swallow a Ctrl-C
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)


def _work(packed: bytes, driver: Driver) -> tuple[bool, Any]:
    """What the work gives, or the sentence of its MaskgateError, which is no reason to retry."""
    from ray import cloudpickle

    try:
        driver.settle()
        work, item = cloudpickle.loads(packed)
        return True, work(item)
    except MaskgateError as error:
        return False, str(error)
    except OSError as error:
        return False, str(of_disk(error, error.filename or "a file"))


def _result(ray: Any, reference: Any, name: str) -> Any:
    try:
        done, told = ray.get(reference)
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise MaskgateError(
            f"{name}: its worker was lost {RETRIES + 1} times ({why}); see that the nodes have"
            " memory to spare, and repeat the command"
        ) from error
    if not done:
        raise MaskgateError(told)
    return told
