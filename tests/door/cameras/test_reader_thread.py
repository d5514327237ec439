"""The thread that reads a camera ends before Python does."""

import socket
import subprocess
import sys

import pytest

_STOP_WHILE_IT_OPENS = """
import atexit, sys, time
from maskgate.door.cameras import specs
from maskgate.door.cameras.live import LiveCamera

camera = LiveCamera(*specs.parse([sys.argv[1]]), 10)
atexit.register(lambda: print(camera._thread.is_alive()))  # the last that is called
camera.start()
time.sleep(1)
start = time.monotonic()
camera.stop()
print(camera._thread.is_alive(), time.monotonic() - start < 2)
"""


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
    assert done.stdout.split() == ["True", "True", "False"]
