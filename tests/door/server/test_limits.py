"""Every limit of the service, through a real socket."""

import http.client
import socket
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from maskgate.door.server.settings import Settings
from tests.door.server.conftest import FakeEngine, Running, Serve, encoded, wait_until

PHOTO = encoded(np.full((8, 8, 3), 7, np.uint8))


def raw(running: Running, content: bytes, seconds: float = 10) -> bytes:
    """What comes back for these bytes until the service closes or nothing more comes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=seconds) as client:
        client.sendall(content)
        received = b""
        try:
            while chunk := client.recv(65536):
                received += chunk
        except TimeoutError:
            pass
        return received


def head(*lines: str) -> bytes:
    first = ["POST /v1/verdict HTTP/1.1", "Host: localhost", "Content-Type: image/png"]
    return "\r\n".join([*first, *lines, "", ""]).encode()


def test_a_body_that_says_it_is_too_large_is_not_read(serve: Serve) -> None:
    running = serve(settings=Settings(max_bytes=5000))
    answer = raw(running, head("Content-Length: 5001", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"too_large" in answer
    assert running.post(PHOTO).status == 200


def test_a_body_without_a_length_is_refused_while_it_is_read(serve: Serve) -> None:
    running = serve(settings=Settings(max_bytes=5000))
    answer = raw(
        running,
        head("Transfer-Encoding: chunked", "Connection: close") + b"1800\r\n" + bytes(6144),
    )
    assert answer.startswith(b"HTTP/1.1 413 ")  # although the body is not complete


def test_pixels_are_limited_by_the_header(serve: Serve) -> None:
    running = serve(settings=Settings(max_pixels=1000))
    assert running.post(encoded(np.zeros((25, 40, 3), np.uint8))).status == 200
    answer = running.post(encoded(np.zeros((25, 41, 3), np.uint8)))
    assert (answer.status, answer.reason) == (413, "too_many_pixels")
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + size))
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + size + crc
    assert running.post(bomb + PHOTO[33:]).status == 413


def test_photos_of_a_form_are_limited(serve: Serve) -> None:
    running = serve(settings=Settings(max_photos=2))
    assert running.form(PHOTO, PHOTO).status == 200
    answer = running.form(PHOTO, PHOTO, PHOTO)
    assert (answer.status, answer.reason) == (413, "too_many_photos")


@pytest.mark.parametrize(
    ("media_type", "body", "status", "reason"),
    [
        ("text/plain", PHOTO, 415, "unsupported"),
        ("", PHOTO, 415, "unsupported"),
        ("multipart/form-data", PHOTO, 400, "bad_request"),
        ("multipart/form-data; boundary=x", PHOTO, 400, "bad_request"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n", 400, "bad_request"),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422, "no_photo"),
        ("multipart/form-data; boundary=" + "x" * 300, PHOTO, 400, "bad_request"),
        ("image/png", b"", 422, "no_photo"),
    ],
)
def test_other_bodies_are_refused(
    serve: Serve, media_type: str, body: bytes, status: int, reason: str
) -> None:
    running = serve()
    answer = running.post(body, media_type)
    assert (answer.status, answer.reason) == (status, reason)
    assert running.post(PHOTO).status == 200


def test_a_body_must_come_in_time(serve: Serve) -> None:
    running = serve(settings=Settings(body_time=0.3))
    answer = raw(running, head("Content-Length: 900", "Connection: close") + b"x")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_the_head_must_come_in_time_and_be_small(serve: Serve) -> None:
    running = serve(settings=Settings(header_time=0.3))
    begin = time.monotonic()
    for start in (b"", b"POST /v1/verdict HTTP/1.1\r\nHost: loc"):
        assert raw(running, start) == b""
    assert time.monotonic() - begin < 5
    assert raw(running, head("X-Filler: " + "x" * 40_000)) == b""
    assert running.post(PHOTO).status == 200


@pytest.mark.parametrize("rest", [b"x" * 20, b"\r\n" * 20], ids=["body", "empty lines"])
def test_no_connection_is_kept_after_an_answer(serve: Serve, rest: bytes) -> None:
    running = serve(settings=Settings(header_time=0.5))
    length = 900 if rest.startswith(b"x") else 0
    lines = f"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as client:
        client.sendall(lines.encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 404 ")
        begin = time.monotonic()
        client.settimeout(0.1)
        closed, step = False, len(rest) // 20
        while not closed and time.monotonic() - begin < 5:
            try:
                client.sendall(rest[:step])
                closed = client.recv(65536) == b""
            except TimeoutError:
                pass
            except OSError:
                closed = True
    assert closed and time.monotonic() - begin < 3


def test_a_connection_is_used_again_after_a_refused_body(serve: Serve) -> None:
    running = serve(settings=Settings(header_time=0.5, body_time=5))
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.request("POST", "/nothing", PHOTO)
    assert connection.getresponse().read()
    first = connection.sock
    connection.putrequest("POST", "/v1/verdict")
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(len(PHOTO)))
    connection.endheaders()
    time.sleep(0.8)  # a body has its own time
    connection.send(PHOTO)
    assert connection.getresponse().status == 200
    assert connection.sock is first
    connection.close()


def test_a_full_queue_is_told_with_the_time_to_wait(serve: Serve) -> None:
    engine = FakeEngine()
    running = serve(engine, Settings(queue=2, batch=1))
    engine.gate.clear()
    with ThreadPoolExecutor(3) as clients:
        waiting = [clients.submit(running.post, PHOTO)]
        wait_until(lambda: engine.batches)
        waiting += [clients.submit(running.post, PHOTO) for _ in range(2)]
        wait_until(lambda: running.metric("maskgate_queue_length") == 2)
        answer = running.post(PHOTO)
        assert (answer.status, answer.reason) == (429, "busy")
        assert int(answer.headers["retry-after"]) >= 1
        assert running.metric('maskgate_rejections_total{reason="busy"}') == 1
        engine.gate.set()
        assert [each.result().status for each in waiting] == [200] * 3
    assert running.post(PHOTO).status == 200


def test_photos_that_wait_are_judged_together(serve: Serve) -> None:
    engine = FakeEngine()
    running = serve(engine, Settings(batch=4))
    engine.gate.clear()
    with ThreadPoolExecutor(6) as clients:
        waiting = [clients.submit(running.post, PHOTO)]
        wait_until(lambda: engine.batches)
        waiting += [clients.submit(running.post, PHOTO) for _ in range(5)]
        wait_until(lambda: running.metric("maskgate_queue_length") == 5)
        engine.gate.set()
        assert [each.result().status for each in waiting] == [200] * 6
    assert [len(batch) for batch in engine.batches] == [1, 4, 1]


def test_all_requests_share_a_limit_of_memory(serve: Serve) -> None:
    engine = FakeEngine()
    running = serve(engine, Settings(max_memory=100_000))
    large = encoded(np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8))
    assert 50_000 < len(large) < 100_000
    engine.gate.clear()
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(running.post, large)
        wait_until(lambda: engine.batches)
        answer = running.post(large)
        assert (answer.status, answer.reason) == (429, "busy")
        engine.gate.set()
        assert first.result().status == 200
    assert running.post(large).status == 200  # it is free again


def test_a_verdict_must_come_in_time(serve: Serve) -> None:
    engine = FakeEngine()
    running = serve(engine, Settings(answer_time=0.2, batch=1))
    engine.gate.clear()
    answer = running.post(PHOTO)
    assert (answer.status, answer.reason) == (503, "too_slow")
    engine.gate.set()
    wait_until(lambda: running.post(PHOTO).status == 200)


def test_a_failure_of_the_model_tells_nothing_of_it(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = FakeEngine()
    running = serve(engine)
    engine.error = RuntimeError("secret bytes of a face")
    answer = running.post(PHOTO)
    assert (answer.status, answer.reason) == (500, "internal")
    engine.error = None
    assert running.post(PHOTO).status == 200
    output = capfd.readouterr()
    assert "internal error: RuntimeError at conftest.py:" in output.err
    assert "secret" not in output.err + output.out + answer.body.decode()


def test_clients_beyond_the_limit_are_sent_away(serve: Serve) -> None:
    running = serve(settings=Settings(max_connections=3))
    idle = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(3)]
    try:
        wait_until(lambda: running.get("/healthz").status == 503)
    finally:
        for each in idle:
            each.close()
    wait_until(lambda: running.get("/healthz").status == 200)


def test_a_client_that_leaves_does_no_harm(serve: Serve) -> None:
    running = serve()
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(head("Content-Length: 900") + b"x")
    assert running.post(PHOTO).status == 200


def test_what_waits_is_answered_when_the_service_stops(serve: Serve) -> None:
    engine = FakeEngine()
    running = serve(engine, Settings(batch=1))
    engine.gate.clear()
    with ThreadPoolExecutor(3) as clients:
        waiting = [clients.submit(running.post, PHOTO) for _ in range(3)]
        wait_until(lambda: engine.batches and running.metric("maskgate_queue_length") == 2)
        running.server.should_exit = True
        threading.Timer(0.5, engine.gate.set).start()
        assert [each.result().status for each in waiting] == [200] * 3
    with pytest.raises(OSError):
        running.get("/readyz")


def test_health(serve: Serve) -> None:
    running = serve()
    assert running.get("/healthz").json == {"status": "ok"}
    assert running.get("/readyz").json == {"status": "ready"}
    running.door.batcher.refuse()
    answer = running.get("/readyz")
    assert (answer.status, answer.reason) == (503, "stopping")
    assert (running.post(PHOTO).reason, running.get("/nothing").reason) == ("stopping", "not_found")
    assert running.request("PUT", "/v1/verdict").reason == "method_not_allowed"
