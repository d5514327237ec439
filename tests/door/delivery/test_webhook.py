"""Events arrive at a webhook: signed, in order, each at least once, whatever the receiver does."""

import hashlib
import hmac
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path

import pytest

from maskgate.door.delivery.webhook import _seconds
from maskgate.door.events import Event, parse, to_json
from tests.door.delivery import outboxes, sample_events
from tests.door.delivery.outboxes import Delivery
from tests.door.delivery.receiver import Receiver, Request, wait_for

_SECRET = "5e" * 16
# Sends people without end, and says each track when it is stored.
_SENDER = """
import sys, time
from pathlib import Path
from tests.door.delivery import outboxes, sample_events
webhook = outboxes.webhook(sys.argv[1], Path(sys.argv[2]))
for event in sample_events.people(1_000_000):
    webhook.send(event)
    while webhook.unstored:
        time.sleep(0.0001)
    print(event.track, flush=True)
    time.sleep(0.002)
"""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def webhook(url: str, folder: Path, secret: str | None = _SECRET, limit: int = 100) -> Delivery:
    file = folder / "outbox.sqlite"
    return outboxes.webhook(url, file, secret, limit=limit, first_pause=0.02)


def track(request: Request) -> int:
    return int(getattr(parse(request.body), "track", 0))


def is_genuine(secret: str, request: Request) -> bool:
    """The signature derived anew."""
    seconds, digest = (
        each.split("=", 1)[1] for each in request.headers["Maskgate-Signature"].split(",")
    )
    signed = seconds.encode() + b"." + request.body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, digest) and abs(time.time() - int(seconds)) < 60


def test_events_arrive_signed_and_in_order(tmp_path: Path) -> None:
    events = [*sample_events.people(20), sample_events.door("go"), sample_events.lost()]
    with Receiver() as receiver:
        sink = webhook(receiver.url, tmp_path)
        for event in events:
            sink.send(event)
        sink.close(10)
    assert [each.body.decode() for each in receiver.requests] == [to_json(each) for each in events]
    for event, request in zip(events, receiver.requests, strict=True):
        assert request.headers["Idempotency-Key"] == str(event.id)
        assert request.headers["Content-Type"] == "application/json"
        assert is_genuine(_SECRET, request) and not is_genuine("other", request)
    assert sink.counts.delivered == len(events) and sink.counts.waiting() == 0


def test_without_a_secret_nothing_is_signed(tmp_path: Path) -> None:
    with Receiver() as receiver:
        sink = webhook(receiver.url, tmp_path, None)
        sink.send(sample_events.person_seen(1))
        sink.close(10)
    assert "Maskgate-Signature" not in receiver.requests[0].headers


