"""Video that has waited in a buffer is left out, and what a camera has just recorded is not."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import IO, cast

import av
import numpy as np
import pytest
from av.error import FFmpegError, PyAVCallbackError
from PIL import Image

from maskgate.door.cameras.arrivals import LATE, Arrivals

SIZE = (160, 96)
RISE = 8  # grey levels by which the cameras' picture grows brighter in a second
READER = """
import sys, time
from maskgate.door.cameras import specs
from maskgate.door.cameras.live import LiveCamera
camera = LiveCamera(specs.parse(["front=" + sys.argv[1]])[0], 10)
camera.start()
while True:
    frame = camera.take()
    if frame is not None:
        print(frame.time, frame.image.mean(), flush=True)
    time.sleep(0.01)
"""


def late(packets: list[tuple[float, float | None]]) -> list[bool]:
    arrivals = Arrivals()
    return [arrivals.is_late(now, stamp) for now, stamp in packets]


def test_time_stamps_tell_what_has_waited() -> None:
    live = [(100 + each / 10, each / 10) for each in range(20)]
    waited = [(105.0, 2 + each / 10) for each in range(30)]
    after = [(105 + each / 10, 5 + each / 10) for each in range(1, 10)]
    assert (
        late([*live, *waited, *after])
        == [False] * 20 + [3 - each / 10 > LATE + 0.004 for each in range(30)] + [False] * 9
    )


def test_a_clock_that_runs_differently_is_no_delay() -> None:
    for rate in (0.9995, 1.0005):
        assert not any(late([(float(each), each * rate) for each in range(7200)]))


def test_without_time_stamps_a_pause_tells_it() -> None:
    live = [(each / 10, None) for each in range(20)]
    waited = [(5 + each / 1000, None) for each in range(30)]
    after = [(5.1 + each / 10, None) for each in range(10)]
    assert late([*live, *waited, *after]) == [False] * 20 + [True] * 30 + [False] * 10


def test_how_long_everything_has_been_late() -> None:
    arrivals = Arrivals()
    for each in range(20):
        arrivals.is_late(each / 10, each / 10)
    for each in range(20, 50):
        assert arrivals.is_late(each / 10 + 2, each / 10)
    assert arrivals.late_for == pytest.approx(2.9)
    assert not arrivals.is_late(5.0 + 2, 7.0) and arrivals.late_for == 0


def grey(start: float) -> np.ndarray:
    level = int((time.monotonic() - start) * RISE)
    return np.full((SIZE[1], SIZE[0], 3), min(level, 255), np.uint8)


def send_mjpeg(file: IO[bytes], start: float) -> None:
    while True:
        out = io.BytesIO()
        Image.fromarray(grey(start)).save(out, "JPEG")
        content = out.getvalue()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
        file.write(head.encode() + content + b"\r\n")
        time.sleep(0.1)


def send_h264(file: IO[bytes], start: float) -> None:
    with av.open(file, "w", format="mpegts", options={"flush_packets": "1"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"tune": "zerolatency", "preset": "ultrafast", "g": "5"}
        for number in range(1000):
            frame = av.VideoFrame.from_ndarray(grey(start), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
            time.sleep(max(0, start + number / 10 - time.monotonic()))


@pytest.fixture
def cameras() -> Iterator[tuple[str, float]]:
    """The address of a camera whose paths are its formats, and when it was black."""
    start = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mjpeg = self.path == "/mjpeg"
            kind = "multipart/x-mixed-replace; boundary=frame" if mjpeg else "video/mp2t"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            try:
                (send_mjpeg if mjpeg else send_h264)(cast(IO[bytes], self.wfile), start)
            except (OSError, FFmpegError, PyAVCallbackError):
                self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", start
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["mjpeg", "h264"])
def test_a_reader_that_stood_still_gives_no_old_frame(
    cameras: tuple[str, float], path: str
) -> None:
    address, start = cameras
    command = [sys.executable, "-c", READER, f"{address}/{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as reader:
        try:
            assert reader.stdout is not None

            def age() -> float:
                time_, level = map(float, reader.stdout.readline().split())
                return time_ - start - level / RISE

            for _ in range(10):
                age()
            usual = age()
            reader.send_signal(signal.SIGSTOP)
            time.sleep(3.5)
            reader.send_signal(signal.SIGCONT)
            age()  # it may have been taken before
            assert max(age() for _ in range(10)) < usual + LATE + 0.3
        finally:
            reader.kill()
