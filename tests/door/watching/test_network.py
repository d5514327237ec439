"""Cameras of the network: events as they happen, faults within three seconds, and back again."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskgate.door.cameras import scene
from tests.door import films
from tests.door.films import Scene
from tests.door.watching import servers
from tests.door.watching.conftest import Live
from tests.door.watching.servers import Mjpeg

Portraits = dict[str, Image.Image]
LATE = 3.0  # seconds within which a fault is reported
SLACK = 1.5  # seconds more on a machine that does other things


@pytest.fixture
def camera() -> Iterator[Mjpeg]:
    camera = Mjpeg()
    camera.show(films.frames([Scene(1)], {}))
    yield camera
    camera.stop()


def names(live: Live) -> list[str]:
    return [line["event"] for line in live.lines]


@pytest.mark.slow
def test_mjpeg(live: Callable[..., Live], camera: Mjpeg, portraits: Portraits) -> None:
    watched = live("--camera", f"front={camera.url}")
    watched.wait(event="door", door="empty")
    came = time.monotonic()
    camera.show(films.frames([Scene(2, [("wear", 200)])], portraits))
    assert watched.wait(event="seen")["arrived"] - came < 1 + SLACK
    assert watched.wait(event="verdict")["verdict"] == "go"
    watched.wait(door="go")
    count = len(watched.lines)
    camera.show(films.frames([Scene(1)], {}))
    watched.wait(event="left", after=count)
    watched.wait(door="empty", after=count)
    watched.stop()
    assert names(watched) == [
        "started", "door", "seen", "door", "verdict", "door", "left", "door", "door", "stopped",
    ]  # fmt: skip


def black(scenes: list[Scene], portraits: Portraits) -> Iterator[Any]:
    for picture in films.frames(scenes, portraits):
        yield (picture // 16).astype(np.uint8)


def dim(scenes: list[Scene], portraits: Portraits) -> Iterator[Any]:
    for picture in films.frames(scenes, portraits):
        yield (picture * 0.4).astype(np.uint8)


def covered(scenes: list[Scene], portraits: Portraits) -> Iterator[Any]:
    """A hand before the lens: smooth, brighter in the middle, with noise."""
    rng = np.random.default_rng(5)
    down, right = np.mgrid[0:360, 0:640]
    clean = 130 - 60 * ((down / 180 - 1) ** 2 + (right / 320 - 1) ** 2)
    for _ in films.frames(scenes, portraits):
        noisy = clean[..., None] * (1.0, 0.7, 0.6) + rng.normal(0, 4, (360, 640, 3))
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def wall(scenes: list[Scene], portraits: Portraits) -> Iterator[Any]:
    """Bricks, with a camera's noise."""
    down, right = np.mgrid[0:360, 0:640]
    shifted = right + down // 30 % 2 * 40
    joints = (down % 30 < 5) | (shifted % 80 < 5)
    rng = np.random.default_rng(6)
    for _ in films.frames(scenes, portraits):
        noise = rng.normal(0, 3, (360, 640, 3))
        yield np.clip(np.where(joints, 190, 90)[..., None] + noise, 0, 255).astype(np.uint8)


def frozen(scenes: list[Scene], portraits: Portraits) -> Iterator[Any]:
    yield next(films.frames(scenes, portraits))


@pytest.mark.slow
def test_every_fault_of_the_picture(
    live: Callable[..., Live], camera: Mjpeg, portraits: Portraits
) -> None:
    """Everybody has left, the door says nothing, and then it is as before."""
    watched = live("--camera", f"front={camera.url}", "--policy", "bare")
    watched.wait(door="empty")
    for reason, pictures in (("dark", black), ("covered", covered), ("frozen", frozen)):
        count = len(watched.lines)
        camera.show(films.frames([Scene(2, [("not_wear", 200)])], portraits))
        watched.wait(after=count, door="go")
        changed = time.monotonic()
        camera.show(pictures([Scene(1, [("not_wear", 200)])], portraits))
        lost = watched.wait(after=count, event="camera_lost")
        assert (lost["reason"], lost["arrived"] - changed < LATE + SLACK) == (reason, True)
        assert watched.wait(after=count, door="none")["arrived"] - lost["arrived"] < 0.5
        watched.wait(after=count, event="left")
        time.sleep(0.5)
        camera.show(films.frames([Scene(1)], {}))
        back = watched.wait(after=count, event="camera_back")
        assert back["reason"] == reason and 0.4 < back["gap"] < 5
        watched.wait(after=count, door="empty")
    watched.stop(signal.SIGINT)
    assert names(watched).count("camera_lost") == names(watched).count("camera_back") == 3


@pytest.mark.slow
def test_a_wall_is_a_fault_and_a_lamp_is_none(
    live: Callable[..., Live], camera: Mjpeg, portraits: Portraits
) -> None:
    """With nobody there: the camera is turned to a wall of bricks, and stands still."""
    watched = live("--camera", f"front={camera.url}")
    watched.wait(door="empty")
    time.sleep(scene.LEARNING + 1)
    camera.show(dim([Scene(1)], {}))
    time.sleep(LATE)
    camera.show(films.frames([Scene(2, [("not_wear", 200)])], portraits))
    watched.wait(door="put_on")
    assert not any(line["event"] == "camera_lost" for line in watched.lines)
    for reason, pictures in (("covered", wall), ("frozen", frozen)):
        camera.show(films.frames([Scene(1)], {}))
        watched.wait(after=len(watched.lines) - 1, door="empty")
        time.sleep(1)
        count, changed = len(watched.lines), time.monotonic()
        camera.show(pictures([Scene(1)], portraits))
        lost = watched.wait(after=count, event="camera_lost", reason=reason)
        assert lost["arrived"] - changed < LATE + SLACK
    watched.stop()