@pytest.mark.parametrize("status", [500, 503, 408, 425, 429, 302])
def test_a_failed_attempt_is_repeated(status: int, tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.answer = lambda number, _: (status if number in (2, 3) else 200, {})
        sink = webhook(receiver.url, tmp_path)
        for event in sample_events.people(3):
            sink.send(event)
        sink.close(10)
    assert [track(each) for each in receiver.requests] == [1, 2, 2, 2, 3]
    assert (sink.counts.delivered, sink.counts.failures) == (3, 2) and not sink.counts.lost


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 410])
def test_a_wrong_secret_or_address_loses_nothing_and_waits_long(
    status: int, tmp_path: Path
) -> None:
    with Receiver() as receiver:
        receiver.answer = lambda number, _: (status if number in (1, 2) else 200, {})
        file = tmp_path / "outbox.sqlite"
        sink = outboxes.webhook(receiver.url, file, _SECRET, first_pause=0.02, long_pause=0.1)
        for event in sample_events.people(3):
            sink.send(event)
        wait_for(lambda: sink.counts.delivered == 3)
        sink.close(10)
    assert [track(each) for each in receiver.requests] == [1, 1, 1, 2, 3]
    assert sink.counts.failures == 2 and not sink.counts.lost
    times = [each.time for each in receiver.requests]
    assert times[1] - times[0] > 0.09 and times[2] - times[1] > 0.09


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refused_event_does_not_hold_up_the_others(
    status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Receiver() as receiver:
        receiver.answer = lambda _, request: (status if track(request) == 2 else 200, {})
        sink = webhook(receiver.url, tmp_path)
        for event in sample_events.people(3):
            sink.send(event)
        sink.close(10)
    assert [track(each) for each in receiver.requests] == [1, 2, 3]
    assert sink.counts.lost == {"refused": 1} and sink.counts.delivered == 2
    message = capsys.readouterr().err
    assert f"an event is given up: the receiver answered {status}" in message
    assert "a-secret-path" not in message


def test_a_receiver_says_when_to_come_back(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.answer = lambda number, _: (
            (503, {"Retry-After": "1"}) if number == 1 else (200, {})
        )
        sink = webhook(receiver.url, tmp_path)
        sink.send(sample_events.person_seen(1))
        sink.close(10)
    first, second = receiver.requests
    assert 0.95 < second.time - first.time < 5


def test_every_form_of_retry_after_is_read() -> None:
    assert _seconds("7") == 7 and _seconds("99999999") == 3600
    assert _seconds(None) is None and _seconds("soon") is None and _seconds("-1") is None
    date = _seconds(formatdate(time.time() + 30, usegmt=True))
    assert date is not None and 25 < date <= 30
    assert _seconds(formatdate(time.time() - 30, usegmt=True)) == 0


@pytest.mark.parametrize(
    "date",
    [f"Mon, 01 Jan {'9' * 40}", f"Mon, 01 Jan 2026 {'9' * 30}:00:00", "9" * 500, "²", "", "\t"],
)
def test_a_strange_retry_after_is_none(date: str) -> None:
    assert _seconds(date) in {None, 3600}


def test_an_answer_that_nobody_expects_ends_no_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raise_error(_: object) -> None:
        raise OverflowError("signed integer is greater than maximum")

    with Receiver() as receiver:
        receiver.answer = lambda _, request: (503 if track(request) == 2 else 200, {})
        with monkeypatch.context() as patch:
            patch.setattr("maskgate.door.delivery.webhook._seconds", raise_error)
            sink = webhook(receiver.url, tmp_path)
            for event in sample_events.people(3):
                sink.send(event)
            wait_for(lambda: sink.counts.failures >= 2)
        receiver.answer = lambda *_: (200, {})
        wait_for(lambda: sink.counts.delivered == 3)
        sink.close(10)
    assert "an unexpected error (OverflowError)" in capsys.readouterr().err


def test_a_damaged_event_does_not_hold_up_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = webhook("http://127.0.0.1:1/", tmp_path)
    for event in sample_events.people(4):
        sink.send(event)
    wait_for(lambda: sink.counts.waiting() == 4 and not sink.unstored)
    sink.close(0)
    with sqlite3.connect(tmp_path / "outbox.sqlite") as connection:
        connection.execute("UPDATE events SET body = CAST(X'7BFF7D' AS TEXT) WHERE number = 2")
        connection.execute("UPDATE events SET body = replace(body, '}', ')') WHERE number = 3")
    connection.close()
    with Receiver() as receiver:
        sink = webhook(receiver.url, tmp_path)
        wait_for(lambda: sink.counts.delivered == 2)
        sink.close(10)
    assert [track(each) for each in receiver.requests] == [1, 4]
    assert sink.counts.lost == {"disk": 2}
    assert "an event is given up: it is damaged on the disk" in capsys.readouterr().err


def test_pauses_double_and_vary(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.answer = lambda number, _: (200 if number == 7 else 500, {})
        sink = webhook(receiver.url, tmp_path)
        sink.send(sample_events.person_seen(1))
        wait_for(lambda: len(receiver.requests) == 7)
        sink.close(10)
    times = [each.time for each in receiver.requests]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for number, pause in enumerate(pauses):
        assert pause >= 0.5 * 0.02 * 2**number
    assert pauses[5] > 4 * pauses[0]


def test_a_receiver_that_comes_late_gets_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sink = webhook(f"http://127.0.0.1:{port}/a-secret-path", tmp_path)
    start = time.monotonic()
    for event in sample_events.people(10):
        sink.send(event)
    assert time.monotonic() - start < 2, "sending waits for no network"
    wait_for(lambda: sink.counts.failures >= 2)
    with Receiver(port) as receiver:
        wait_for(lambda: sink.counts.delivered == 10)
        sink.close(10)
    assert [track(each) for each in receiver.requests] == list(range(1, 11))
    message = capsys.readouterr().err
    assert message.count("cannot be reached") == 1 and "delivers again" in message
    assert "a-secret-path" not in message


def test_what_a_stopped_process_has_left_is_delivered_by_the_next(tmp_path: Path) -> None:
    sink = webhook("http://127.0.0.1:1/", tmp_path)
    events: list[Event] = list(sample_events.people(3))
    for event in events[:2]:
        sink.send(event)
    start = time.monotonic()
    sink.close(0.2)
    assert time.monotonic() - start < 5
    with Receiver() as receiver:
        sink = webhook(receiver.url, tmp_path)
        sink.send(events[2])
        sink.close(10)
    assert [track(each) for each in receiver.requests] == [1, 2, 3]


def test_a_full_queue_is_counted_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = webhook("http://127.0.0.1:1/", tmp_path, limit=5)
    for event in sample_events.people(8):
        sink.send(event)
    wait_for(lambda: sink.counts.lost == {"full": 3})
    assert sink.counts.waiting() == 5
    sink.close(0)
    assert capsys.readouterr().err.count("the queue is full") == 1


def test_a_kill_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    with Receiver() as receiver:
        command: list[str | Path] = [
            sys.executable,
            "-c",
            _SENDER,
            receiver.url,
            tmp_path / "outbox.sqlite",
        ]
        sender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert sender.stdout is not None
        lines = [sender.stdout.readline() for _ in range(60)]
        sender.send_signal(signal.SIGKILL)
        rest, _ = sender.communicate(timeout=30)
        printed_numbers = [int(each) for each in [*lines, *rest.split("\n")] if each.strip()]
        before = len(receiver.requests)
        sink = webhook(receiver.url, tmp_path, None)
        sink.close(20)
    arrived = [track(each) for each in receiver.requests]
    assert 0 < before <= len(arrived)
    assert sorted(set(arrived)) == list(range(1, max(printed_numbers[-1], arrived[-1]) + 1))
    once = list(dict.fromkeys(arrived))
    assert once == sorted(once) and len(arrived) - len(once) <= 1, "in order, and few twice"
