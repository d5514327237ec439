"""A camera that the service reads: judged once for all its screens, which ask for its pictures."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from maskgate.door.cameras import specs
from maskgate.door.cameras.live import LiveCamera
from maskgate.door.cameras.replayed import ReplayedCamera
from maskgate.door.server import access, start
from maskgate.door.server.cameras import ALIVE, RATE
from maskgate.door.server.settings import Settings
from maskgate.door.server.start import Options
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels
from tests.door import films
from tests.door.films import Scene
from tests.door.server.conftest import FakeEngine, Running, Serve, wait_until
from tests.door.server.test_screens import OK, Scripted
from tests.door.watching.servers import Mjpeg

Message = dict[str, Any]


def room(light: float = 1) -> Iterator[Pixels]:
    """An entrance with a camera's noise."""
    for picture in films.frames([Scene(0.6)], {}):
        yield (picture * light).astype(np.uint8)


@pytest.fixture
def mjpeg() -> Iterator[Mjpeg]:
    camera = Mjpeg()
    camera.show(room())
    yield camera
    camera.stop()


def camera_of(mjpeg: Mjpeg, name: str = "front") -> LiveCamera:
    (spec,) = specs.parse([f"{name}={mjpeg.url}"])
    return LiveCamera(spec, RATE)


class Screen:
    """A page's connection: what it asks for, and what comes."""

    def __init__(self, stream: ClientConnection) -> None:
        self.stream, self.number = stream, 0

    def next(self, timeout: float = 20) -> tuple[Message, bytes]:
        """The next answer, with the picture that follows it."""
        self.number += 1
        self.stream.send(json.dumps({"next": self.number}))
        return self.receive(timeout)

    def receive(self, timeout: float = 20) -> tuple[Message, bytes]:
        """The answer to the last request, with the picture that follows it."""
        answer = json.loads(self.stream.recv(timeout=timeout))
        assert answer["frame"] == self.number
        picture = self.stream.recv(timeout=20) if "faces" in answer else b""
        assert isinstance(picture, bytes)
        return answer, picture

    def until(self, **keys: object) -> tuple[Message, bytes]:
        """The first answer with these values."""
        end = time.monotonic() + 20
        while True:
            answer, picture = self.next()
            if keys.items() <= answer.items():
                return answer, picture
            assert time.monotonic() < end, answer


@contextmanager
def screen(running: Running, name: str = "front") -> Iterator[Screen]:
    with running.stream(f"?camera={name}") as stream:
        yield Screen(stream)


def test_each_picture_comes_with_its_verdicts(serve: Serve, mjpeg: Mjpeg) -> None:
    running = serve(Scripted(OK), own_cameras=[camera_of(mjpeg)])
    assert running.get("/v1/kiosk").json["cameras"] == ["front"]
    with screen(running) as front:
        answer, picture = front.until(door="go")
        assert (answer["width"], answer["height"]) == Image.open(io.BytesIO(picture)).size
        assert answer["faces"][0]["mask"]["value"] == "wear" and answer["people"][0]["track"] == 1
        assert abs(answer["age"]) < 1
        time.sleep(0.5)
        assert abs(front.next()[0]["age"]) < 0.5, "the newest, not what came meanwhile"
    assert running.metric('maskgate_camera_up{camera="front"}') == 1


def test_large_pictures_are_reduced(serve: Serve, mjpeg: Mjpeg) -> None:
    rng = np.random.default_rng(1)
    mjpeg.show(iter(rng.integers(0, 255, (4, 720, 1280, 3), np.uint8)))
    engine = FakeEngine()
    running = serve(engine, own_cameras=[camera_of(mjpeg)])
    with screen(running) as front:
        answer, picture = front.until(width=640)
        assert answer["height"] == 360 and Image.open(io.BytesIO(picture)).size == (640, 360)
    assert {shape for batch in engine.batches for shape in batch} == {(360, 640, 3)}


def test_two_screens_are_judged_once_and_nobody_not_at_all(serve: Serve, mjpeg: Mjpeg) -> None:
    engine = FakeEngine()
    running = serve(engine, own_cameras=[camera_of(mjpeg)])
    wait_until(lambda: running.metric('maskgate_camera_up{camera="front"}') == 1)
    time.sleep(0.5)
    assert not engine.batches, "nobody looks"
    with screen(running) as one, screen(running) as two:
        begin = time.monotonic()
        widths = [each.until(width=640)[0]["width"] for _ in range(6) for each in (one, two)]
        elapsed = time.monotonic() - begin
        assert len(widths) == 12
        assert len(engine.batches) <= elapsed * RATE + 2
    wait_until(lambda: running.metric("maskgate_streams") == 0)
    judged = len(engine.batches)
    time.sleep(0.5)
    assert len(engine.batches) <= judged + 1


@pytest.mark.slow
def test_a_fault_ends_every_verdict(serve: Serve, mjpeg: Mjpeg) -> None:
    running = serve(Scripted(OK), own_cameras=[camera_of(mjpeg)])
    with screen(running) as front:
        front.until(door="go")
        mjpeg.show(room(0.05))
        answer, picture = front.until(fault="dark")
        assert set(answer) == {"frame", "age", "fault"} and not picture
        begin = time.monotonic()
        front.until(fault="dark")
        assert time.monotonic() - begin < 1, "a fault that lasts is repeated"
        assert running.metric('maskgate_camera_up{camera="front"}') == 0
        mjpeg.show(room())
        answers = [front.next()[0] for _ in range(4)]
        doors = [answer["door"] for answer in answers if "door" in answer]
        assert doors[:1] in ([], ["moment"]), "no frame from before the fault counts"
        front.until(door="go")
        mjpeg.hangs = True
        answer, _ = front.next()
        while "faces" in answer:
            answer, _ = front.next()
        assert set(answer) == {"frame", "age"}, "the service is there, and has no new frame"
        assert front.until(fault="lost")


