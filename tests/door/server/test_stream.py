"""WS /v1/stream: the newest frame wins, and every answer names its frame."""

import json
import threading
import time
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from maskgate.door.costs import Costs
from maskgate.door.server.kiosk_settings import KioskSettings
from maskgate.door.server.settings import Settings
from tests.door.server.conftest import FakeEngine, Serve, encoded, wait_until


def frame(height: int) -> bytes:
    return encoded(np.full((height, 16, 3), 90, np.uint8), "JPEG")


def received(stream: ClientConnection) -> Any:
    return json.loads(stream.recv(timeout=20))


def test_each_frame_is_answered(serve: Serve) -> None:
    running = serve()
    with running.stream() as stream:
        for number in (1, 2, 3):
            stream.send(frame(10 + number))
            answer = received(stream)
            assert (answer["frame"], answer["width"], answer["height"]) == (number, 16, 10 + number)
            assert answer["faces"][0]["mask"]["value"] == "wear"
        assert running.metric("maskgate_streams") == 1
    assert running.metric('maskgate_photos_total{source="stream"}') == 3
    assert running.metric("maskgate_last_frame_age_seconds") < 20
    wait_until(lambda: running.metric("maskgate_streams") == 0)


def _door(stream: ClientConnection, seconds: float) -> list[str]:
    """What the door says in the answers on frames that are sent for so many seconds."""
    end, doors = time.monotonic() + seconds, []
    while time.monotonic() < end:
        stream.send(frame(10))
        doors.append(received(stream)["door"])
        time.sleep(0.05)
    return doors


def test_people_are_followed_and_the_door_decides(serve: Serve) -> None:
    running = serve()
    with running.stream() as stream:
        begin = time.monotonic()
        doors = _door(stream, 0.9)
        assert doors[0] == "moment" and doors[-1] == "go"
        stream.send(frame(10))
        answer = received(stream)
        (person,) = answer["people"]
        assert (person["track"], person["face"], person["verdict"]) == (1, 0, "go")
        assert person["box"] == answer["faces"][0]["box"]
        assert 0 < person["held"] < time.monotonic() - begin
    with running.stream() as stream:  # a new connection knows nobody
        assert _door(stream, 0.2)[0] == "moment"


def test_the_door_decides_by_costs(serve: Serve) -> None:
    """Worn is .98: go by its threshold, and not where letting in costs much more than a look."""
    kiosk = KioskSettings(costs=Costs(let_in=100, stopped=1, look=0.2))
    with serve(settings=Settings(kiosk=kiosk)).stream() as stream:
        assert set(_door(stream, 0.9)) == {"moment"}


@pytest.mark.slow
@pytest.mark.parametrize("state", ["none", "let_in"])
def test_frames_during_a_fault_of_the_page_do_not_count(state: str, serve: Serve) -> None:
    running = serve()
    report = {"state": state, "policy": "worn", "restart": True}
    report |= {"reason": "dark"} if state == "none" else {}
    with running.stream() as stream:
        assert _door(stream, 0.9)[-1] == "go"
        stream.send(json.dumps(report))
        assert set(_door(stream, 0.9)) == {"moment"}
        stream.send(json.dumps({"state": "moment", "policy": "worn"}))
        doors = _door(stream, 0.9)
        assert doors[0] == "moment" and doors[-1] == "go"


def test_the_newest_frame_wins(serve: Serve) -> None:
    engine = FakeEngine()
    running = serve(engine)
    engine.gate.clear()
    with running.stream() as stream:
        stream.send(frame(11))
        wait_until(lambda: engine.batches)
        for height in (12, 13, 14):
            stream.send(frame(height))
        wait_until(lambda: running.metric("maskgate_dropped_frames_total") == 2)
        engine.gate.set()
        answers = [received(stream), received(stream)]
    assert [(each["frame"], each["height"]) for each in answers] == [(1, 11), (4, 14)]


def test_a_bad_frame_is_answered_and_the_stream_goes_on(serve: Serve) -> None:
    running = serve()
    with running.stream() as stream:
        stream.send(b"no photo")
        answer = received(stream)
        assert (answer["frame"], answer["error"]["reason"]) == (1, "not_a_photo")
        stream.send(frame(9))
        assert received(stream)["frame"] == 2


@pytest.mark.parametrize(("message", "code"), [("text", 1003), (b"x" * 5001, 1009)])
def test_other_messages_close_the_stream(serve: Serve, message: str | bytes, code: int) -> None:
    running = serve(settings=Settings(max_frame_bytes=5000))
    with running.stream() as stream:
        stream.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            received(stream)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code
    assert running.get("/healthz").status == 200


def test_streams_are_limited(serve: Serve) -> None:
    running = serve(settings=Settings(max_streams=1))
    with running.stream() as stream:
        stream.send(frame(9))
        received(stream)
        with pytest.raises(InvalidStatus) as refused:
            running.stream()
        assert refused.value.response.status_code == 403
    wait_until(lambda: running.metric("maskgate_streams") == 0)
    with running.stream() as stream:
        stream.send(frame(9))
        assert received(stream)["frame"] == 1


def test_a_full_queue_is_told(serve: Serve) -> None:
    engine = FakeEngine()
    running = serve(engine, Settings(queue=1, batch=1))
    engine.gate.clear()
    with running.stream() as first, running.stream() as second, running.stream() as third:
        first.send(frame(9))
        wait_until(lambda: engine.batches)
        second.send(frame(9))
        wait_until(lambda: running.metric("maskgate_queue_length") == 1)
        third.send(frame(9))
        assert received(third)["error"]["reason"] == "busy"
        engine.gate.set()
        assert received(first)["frame"] == received(second)["frame"] == 1
        third.send(frame(9))
        assert received(third)["frame"] == 2


def test_the_frame_that_waits_is_answered_when_the_service_stops(serve: Serve) -> None:
    engine = FakeEngine()
    running = serve(engine)
    engine.gate.clear()
    with running.stream() as stream:
        stream.send(frame(9))
        wait_until(lambda: engine.batches)
        running.server.should_exit = True
        threading.Timer(0.5, engine.gate.set).start()
        assert received(stream)["frame"] == 1
        with pytest.raises(ConnectionClosed) as closed:
            received(stream)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


def test_a_client_that_leaves_frees_its_place(serve: Serve) -> None:
    engine = FakeEngine()
    running = serve(engine)
    engine.gate.clear()
    with running.stream() as stream:
        stream.send(frame(9))
        wait_until(lambda: engine.batches)
        stream.socket.close()
        engine.gate.set()
    wait_until(lambda: running.metric("maskgate_streams") == 0)
    assert running.get("/readyz").status == 200
