"""Maps a function over many things in several processes, which end with their parent."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any, Final, TypeVar

import cv2

from maskgate.errors import MaskgateError

T = TypeVar("T")
R = TypeVar("R")
CHUNK: Final = 8  # things per job of a worker
_AHEAD: Final = 3  # chunks that are queued for each worker

_job: tuple[Callable[[Any, Any], Any], Any] | None = None  # of a worker


def map_in_processes(
    function: Callable[[Any, T], R], task: Any, things: Iterable[T], workers: int
) -> Generator[R, None, None]:
    """Yield `function(task, thing)` for all things in their order, which is iterated lazily.

    With more than one of `workers`, function, task and things must be picklable. Ctrl-C also ends
    the workers. Raises MaskgateError if one of them is killed.
    """
    if workers == 1:
        for thing in things:
            yield function(task, thing)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(function, task, os.getpid()),
    )
    pending: deque[Future[list[R]]] = deque()
    remaining = iter(things)
    try:
        while chunk := list(islice(remaining, CHUNK)):
            pending.append(pool.submit(_run_chunk, chunk))
            if len(pending) > _AHEAD * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except BrokenProcessPool as error:
        raise MaskgateError(
            "a drawing process was killed, perhaps for lack of memory; give fewer --workers and"
            " repeat the command to resume"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(function: Callable[[Any, Any], Any], task: Any, parent: int) -> None:
    """Set up a worker: one thread, Ctrl-C handled by the parent, and exit with the parent."""
    global _job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    _job = function, task


def _exit_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _run_chunk(things: list[Any]) -> list[Any]:
    assert _job is not None
    function, task = _job
    return [function(task, thing) for thing in things]
