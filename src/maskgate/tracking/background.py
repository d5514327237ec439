"""Calls of a tracker in a thread of its own, so that a slow or dead one never delays training."""

import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from maskgate.errors import escape_control, shorten_middle
from maskgate.tracking.protocol import TrackedRun, Tracker

Call = Callable[[Tracker], None]

TRIES: Final = 3  # of a call, before those after it are made
_MOST_WAITING: Final = 10_000  # calls that are kept for a tracker that does not answer
_CREDENTIALS: Final = re.compile(r"//[^/\s]*@")  # in an address, before the host
_LONGEST_REASON: Final = 240  # characters of an exception in a message


@dataclass(eq=False)
class _Waiting:
    """A call that has not been successful, and how often it failed though the tracker started."""

    call: Call
    tries: int = 0


class Background:
    """Makes calls of a tracker in order, in a thread.

    If one fails, it and those after it wait, and are tried again with the next call. One that has
    failed `TRIES` times while the tracker starts is passed over, and dropped if it fails once more
    after another call was successful. `fault` is the reason why the last try failed, empty if it
    was successful. The thread does not keep the process alive.
    """

    def __init__(self, tracker: Tracker, run: TrackedRun) -> None:
        self.fault = ""
        self._tracker, self._run = tracker, run
        self._waiting: list[_Waiting] = []
        self._dropped: Counter[str] = Counter()  # numbers of calls, by the reason
        self._changed = threading.Condition()
        self._is_new = False  # whether there is something that has not been tried
        self._finished: bool | None = None  # how it is to be closed, once it is
        self._is_over = False
        self._is_started = False
        self._has_any = False  # whether the tracker has the run
        threading.Thread(target=self._work, name="tracker", daemon=True).start()

    @property
    def missing(self) -> int:
        """The number of calls that have not been successful."""
        with self._changed:
            return len(self._waiting) + self._dropped.total()

    @property
    def incomplete(self) -> str:
        """Why the tracker has not got everything; empty if it has."""
        with self._changed:
            reasons = [self.fault] if self.fault else []
            if count := self._dropped.total():
                calls = "1 call was" if count == 1 else f"{count:,} calls were"
                reasons.append(f"{calls} dropped ({next(iter(self._dropped))})")
            return "; ".join(reasons)

    def add(self, call: Call) -> None:
        """Have a call made after those that wait. Returns at once."""
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                self._dropped[f"{_MOST_WAITING:,} others waited"] += 1
                return
            self._waiting.append(_Waiting(call))
            self._is_new = True
            self._changed.notify_all()

    def close(self, finished: bool, seconds: float) -> None:
        """Try the calls that wait again and end the tracked run, for at most so many seconds; the
        training is `finished`, or has failed."""
        with self._changed:
            self._finished, self._is_new = finished, True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._is_over, seconds):
                self.fault = self.fault or f"no answer in {seconds:g} s"

    # ------------------------------------------------------------------------- the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_new)
                self._is_new, finished = False, self._finished
            is_last = finished is not None
            fault = ""
            try:
                error = self._make_calls(is_last)
                if error is not None:
                    fault = _reason(error)
                if finished is not None and self._has_any:
                    self._start()
                    self._tracker.close(finished)
            except Exception as error:
                self._is_started, fault = False, fault or _reason(error)
            with self._changed:
                self.fault = fault
                if is_last:
                    self._is_over = True
                    self._changed.notify_all()
                    return

    def _make_calls(self, is_last: bool) -> Exception | None:
        """Make the calls that wait, in order; those that fail are left, and the error is that of
        the last try. Unless it `is_last`, one that fails is tried again another time. Raises any
        exception of the tracker's start."""
        place, error = 0, None
        while place < len(self._waiting):
            self._start()
            waiting = self._waiting[place]
            error = self._make(waiting)
            if error is None:
                self._drop(place)
                place = 0
            elif waiting.tries >= TRIES:
                place += 1  # whether the fault is this call's is seen by the others
            elif not is_last:
                break
        return error

    def _start(self) -> None:
        if not self._is_started:
            self._tracker.start(self._run)
            self._is_started = self._has_any = True

    def _make(self, waiting: _Waiting) -> Exception | None:
        """Make a call, which then waits no longer; its error, if it failed."""
        try:
            waiting.call(self._tracker)
        except Exception as error:
            # What failed may be half done: started again, the tracker looks what it has.
            self._is_started = False
            waiting.tries += 1
            return error
        with self._changed:
            self._waiting.remove(waiting)
        return None

    def _drop(self, count: int) -> None:
        """Try so many calls again that were passed over before another was successful, and drop
        those that fail."""
        for waiting in self._waiting[:count]:
            self._start()
            if (error := self._make(waiting)) is not None:
                with self._changed:
                    self._waiting.remove(waiting)
                    self._dropped[_reason(error)] += 1


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
