"""No byte of a photo reaches a file, a log, a metric or an error message.

The service runs as a process of its own, every system call that could store something is watched,
and what it stored is searched for marker photos: their bytes as sent, and their pixels.
"""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import connect

from tests.door import films
from tests.door.server.conftest import encoded
from tests.door.watching.servers import Mjpeg

STRACE = shutil.which("strace")
MARKER = bytes(range(0x51, 0x71))  # of a comment in the file, and of pixels
SYSTEM_CALLS = (
    "open,openat,openat2,creat,memfd_create,mknodat,truncate,ftruncate,write,pwrite64,writev,"
    "sendfile,copy_file_range,splice,connect"
)


WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT| (creat|memfd_create|truncate|ftruncate|mknodat)\(")


def marked(height: int, width: int) -> bytes:
    """A photo with the marker among its pixels, which PNG stores as they are, and as a comment."""
    rng = np.random.default_rng(height)
    image = rng.integers(0, 255, (height, width, 3), np.uint8)
    image[height // 2, :, :].reshape(-1)[: len(MARKER)] = np.frombuffer(MARKER, np.uint8)
    return encoded(image, "PNG", compress_level=0) + MARKER


@pytest.mark.slow
@pytest.mark.skipif(STRACE is None or sys.platform != "linux", reason="needs strace")
def test_no_byte_of_a_photo_is_stored(bundle: Path, tmp_path: Path) -> None:
    small, large = marked(80, 84), marked(1600, 1700)
    assert 19_000 < len(small) < 22_000 and 7_900_000 < len(large) < 8_300_000
    log, answers, calls = watched(tmp_path, [bundle], lambda port: load(port, small, large))
    assert len(calls) > 10, "nothing was watched"
    hexadecimal = "".join(f"\\x{byte:02x}" for byte in MARKER[:8])
    for call in calls:
        assert hexadecimal not in call
        assert not WRITING.search(call), call[:300]
        assert not re.search(r" (copy_file_range|sendfile|splice|connect)\(", call), call[:300]
    assert log == ["stopped\n"]
    assert len(answers) > 40
    assert not any(MARKER[:8] in answer for answer in answers)
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]


@pytest.mark.slow
@pytest.mark.skipif(STRACE is None or sys.platform != "linux", reason="needs strace")
def test_no_picture_of_a_camera_is_stored(bundle: Path, tmp_path: Path) -> None:
    camera = Mjpeg()
    camera.show(films.frames([films.Scene(0.6)], {}))

    def look(port: int) -> list[bytes]:
        pictures = []
        with connect(f"ws://127.0.0.1:{port}/v1/stream?camera=front") as stream:
            for number in range(1, 1000):
                stream.send(json.dumps({"next": number}))
                if "faces" in json.loads(stream.recv(timeout=120)):
                    picture = stream.recv(timeout=120)
                    assert isinstance(picture, bytes)
                    pictures.append(picture)
                if len(pictures) > 20:
                    break
        return pictures

    try:
        words = [bundle, "--from", f"front={camera.url}"]
        log, pictures, calls = watched(tmp_path, words, look)
    finally:
        camera.stop()
    assert len(pictures) > 20 and all(each.startswith(b"\xff\xd8") for each in pictures)
    assert calls, "nothing was watched"
    for call in calls:
        assert not WRITING.search(call), call[:300]
    assert log[-1] == "stopped\n" and len(log) == 2  # and where the camera is shown
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]


def watched(
    folder: Path, words: Sequence[object], use: Callable[[int], list[bytes]]
) -> tuple[list[str], list[bytes], list[str]]:
    """Serve with these words, and `use` the service at its port: its log, what `use` returns, and
    the system calls."""
    trace = folder / "trace"
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        str(STRACE), "-f", "-qq", "-s", "200000", "-xx", "-e", f"trace={SYSTEM_CALLS}",
        "-o", str(trace), sys.executable, "-m", "maskgate", "serve", *map(str, words),
        "--port", "0",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            port = re.search(r"127\.0\.0\.1:(\d+)", process.stderr.readline())
            assert port, "it did not start"
            start = trace.stat().st_size
            answers = use(int(port[1]))
            os.kill(child(process.pid), signal.SIGTERM)
            log = process.stderr.readlines()
            process.wait(60)
        finally:
            process.kill()
    with trace.open("rb") as file:
        file.seek(start)
        return log, answers, file.read().decode("latin-1").splitlines()


def load(port: int, small: bytes, large: bytes) -> list[bytes]:
    """Answers to photos of both sizes, good and damaged, from several clients at once."""
    broken = [content[: len(content) // 2] for content in (small, large)]
    contents = [small, large, *broken, MARKER * 40]

    def request(method: str, path: str, *more: Any) -> bytes:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
            connection.request(method, path, *more)
            answer = connection.getresponse()
            return str(answer.getheaders()).encode() + answer.read()

    def post(content: bytes, media_type: str) -> bytes:
        return request("POST", "/v1/verdict", content, {"Content-Type": media_type})

    def form(content: bytes) -> bytes:
        head = b'--edge\r\nContent-Disposition: form-data; name="photos"; filename="a.png"\r\n\r\n'
        return head + content + b"\r\n--edge--\r\n"

    def frames() -> list[bytes]:
        with connect(f"ws://127.0.0.1:{port}/v1/stream", max_size=None) as stream:
            answers = []
            for content in (small, broken[0], small):
                stream.send(content)
                answers.append(str(stream.recv(timeout=120)).encode())
            return answers

    with ThreadPoolExecutor(4) as clients:
        posts = [clients.submit(post, each, "image/png") for each in contents * 4]
        posts += [
            clients.submit(post, form(each), "multipart/form-data; boundary=edge")
            for each in contents * 4
        ]
        streams = [clients.submit(frames) for _ in range(2)]
        answers = [each.result() for each in posts]
        answers += [answer for each in streams for answer in each.result()]
    return [*answers, request("GET", "/metrics")]


def child(tracer: int) -> int:
    """The process that strace watches."""
    return int(Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()[0])
