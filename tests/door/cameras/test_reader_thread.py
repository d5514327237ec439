"""The thread that reads a camera ends before Python does."""

import atexit
import socket
import subprocess
import sys
import time

import pytest

from maskgate.door.cameras.reader_thread import ReaderThread

_STOP_WHILE_IT_OPENS = """
import atexit, sys, time
from maskgate.door.cameras import specs
from maskgate.door.cameras.live import LiveCamera

camera = LiveCamera(*specs.parse([sys.argv[1]]), 10)
atexit.register(lambda: print(camera._thread.has_ended))  # the last that is called
camera.start()
time.sleep(1)
start = time.monotonic()
camera.stop()
print(camera._thread.has_ended, time.monotonic() - start < 2)
"""

_INTERRUPT_THE_WAIT = """
import atexit, os, signal, threading, time
from maskgate.core.interruption import Interrupted
from maskgate.core.signals import handle_signals
from maskgate.door.cameras.reader_thread import ReaderThread

def stop(*_):
    raise Interrupted

thread = ReaderThread(lambda: time.sleep(1), "camera", 20)
atexit.register(lambda: print(thread.has_ended))  # the last that is called
thread.start()
with handle_signals(stop):
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    try:
        thread.end()
    except Interrupted:
        print("interrupted", thread.has_ended)
"""


def test_a_thread_that_has_ended_is_not_waited_for() -> None:
    threads = [ReaderThread(lambda: None, "camera", 20) for _ in range(2)]
    threads[0].start()
    before = atexit._ncallbacks()
    start = time.monotonic()
    for thread in threads:  # one has not been started
        thread.end()
    assert atexit._ncallbacks() == before and time.monotonic() - start < 0.3
    assert [thread.has_ended for thread in threads] == [True, False]


def test_python_waits_also_if_the_first_wait_is_interrupted() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPT_THE_WAIT], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["interrupted", "False", "True"]


@pytest.mark.slow
def test_python_waits_for_ffmpeg() -> None:
    """The camera takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/camera"
        done = subprocess.run(
            [sys.executable, "-c", _STOP_WHILE_IT_OPENS, url],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["False", "True", "True"]
