"""Whoever sends an event waits for no disk; one that fails is tried again, and losses count."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from maskgate.door.delivery import writer
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.file_sinks import FileReceiver, FileSink
from maskgate.door.delivery.outbox import Outbox
from maskgate.door.delivery.outbox_sink import OutboxSink
from maskgate.door.delivery.stream import EventFile
from maskgate.door.delivery.writer import Writer
from maskgate.door.events import Event, to_json
from tests.door.delivery import sample_events
from tests.door.delivery.receiver import wait_for
from tests.door.delivery.test_stream import tracks

SmallDisk = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that hangs in fsync until the event is set."""
    free, fsync = threading.Event(), os.fsync

    def wait(descriptor: int) -> None:
        assert free.wait(30)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", wait)
    yield free
    free.set()


def longest(send: Callable[[Event], None], count: int = 200) -> float:
    """The seconds that the slowest of so many calls takes."""
    times = []
    for event in sample_events.people(count):
        start = time.monotonic()
        send(event)
        times.append(time.monotonic() - start)
    return max(times)


def test_a_file_on_a_disk_that_hangs_holds_nobody_up(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = EventFile(tmp_path / "events.jsonl")
    free = request.getfixturevalue("slow_disk")
    sink = FileSink(file)
    assert longest(sink.send) < 1 and sink.counts.waiting() == 200
    assert sink.counts.delivered == 0
    free.set()
    sink.close(20)
    assert tracks(tmp_path / "events.jsonl") == list(range(1, 201))
    assert sink.counts.delivered == 200 and sink.counts.waiting() == 0


def test_an_outbox_on_a_disk_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", ["file"])
    receiver = FileReceiver(EventFile(tmp_path / "events.jsonl"))
    sink = OutboxSink(outbox, [receiver])
    with outbox._lock:  # as it is while a transaction waits for the disk
        assert longest(sink.send) < 1 and receiver.counts.waiting() == 200
    sink.close(20)
    assert tracks(tmp_path / "events.jsonl") == list(range(1, 201))
    assert receiver.counts.delivered == 200 and receiver.counts.waiting() == 0


def test_what_comes_while_the_disk_is_busy_is_written_together(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = EventFile(tmp_path / "events.jsonl")
    free, calls, append = request.getfixturevalue("slow_disk"), [], file.append
    file.append = lambda events: (calls.append(len(events)), append(events))[1]  # type: ignore[method-assign]
    sink = FileSink(file)
    sink.send(sample_events.person_seen(1))
    wait_for(lambda: calls)
    for event in sample_events.people(50):
        sink.send(event)
    free.set()
    sink.close(20)
    assert calls == [1, 50]


def test_on_a_full_disk_events_wait_and_are_written_when_there_is_room(
    tmp_path: Path, small_disk: SmallDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.jsonl"
    sink = FileSink(EventFile(path))
    sink.send(sample_events.person_seen(1))
    wait_for(lambda: sink.counts.delivered == 1)
    with small_disk(path.stat().st_size + 50):
        sink.send(sample_events.person_seen(2))
        wait_for(lambda: sink.counts.failures)
        sink.send(sample_events.person_seen(3))
    wait_for(lambda: sink.counts.delivered == 3)
    sink.close(1)
    assert tracks(path) == [1, 2, 3] and not sink.counts.lost
    message = capsys.readouterr().err
    assert message.count("cannot be written, and is tried again") == 1
    assert message.count("events are written again") == 1


@pytest.mark.slow
def test_what_cannot_be_written_until_the_end_is_counted_and_reported(
    tmp_path: Path, small_disk: SmallDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", ["file"])
    receiver = FileReceiver(EventFile(tmp_path / "events.jsonl"))
    sink = OutboxSink(outbox, [receiver])
    sink.send(sample_events.person_seen(1))
    wait_for(lambda: receiver.counts.delivered == 1 and not receiver.counts.waiting())
    with small_disk(1000):
        for event in sample_events.people(2):
            sink.send(event)
        wait_for(lambda: receiver.counts.failures)
        start = time.monotonic()
        sink.close(0.5)
        assert time.monotonic() - start < 5
    assert tracks(tmp_path / "events.jsonl") == [1] and receiver.counts.lost == {"disk": 2}
    assert "outbox: 2 events are lost" in capsys.readouterr().err


def test_a_slow_disk_has_time_in_the_end_though_none_is_left(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Another sink, such as a relay that hangs, may have taken it all."""
    file = EventFile(tmp_path / "events.jsonl")
    free = request.getfixturevalue("slow_disk")
    sink = FileSink(file)
    sink.send(sample_events.person_seen(1))
    sink.send(sample_events.person_seen(2))
    threading.Timer(0.5, free.set).start()
    sink.close(0)
    assert tracks(tmp_path / "events.jsonl") == [1, 2] and not sink.counts.lost


def test_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writer, "MOST", 5)
    free, counts, written = threading.Event(), [Counts("file"), Counts("mqtt")], list[int]()

    def write(items: list[int]) -> int:
        assert free.wait(20)
        written.extend(items)
        return len(items)

    slow = Writer[int]("outbox", write, counts)  # type: ignore[arg-type]
    for number in range(8):
        slow.add(number)
    assert [each.lost for each in counts] == [{"full": 3}] * 2
    free.set()
    assert slow.close(10) and written == [0, 1, 2, 3, 4]
    errors = capsys.readouterr().err
    assert errors.count("some events are lost from now on") == 1
    assert "outbox: 3 events are lost" in errors


@pytest.mark.slow
def test_an_unexpected_error_ends_no_writer(capsys: pytest.CaptureFixture[str]) -> None:
    """What comes beside the item that raises it is written."""
    counts, written, free = [Counts("file")], list[int](), threading.Event()

    def write(items: Sequence[int]) -> int:
        assert free.wait(20)
        if 2 in items:
            raise UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed")
        written.extend(items)
        return len(items)

    strange = Writer[int]("outbox", write, counts)
    for number in range(5):
        strange.add(number)
    free.set()
    wait_for(lambda: written == [0, 1, 3, 4], 20)
    assert strange.close(10)
    assert counts[0].lost == {"disk": 1} and counts[0].failures >= 3
    errors = capsys.readouterr().err
    assert "outbox: an event is given up: an unexpected error (UnicodeEncodeError)" in errors


def test_a_file_that_fails_gets_its_events_from_the_outbox_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "away"
    folder.mkdir()
    receiver = FileReceiver(EventFile(folder / "events.jsonl"))
    sink = OutboxSink(Outbox(tmp_path / "outbox.sqlite", ["file"]), [receiver])
    folder.rename(tmp_path / "elsewhere")
    event = sample_events.person_seen(1)
    sink.send(event)
    wait_for(lambda: receiver.counts.failures)
    assert not receiver.counts.lost and "; 1 event waits" in capsys.readouterr().err
    folder.mkdir()
    wait_for(lambda: receiver.counts.delivered == 1)
    sink.close(5)
    assert (folder / "events.jsonl").read_text("utf-8") == f"{to_json(event)}\n"