class Silent:
    """A server that takes connections and says `answer`, and no more."""

    def __init__(self, answer: bytes) -> None:
        self._answer, self._open = answer, list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                connection.sendall(self._answer)

    def stop(self) -> None:
        for each in (self._listener, *self._open):
            each.close()


MULTIPART = "Content-Type: multipart/x-mixed-replace; boundary=frame"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("rtsp", ""),
        ("http", ""),
        ("http", f"HTTP/1.1 200 OK\r\n{MULTIPART}\r\n\r\n"),
        ("http", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        ("rtsp", "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n"),
        ("name", ""),
    ],
)
def test_a_camera_that_never_answers_is_lost_in_time(
    live: Callable[..., Live], scheme: str, answer: str
) -> None:
    """Whatever is wrong: the name, the connection, or that no picture comes."""
    server = Silent(answer.encode())
    url = f"{scheme}://127.0.0.1:{server.port}/camera"
    watched = live("--camera", "front=rtsp://camera.invalid/door" if scheme == "name" else url)
    lost = watched.wait(event="camera_lost", reason="lost")
    start = watched.wait(event="started")
    times = [datetime.fromisoformat(each["time"]) for each in (start, lost)]
    assert (times[1] - times[0]).total_seconds() < LATE
    stopped = time.monotonic()
    watched.stop()
    assert time.monotonic() - stopped < 5
    server.stop()


@pytest.mark.slow
def test_a_camera_that_hangs_is_lost(
    live: Callable[..., Live], camera: Mjpeg, portraits: Portraits
) -> None:
    camera.show(films.frames([Scene(2, [("wear", 200)])], portraits))
    watched = live("--camera", f"front={camera.url}")
    watched.wait(door="go")
    camera.hangs, hung = True, time.monotonic()
    lost = watched.wait(event="camera_lost", reason="lost")
    assert lost["arrived"] - hung < LATE + SLACK
    watched.wait(event="left")
    camera.hangs = False
    watched.wait(event="camera_back", reason="lost")
    watched.wait(after=len(watched.lines) - 1, event="verdict", verdict="go")
    watched.stop()


@pytest.mark.slow
def test_a_camera_that_is_not_there_yet_is_waited_for(live: Callable[..., Live]) -> None:
    port = servers.free_port()
    watched = live("--camera", f"front=http://door:secret@127.0.0.1:{port}/camera")
    watched.wait(event="camera_lost", reason="lost")
    camera = Mjpeg(port)
    camera.show(films.frames([Scene(1)], {}))
    watched.wait(event="camera_back")
    watched.wait(door="empty")
    watched.stop()
    camera.stop()
    assert any("front: Connection refused; it is tried again" in line for line in watched.errors)
    assert not any("secret" in line for line in [*watched.errors, *map(str, watched.lines)])


@pytest.mark.slow
@pytest.mark.skipif(not servers.has_rtsp(), reason="GStreamer's RTSP server is not installed")
def test_rtsp_killed_and_put_back(
    live: Callable[..., Live], tmp_path: Path, portraits: Portraits
) -> None:
    scenes = [Scene(1), Scene(20, [("not_wear", 200)])]
    film = films.write(tmp_path / "film.mp4", films.frames(scenes, portraits))
    port = servers.free_port()
    with servers.rtsp(film, port) as (url, _):
        watched = live("--camera", f"front={url}")
        watched.wait(event="verdict", verdict="put_on")
        watched.wait(door="put_on")
        killed = time.monotonic()
    lost = watched.wait(event="camera_lost", reason="lost")
    assert lost["arrived"] - killed < LATE + SLACK
    watched.wait(event="left")
    watched.wait(door="none", previous="put_on")
    count = len(watched.lines)
    with servers.rtsp(film, port):
        assert watched.wait(after=count, event="camera_back")["gap"] > 0
        watched.wait(after=count, event="verdict", verdict="put_on")
        watched.stop()
    assert watched.lines[-1]["event"] == "stopped"
    assert {"left", "door"} <= {line["event"] for line in watched.lines[-3:]}
    assert not any("secret" in line for line in [*watched.errors, *map(str, watched.lines)])


@pytest.mark.slow
@pytest.mark.skipif(not servers.has_rtsp(), reason="GStreamer's RTSP server is not installed")
def test_rtsp_that_hangs_is_lost(
    live: Callable[..., Live], tmp_path: Path, portraits: Portraits
) -> None:
    """The connection stays open, and nothing comes."""
    film = films.write(tmp_path / "film.mp4", films.frames([Scene(30, [("wear", 200)])], portraits))
    with servers.rtsp(film, servers.free_port()) as (url, process):
        watched = live("--camera", f"front={url}")
        watched.wait(door="go")
        process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        lost = watched.wait(event="camera_lost", reason="lost")
        assert lost["arrived"] - stopped < LATE + SLACK
        process.send_signal(signal.SIGCONT)
        count = len(watched.lines)
        watched.wait(after=count, event="camera_back")
        watched.wait(after=count, door="go")
        watched.stop()
