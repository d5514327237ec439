"""What `/metrics` of a watched door says."""

import socket
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from maskgate.door.delivery import prometheus
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.prometheus import Metrics
from maskgate.door.delivery.protocol import CameraRate, Counting, Ticking
from maskgate.errors import MaskgateError
from tests.door.delivery import sample_events
from tests.door.delivery.receiver import wait_for


def read(metrics: Metrics) -> dict[str, float]:
    """All numbers, by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def test_it_counts_events_cameras_and_deliveries() -> None:
    counts = Counts("webhook")
    counts.waiting = lambda: 7
    counts.add_delivered()
    counts.add_failure()
    counts.add_lost("full", 3)
    metrics = Metrics(("127.0.0.1", 0), [counts], cameras=["front"], relay=lambda: True)
    assert isinstance(metrics, Counting) and isinstance(metrics, Ticking)
    try:
        assert read(metrics)['maskgate_watch_camera_up{camera="front"}'] == 0
        for event in (
            sample_events.started("front"), sample_events.person_seen(1),
            sample_events.person_seen(2),
            sample_events.first_verdict(1, waited=0.9), sample_events.changed(1),
            sample_events.changed(1, verdict="moment"), sample_events.changed(1, verdict="closer"),
            sample_events.door("go"), sample_events.left(1), sample_events.stopped("front"),
        ):  # fmt: skip
            metrics.send(event)
        rate = CameraRate("front", judged=90, dropped=4, rate=9.5, behind=0.05, is_up=True)
        metrics.count([rate])
        metrics.tick(0.0)
        numbers = read(metrics)
        expected = {
            'events_total{camera="front",event="seen"}': 2,
            'events_total{camera="front",event="door"}': 1,
            'verdicts_total{camera="front",verdict="go"}': 1,
            'verdicts_total{camera="front",verdict="put_on"}': 1,
            'events_total{camera="front",event="changed"}': 3,
            'waited_seconds_count{camera="front"}': 1,
            'waited_seconds_bucket{camera="front",le="0.75"}': 0,
            'waited_seconds_bucket{camera="front",le="1.0"}': 1,
            'unsure_share_count{camera="front"}': 1,
            'camera_up{camera="front"}': 1,
            'frames_per_second{camera="front"}': 9.5,
            'behind_seconds{camera="front"}': 0.05,
            'judged_frames_total{camera="front"}': 90,
            'dropped_frames_total{camera="front"}': 4,
            "relay_open": 1,
            'queue_length{sink="webhook"}': 7,
            'delivered_total{sink="webhook"}': 1,
            'delivery_failures_total{sink="webhook"}': 1,
            'lost_events_total{reason="full",sink="webhook"}': 3,
        }
        assert {name: numbers.get(f"maskgate_watch_{name}") for name in expected} == expected
        assert numbers["maskgate_watch_silent_seconds"] > 0
        metrics.send(sample_events.lost())
        assert read(metrics)['maskgate_watch_camera_up{camera="front"}'] == 0
    finally:
        metrics.close(1)


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    running = Metrics(("127.0.0.1", 0))
    yield running
    running.close(1)


def test_a_client_that_says_nothing_is_given_up(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert prometheus._Request.timeout == 5
    monkeypatch.setattr(prometheus._Request, "timeout", 0.2)
    address = ("127.0.0.1", metrics.port)
    with (
        socket.create_connection(address, timeout=10) as silent,
        socket.create_connection(address, timeout=10) as slow,
    ):
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert read(metrics)
        assert (silent.recv(1), slow.recv(1)) == (b"", b"")
    assert capfd.readouterr().err == ""


def test_clients_hold_only_so_many_threads(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus._Request, "clients", threading.BoundedSemaphore(1))
    address = ("127.0.0.1", metrics.port)
    with socket.create_connection(address, timeout=10) as first:
        first.sendall(b"GET ")
        wait_for(lambda: not prometheus._Request.clients._value)
        with socket.create_connection(address, timeout=2) as second:
            assert second.recv(1) == b""
    wait_for(lambda: prometheus._Request.clients._value)
    assert read(metrics)


def test_an_address_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(MaskgateError, match="cannot listen there"):
            Metrics(("127.0.0.1", port))
