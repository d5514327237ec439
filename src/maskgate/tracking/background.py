"""Calls of a tracker in a thread of its own, so that a slow or dead one never delays training."""

import re
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from maskgate.errors import escape_control, shorten_middle
from maskgate.tracking.protocol import TrackedRun, Tracker

Call = Callable[[Tracker], None]

_MOST_WAITING: Final = 10_000  # calls that are kept for a tracker that does not answer
_CREDENTIALS: Final = re.compile(r"//[^/\s]*@")  # in an address, before the host
_LONGEST_REASON: Final = 240  # characters of an exception in a message


class Background:
    """Makes calls of a tracker in order, in a thread.

    If one fails, it and those after it wait, and are tried again with the next call. `fault` is the
    reason why the last try failed, empty if it was successful. The thread does not keep the process
    alive.
    """

    def __init__(self, tracker: Tracker, run: TrackedRun) -> None:
        self.fault = ""
        self._tracker, self._run = tracker, run
        self._waiting: deque[Call] = deque()
        self._dropped = 0
        self._changed = threading.Condition()
        self._is_new = False  # whether there is something that has not been tried
        self._finished: bool | None = None  # how it is to be closed, once it is
        self._is_over = False
        threading.Thread(target=self._work, name="tracker", daemon=True).start()

    @property
    def missing(self) -> int:
        """The number of calls that have not been successful."""
        with self._changed:
            return len(self._waiting) + self._dropped

    def add(self, call: Call) -> None:
        """Have a call made after those that wait. Returns at once."""
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                self._dropped += 1
                return
            self._waiting.append(call)
            self._is_new = True
            self._changed.notify_all()

    def close(self, finished: bool, seconds: float) -> None:
        """Try the calls that wait once more and end the tracked run, for at most so many seconds;
        the training is `finished`, or has failed."""
        with self._changed:
            self._finished, self._is_new = finished, True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._is_over, seconds):
                self.fault = self.fault or f"no answer in {seconds:g} s"

    # ------------------------------------------------------------------------- the thread

    def _work(self) -> None:
        is_started = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_new)
                self._is_new, finished = False, self._finished
            try:
                while self._waiting:
                    if not is_started:
                        self._tracker.start(self._run)
                        is_started = True
                    self._waiting[0](self._tracker)
                    with self._changed:
                        self._waiting.popleft()
                if is_started and finished is not None:
                    self._tracker.close(finished)
                fault = ""
            except Exception as error:
                # What failed may be half done: started again, the tracker looks what it has.
                is_started, fault = False, _reason(error)
            with self._changed:
                self.fault = fault
                if finished is not None:
                    self._is_over = True
                    self._changed.notify_all()
                    return


def _reason(error: Exception) -> str:
    """The class of an exception and its first line; of one that a fault of the network or the disk
    caused, those of that fault."""
    origin: BaseException = error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and type(cause).__module__ == "builtins":
            origin = cause
        cause = cause.__cause__ or cause.__context__
    lines = str(origin).strip().splitlines()
    text = f"{type(origin).__name__}: {lines[0]}" if lines else type(origin).__name__
    text = _CREDENTIALS.sub("//", text)
    return escape_control(shorten_middle(text, _LONGEST_REASON, _LONGEST_REASON // 4))
