"""When a checkpoint is due: by the clock in one process, and by the main one's in several."""

import math
from typing import Any

import pytest

from maskgate.training import checkpoint


class Clock:
    """A clock that its test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Processes:
    """Two processes, of which this is the main one."""

    num_processes, device = 2, "cpu"


class Alone:
    num_processes, device = 1, "cpu"


def due(timer: checkpoint.Timer, clock: Clock, paces: list[float]) -> list[int]:
    """The updates, counted from 1, after which a checkpoint is due; each takes so many seconds."""
    result = []
    for number, pace in enumerate(paces, 1):
        clock.now += pace
        if timer.is_due():
            result.append(number)
            clock.now += 5  # to write it
            timer.restart()
    return result


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the main process has said so far: updates until the next look."""
    exchanged: list[int] = []

    def broadcast(tensor: Any) -> Any:
        exchanged.append(int(tensor))
        return tensor

    monkeypatch.setattr(checkpoint, "broadcast", broadcast)
    return exchanged


def test_one_process_goes_by_its_clock(looks: list[int]) -> None:
    clock = Clock()
    timer = checkpoint.Timer(10, Alone(), clock)
    assert due(timer, clock, [3, 3, 3, 3, 3, 3, 3, 3, 20, 1]) == [4, 8, 9]
    assert looks == []


def test_several_processes_seldom_ask_and_are_seldom_late(looks: list[int]) -> None:
    clock = Clock()
    timer = checkpoint.Timer(60, Processes(), clock)
    assert due(timer, clock, [0.1] * 1900) == pytest.approx([601, 1202, 1803], abs=4)
    assert len(looks) < 50
    assert looks.count(0) == 3


def test_updates_that_slow_down_delay_a_checkpoint_by_half_of_what_was_left(
    looks: list[int],
) -> None:
    clock = Clock()
    timer = checkpoint.Timer(60, Processes(), clock)
    paces = [1.0] * 10 + [2.0] * 60
    (first, *_) = due(timer, clock, paces)
    assert 60 < sum(paces[:first]) <= 60 + 30


@pytest.mark.parametrize("kind", [Alone, Processes])
def test_every_update_or_none(kind: type, looks: list[int]) -> None:
    clock = Clock()
    timer = checkpoint.Timer(0, kind(), clock)
    assert due(timer, clock, [0.01] * 5) == [1, 2, 3, 4, 5]
    assert due(checkpoint.Timer(math.inf, kind(), clock), clock, [9e9] * 5) == []


def test_a_process_does_as_the_main_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    of_main = iter([3, 0])
    monkeypatch.setattr(checkpoint, "broadcast", lambda tensor: tensor * 0 + next(of_main))
    clock = Clock()
    timer = checkpoint.Timer(60, Processes(), clock)
    assert due(timer, clock, [500, 0, 0, 0]) == [4]
