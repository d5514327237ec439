"""The rate falls to what the machine can do, and rises again."""

import time
from typing import get_type_hints

import pytest

from maskgate.cli.watch import watch
from maskgate.core.signals import Flag
from maskgate.door.watching.pace import LOAD, SLOWEST, Pace


def test_the_rate_follows_the_machine() -> None:
    pace = Pace(10)
    for _ in range(50):
        pace.add(0.02)
    assert pace.rate == 10
    for _ in range(50):
        pace.add(0.2)
    assert pace.rate == pytest.approx(LOAD / 0.2, 1e-3)
    for _ in range(50):
        pace.add(2.0)
    assert pace.rate == SLOWEST
    for _ in range(100):
        pace.add(0.02)
    assert pace.rate == 10


def test_a_low_target_stays() -> None:
    pace = Pace(1)
    for _ in range(50):
        pace.add(2.0)
    assert pace.rate == 1


def test_rounds_are_apart_and_the_end_is_not_waited_for() -> None:
    pace, stopping = Pace(50), Flag()
    start = time.monotonic()
    for _ in range(11):
        pace.wait(stopping)
    assert 0.19 < time.monotonic() - start < 1
    stopping.set()
    slow = Pace(0.01)
    slow.wait(stopping)
    slow.wait(stopping)
    assert time.monotonic() - start < 2


def test_no_slower_rate_may_be_asked_for() -> None:
    hints = get_type_hints(watch, include_extras=True)
    assert hints["fps"].__metadata__[0].min == SLOWEST