@pytest.mark.slow
def test_a_page_that_asks_late_gets_old_pictures_with_their_age(serve: Serve, mjpeg: Mjpeg) -> None:
    running = serve(Scripted(OK), own_cameras=[camera_of(mjpeg)])
    with screen(running) as front:
        front.until(door="go")
        time.sleep(0.5)  # a frame waits
        mjpeg.hangs = True
        time.sleep(1.2)
        answer, _ = front.next()
        assert "faces" in answer and answer["age"] > 0.9
        front.stream.send(json.dumps({"state": "go", "policy": "worn"}))  # reports are as always
        wait_until(lambda: running.metric('maskgate_states_total{state="go"}') == 1)


def test_what_a_screen_may_send(serve: Serve, mjpeg: Mjpeg) -> None:
    running = serve(own_cameras=[camera_of(mjpeg)])
    for content, reason in ((b"frame", "send no frames"), ('{"next": 0}', "not a report")):
        with running.stream("?camera=front") as stream:
            stream.send(content)
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    stream.recv(timeout=20)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1003
            assert reason in closed.value.rcvd.reason


def test_a_flood_of_requests_is_bounded(serve: Serve, mjpeg: Mjpeg) -> None:
    running = serve(own_cameras=[camera_of(mjpeg)])
    with running.stream("?camera=front") as stream:
        mjpeg.hangs = True
        time.sleep(3 * ALIVE)
        for number in range(1, 1001):
            stream.send(json.dumps({"next": number}))
        mjpeg.hangs = False
        last, begin = 0, time.monotonic()
        while last < 1000 and time.monotonic() - begin < 20:
            message = stream.recv(timeout=20)
            last = json.loads(message)["frame"] if isinstance(message, str) else last
        assert last == 1000 and time.monotonic() - begin < 10


def test_unknown_cameras_are_refused(serve: Serve, mjpeg: Mjpeg) -> None:
    running = serve(own_cameras=[camera_of(mjpeg), camera_of(mjpeg, "back")])
    assert running.get("/kiosk").status == running.get("/kiosk?camera=back").status == 200
    assert running.get("/kiosk?camera=browser").status == 200
    answer = running.get("/kiosk?camera=side")
    assert (answer.status, answer.headers["refresh"]) == (404, "5")
    message = answer.json["error"]["message"]
    assert message == "no such camera; this service has front, back, browser"
    with pytest.raises(InvalidStatus), running.stream("?camera=side"):
        pass


def test_pictures_need_the_token(serve: Serve, mjpeg: Mjpeg, tmp_path: Path) -> None:
    tokens, token = access.open_access(tmp_path)
    running = serve(Scripted(OK), access=tokens, own_cameras=[camera_of(mjpeg)])
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with (
            pytest.raises(InvalidStatus),
            running.stream("?camera=front", additional_headers=headers),
        ):
            pass
    assert running.get("/kiosk?camera=side").status == 401, "no names of cameras either"
    headers = {"Authorization": f"Bearer {token}"}
    with running.stream("?camera=front", additional_headers=headers) as stream:
        assert Screen(stream).until(door="go")


def test_the_service_stops_with_screens_open(serve: Serve, mjpeg: Mjpeg) -> None:
    running = serve(own_cameras=[camera_of(mjpeg)])
    with screen(running) as front:
        front.until(width=640)
        running.server.should_exit = True
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                front.next()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012


@pytest.mark.slow
def test_a_failure_of_the_model_shows_nothing(serve: Serve, mjpeg: Mjpeg) -> None:
    engine = FakeEngine()
    engine.error = RuntimeError("broken")
    running = serve(engine, own_cameras=[camera_of(mjpeg)])
    with screen(running) as front:
        wait_until(lambda: running.metric('maskgate_rejections_total{reason="internal"}') > 2)
        with pytest.raises(TimeoutError):
            while True:  # answers without a picture come while the camera sends none
                assert "faces" not in front.next(timeout=0.5)[0]
        engine.error = None
        front.receive()
        assert front.until(width=640)[0]["faces"]


def test_options(tmp_path: Path) -> None:
    assert Settings().kiosk.answer().get("cameras") is None
    (spec,) = specs.parse(["browser=0"], "--from")
    with pytest.raises(MaskgateError, match="--from: browser is the name of the browser's own"):
        start.check(Options(None, "127.0.0.1", 0, Settings(), cameras=(spec,)))
    with pytest.raises(MaskgateError, match="--from /gone: no such file or folder"):
        specs.parse(["/gone"], "--from")


@pytest.mark.slow
def test_a_video_is_replayed_at_its_own_speed(tmp_path: Path) -> None:
    film = films.write(tmp_path / "film.mp4", films.frames([Scene(0.8)], {}))
    (spec,) = specs.parse([str(film)])
    camera = ReplayedCamera(spec, RATE)
    camera.start()
    times: list[float] = []
    begin = time.monotonic()
    while len(times) < 20:
        frame = camera.take()
        if frame is not None:
            assert frame.time <= time.monotonic()
            times.append(frame.time)
        time.sleep(0.01)
        assert time.monotonic() - begin < 20
    assert times == sorted(times) and times[7] - times[0] > 0.6, "not faster"
    assert not camera.has_ended
    film.unlink()
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        camera.take()  # none comes, and nothing is raised
    camera.stop()
