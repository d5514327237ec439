"""A tracker that fails or hangs never stops the caller."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from maskgate.tracking.background import TRIES, Background
from maskgate.tracking.protocol import EpochMetrics, Outcome, TrackedRun

OUTCOME = Outcome({}, {}, None, {})
RUN = TrackedRun("id", "name", Path("run"), {}, "", folds=1, epochs=3, tags={})


class Recorder:
    """A tracker that notes its calls, fails once at those listed in `fail`, and always at those
    `refused`."""

    def __init__(self, *fail: str, refused: Sequence[str] = ()) -> None:
        self.calls: list[str] = []
        self.fail, self.refused = list(fail), refused

    def _note(self, call: str) -> None:
        if call in self.refused:
            raise ValueError(f"{call} is refused")
        if call in self.fail:
            self.fail.remove(call)
            raise ConnectionError(f"no {call}")
        self.calls.append(call)

    def start(self, run: TrackedRun) -> None:
        self._note("start")

    def log_epoch(self, metrics: EpochMetrics) -> None:
        self._note(f"epoch {metrics.epoch}")

    def log_outcome(self, outcome: Outcome) -> None:
        self._note("outcome")

    def close(self, finished: bool) -> None:
        self._note("finished" if finished else "failed")


def log(background: Background, *epochs: int) -> None:
    for epoch in epochs:
        metrics = EpochMetrics(0, epoch, {})
        background.add(lambda tracker, metrics=metrics: tracker.log_epoch(metrics))  # type: ignore[misc]


def test_calls_are_made_in_order() -> None:
    tracker = Recorder()
    background = Background(tracker, RUN)
    log(background, 1, 2, 3)
    background.close(finished=True, seconds=5)
    assert tracker.calls == ["start", "epoch 1", "epoch 2", "epoch 3", "finished"]
    assert (background.fault, background.missing) == ("", 0)


def test_what_failed_is_tried_again_after_a_new_start() -> None:
    tracker = Recorder("start", "epoch 1")
    background = Background(tracker, RUN)
    log(background, 1)
    wait_for(lambda: "ConnectionError: no start" in background.fault)
    log(background, 2)
    wait_for(lambda: "ConnectionError: no epoch 1" in background.fault)
    assert background.missing == 2
    log(background, 3)
    background.close(finished=True, seconds=5)
    assert tracker.calls == ["start", "start", "epoch 1", "epoch 2", "epoch 3", "finished"]
    assert background.fault == ""


@pytest.mark.parametrize("refused", [("epoch 1",), ("epoch 2", "epoch 4"), ("outcome",)])
def test_a_call_that_always_fails_is_dropped_and_counted(refused: tuple[str, ...]) -> None:
    tracker = Recorder(refused=refused)
    background = Background(tracker, RUN)
    for epoch in range(1, 6):
        log(background, epoch)
    background.add(lambda tracker: tracker.log_outcome(OUTCOME))
    log(background, 6)
    background.close(finished=True, seconds=5)
    calls = [*(f"epoch {epoch}" for epoch in range(1, 6)), "outcome", "epoch 6", "finished"]
    delivered = [call for call in tracker.calls if call != "start"]
    assert delivered == [call for call in calls if call not in refused]
    assert (background.fault, background.missing) == ("", len(refused))
    count = "1 call was" if len(refused) == 1 else "2 calls were"
    assert background.incomplete == f"{count} dropped (ValueError: {refused[0]} is refused)"


def test_later_calls_arrive_during_the_training() -> None:
    tracker = Recorder(refused=["epoch 1"])
    background = Background(tracker, RUN)
    log(background, 1)
    for epoch in range(2, TRIES + 1):
        wait_for(lambda: background.fault)
        background.fault = ""
        log(background, epoch)
    wait_for(lambda: tracker.calls[-1] == f"epoch {TRIES}")
    background.close(finished=True, seconds=5)


def test_a_last_call_that_always_fails_does_not_keep_the_run_open() -> None:
    tracker = Recorder(refused=["outcome"])
    background = Background(tracker, RUN)
    background.add(lambda tracker: tracker.log_outcome(OUTCOME))
    background.close(finished=True, seconds=5)
    assert set(tracker.calls) == {"start", "finished"}
    assert background.incomplete == "ValueError: outcome is refused"


@pytest.mark.parametrize("is_start", [True, False])
def test_a_tracker_that_is_down_for_long_gets_everything_in_order(is_start: bool) -> None:
    every = [f"epoch {epoch}" for epoch in range(1, 21)]
    tracker = Recorder(refused=["start"] if is_start else every)
    background = Background(tracker, RUN)
    for epoch in range(1, 20):
        background.fault = ""
        log(background, epoch)
        wait_for(lambda: background.fault)
    tracker.refused = ()
    log(background, 20)
    background.close(finished=True, seconds=5)
    assert [call for call in tracker.calls if call != "start"] == [*every, "finished"]
    assert (background.incomplete, background.missing) == ("", 0)


def test_one_that_hangs_is_given_up() -> None:
    class Hanging(Recorder):
        def log_epoch(self, metrics: EpochMetrics) -> None:
            threading.Event().wait(60)

    background = Background(Hanging(), RUN)
    began = time.monotonic()
    log(background, 1, 2)
    assert time.monotonic() - began < 0.2
    background.close(finished=False, seconds=0.2)
    assert time.monotonic() - began < 2
    assert background.fault == "no answer in 0.2 s"
    assert background.missing == 2


def test_the_reason_is_the_fault_of_the_network() -> None:
    class Wrapping(Recorder):
        def start(self, run: TrackedRun) -> None:
            try:
                raise ConnectionRefusedError(111, "Connection refused")
            except OSError:
                raise RuntimeError("a page of text") from None

    background = Background(Wrapping(), RUN)
    log(background, 1)
    background.close(finished=True, seconds=5)
    assert background.fault == "ConnectionRefusedError: [Errno 111] Connection refused"


def test_no_password_of_an_address_is_in_the_reason() -> None:
    class Failing(Recorder):
        def start(self, run: TrackedRun) -> None:
            raise RuntimeError("API request to http://user:secret@host/api/2.0 failed")

    background = Background(Failing(), RUN)
    log(background, 1)
    background.close(finished=True, seconds=5)
    assert background.fault == "RuntimeError: API request to http://host/api/2.0 failed"


def test_few_calls_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskgate.tracking.background._MOST_WAITING", 2)
    background = Background(Recorder(*["start"] * 100), RUN)
    log(background, 1, 2, 3, 4)
    assert background.missing == 4
    background.close(finished=True, seconds=5)
    assert "no start" in background.fault
    assert background.incomplete.endswith("; 2 calls were dropped (2 others waited)")


def wait_for(condition: object, seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.01)
