"""One function over many things, in several processes that end with the first."""

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
CHUNK: Final = 8  # things that a worker takes at a time
_AHEAD: Final = 3  # chunks that lie ready for each worker

_job: tuple[Callable[[Any, Any], Any], Any] | None = None  # of a worker


def mapped(
    function: Callable[[Any, T], R], task: Any, things: Iterable[T], workers: int
) -> Generator[R, None, None]:
    """`function(task, thing)` of all things, in their order; the things are made as they are taken.

    With more than one of `workers` all three must be picklable. Ctrl-C ends the workers too.
    Raises MaskgateError where one of them is killed.
    """
    if workers == 1:
        for thing in things:
            yield function(task, thing)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),
        initializer=_begin,
        initargs=(function, task, os.getpid()),
    )
    waiting: deque[Future[list[R]]] = deque()
    left = iter(things)
    try:
        while chunk := list(islice(left, CHUNK)):
            waiting.append(pool.submit(_do, chunk))
            if len(waiting) > _AHEAD * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise MaskgateError(
            "a drawing process was killed, perhaps for want of memory; give fewer --workers and"
            " repeat the command to go on"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(function: Callable[[Any, Any], Any], task: Any, parent: int) -> None:
    """Of each worker: one thread, Ctrl-C left to the parent, no life without it."""
    global _job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    _job = function, task


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _do(things: list[Any]) -> list[Any]:
    assert _job is not None
    function, task = _job
    return [function(task, thing) for thing in things]
