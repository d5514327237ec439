"""Judges the photos of all clients: a bounded queue, and threads that take several at once."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from maskgate.door.engine import Engine
from maskgate.door.server import request_errors
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.request_errors import RequestError
from maskgate.door.server.settings import Settings
from maskgate.door.verdict import Verdict
from maskgate.imaging import pixels
from maskgate.imaging.decoding import isolated, limits
from maskgate.imaging.pixels import PhotoError, Pixels

_STUCK: Final = 30.0  # seconds for one batch, after which the service is not healthy


@dataclass(frozen=True, eq=False)
class Judged:
    """A photo's size in pixels, to which the boxes of its verdicts refer."""

    width: int
    height: int
    verdicts: list[Verdict]


@dataclass(eq=False)
class _Job:
    take: Callable[[], bytes]
    answer: "asyncio.Future[Judged]"
    loop: asyncio.AbstractEventLoop
    queued: float  # time.perf_counter()


class Batcher:
    """Photos wait in one queue; each of `settings.workers` threads decodes what waits, up to a
    batch, and gives it to the engine. Nothing waits for a batch to fill.
    """

    def __init__(self, engine: Engine, settings: Settings, metrics: Metrics) -> None:
        self._engine, self._settings, self._metrics = engine, settings, metrics
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._started: dict[int, float] = {}  # when each thread's batch was started
        self._photo_time = 0.1  # seconds, a moving average
        metrics.queue.set_function(lambda: len(self._jobs))

    def start(self) -> None:
        """Start the threads, after the networks have run, so that no visitor waits for what is
        loaded late."""
        self._engine.warm_up()
        for number in range(self._settings.workers):
            thread = threading.Thread(target=self._work, args=[number], name=f"judge-{number}")
            thread.daemon = True
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Refuse new photos, judge those that wait, end the threads."""
        self.refuse()
        for thread in self._threads:
            thread.join(self._settings.stop_time)

    def refuse(self) -> None:
        """Refuse new photos from now on."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    @property
    def is_ready(self) -> bool:
        """Whether a photo would be judged now."""
        return self.is_healthy and bool(self._threads) and not self._stopping

    @property
    def is_healthy(self) -> bool:
        """Whether every thread is alive, and none has worked on one batch for very long."""
        now = time.monotonic()
        late = any(now - started > _STUCK for started in list(self._started.values()))
        alive = all(thread.is_alive() for thread in self._threads)
        return not late and (alive or self._stopping)

    async def judge(self, take: Callable[[], bytes]) -> Judged:
        """The verdicts on the photo whose bytes `take` returns when its turn comes; it is called
        once, in another thread. Raises RequestError."""
        loop = asyncio.get_running_loop()
        job = _Job(take, loop.create_future(), loop, time.perf_counter())
        with self._changed:
            if self._stopping:
                raise RequestError(
                    "stopping", "the service is stopping; repeat the request later", 5
                )
            if len(self._jobs) >= self._settings.queue:
                wait = self._photo_time * len(self._jobs) / self._settings.workers
                raise RequestError(
                    "busy", "too many photos are waiting; repeat the request later", wait
                )
            self._jobs.append(job)
            self._changed.notify()
        try:
            async with asyncio.timeout(self._settings.answer_time):
                return await job.answer
        except TimeoutError:
            raise RequestError(
                "too_slow", "no verdict in time; repeat the request later", 5
            ) from None
        finally:
            with self._changed:
                if job in self._jobs:
                    self._jobs.remove(job)

    def _work(self, number: int) -> None:
        while (job := self._next()) is not None:
            self._started[number] = time.monotonic()
            self._judge_batch(job)
            self._started.pop(number)

    def _next(self, wait: bool = True) -> _Job | None:
        """The next job; None when there is none and the service stops, or without waiting."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._jobs or self._stopping)
            return self._jobs.popleft() if self._jobs else None

    def _judge_batch(self, job: _Job | None) -> None:
        jobs: list[_Job] = []
        frames: list[Pixels] = []
        size, started = 0, time.perf_counter()
        while job is not None:
            frame = self._decoded(job)
            if frame is not None:
                jobs.append(job)
                frames.append(frame)
                size += frame.shape[0] * frame.shape[1]
            if len(jobs) >= self._settings.batch or size >= limits.LARGE:
                break
            job = self._next(wait=False)
        if not jobs:
            return
        begin = time.perf_counter()
        try:
            judged = self._engine.batch(frames)
        except Exception as error:
            self._metrics.log_failure(error)
            for each in jobs:
                _fail(each, RequestError("internal", "the model failed on this photo"))
            return
        end = time.perf_counter()
        self._photo_time += 0.1 * ((end - started) / len(jobs) - self._photo_time)
        self._metrics.batch.observe(len(jobs))
        self._metrics.stage("engine", (end - begin) / len(jobs))
        for each, frame, verdicts in zip(jobs, frames, judged, strict=True):
            self._metrics.stage("total", end - each.queued)
            height, width = frame.shape[:2]
            _answer(each, Judged(width, height, verdicts))

    def _decoded(self, job: _Job) -> Pixels | None:
        """The photo of a job; None where it has none, which the job's client learns."""
        if job.answer.cancelled():
            return None
        begin = time.perf_counter()
        self._metrics.stage("queue", begin - job.queued)
        try:
            frame = self._decode(job.take())
        except PhotoError as error:
            _fail(job, request_errors.of_photo(error))
        except RequestError as problem:
            _fail(job, problem)
        except Exception as error:
            self._metrics.log_failure(error)
            _fail(job, RequestError("internal", "the photo could not be decoded"))
        else:
            self._metrics.stage("decode", time.perf_counter() - begin)
            return frame
        return None

    def _decode(self, content: bytes) -> Pixels:
        """Raises PhotoError, and RequestError for photos that are too large, or of a format that
        only a process of its own may decode: that takes a file, and much longer."""
        if isolated.accepts(content):
            raise RequestError("unsupported", "send the photo as JPEG, PNG, WebP or BMP")
        _, width, height = pixels.header(content)
        if width * height > self._settings.max_pixels:
            raise RequestError(
                "too_many_pixels",
                f"the photo has {width}×{height} pixels, over {self._settings.max_pixels:,}",
            )
        return np.asarray(pixels.decode(content))


def _answer(job: _Job, judged: Judged) -> None:
    _in_loop(job, lambda: None if job.answer.done() else job.answer.set_result(judged))


def _fail(job: _Job, problem: RequestError) -> None:
    _in_loop(job, lambda: None if job.answer.done() else job.answer.set_exception(problem))


def _in_loop(job: _Job, call: Callable[[], None]) -> None:
    try:
        job.loop.call_soon_threadsafe(call)
    except RuntimeError:  # the service has stopped meanwhile
        return
