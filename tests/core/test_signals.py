"""Services end on a signal, whatever it interrupts."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from maskgate.core.signals import Flag, handle_signals

_SIGNALS_AT_ANY_MOMENT = """
import random, signal, time
from maskgate.core.signals import Flag

def stop(*_):
    request.set()

signal.signal(signal.SIGALRM, stop)
end, number = time.monotonic() + 2, 0
while time.monotonic() < end:
    request = Flag()
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 3e-4))
    while not request.is_set():
        request.wait(1e-5)
    number += 1
print(number)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals")
def test_a_handler_may_interrupt_any_step_of_waiting() -> None:
    """With threading.Event it hangs within a second: a handler runs while its lock is held."""
    command = [sys.executable, "-c", _SIGNALS_AT_ANY_MOMENT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) > 100


def test_waiting_ends_with_the_request() -> None:
    request, start = Flag(), time.monotonic()
    request.wait(0.05)
    assert 0.04 < time.monotonic() - start < 5 and not request.is_set()
    request.wait(-1)
    threading.Timer(0.05, request.set).start()
    request.wait(60)
    assert request.is_set()
    request.wait(60)
    request.set()
    request.wait(60)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_handled_for_a_time(number: signal.Signals) -> None:
    request, before = Flag(), signal.getsignal(number)
    with handle_signals(lambda *_: request.set()):
        os.kill(os.getpid(), number)
        request.wait(60)
        assert request.is_set()
    assert signal.getsignal(number) is before


def test_nothing_is_handled_in_another_thread() -> None:
    before, in_thread = signal.getsignal(signal.SIGTERM), []

    def look() -> None:
        with handle_signals(lambda *_: None):
            in_thread.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert in_thread == [before]
