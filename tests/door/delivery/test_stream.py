"""Lines of events: whole after a kill, rotated, and one process at a time."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maskgate.door.delivery.stream import EventFile, StandardOutput
from maskgate.door.events import parse, to_json
from maskgate.errors import MaskgateError
from tests.door.delivery import sample_events

# Sends people without end, and says each track only when `send` has returned.
_WRITER = """
import sys
from pathlib import Path
from maskgate.door.delivery.stream import EventFile
from tests.door.delivery import sample_events
file = EventFile(Path(sys.argv[1]), megabytes=0.01, keep=1000)
for event in sample_events.people(1_000_000):
    file.send(event)
    print(event.track, flush=True)
"""


def tracks(*files: Path) -> list[int]:
    """The tracks of the events in files; each line is whole."""
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    return [getattr(parse(line), "track", 0) for line in lines]


def test_each_event_is_a_line_at_once(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "events.jsonl")
    events = list(sample_events.people(3))
    for number, event in enumerate(events, 1):
        file.send(event)
        lines = (tmp_path / "events.jsonl").read_text("utf-8").splitlines()
        assert lines == [to_json(each) for each in events[:number]]
    assert file.counts.delivered == 3 and not file.counts.lost
    file.close(1)
    again = EventFile(tmp_path / "events.jsonl")
    again.send(events[0])
    again.close(1)
    assert tracks(tmp_path / "events.jsonl") == [1, 2, 3, 1]


def test_standard_output_is_flushed(capsys: pytest.CaptureFixture[str]) -> None:
    StandardOutput().send(sample_events.seen(7))
    assert parse(capsys.readouterr().out).event == "seen"


def test_full_files_are_rotated_and_the_oldest_removed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    length = len(to_json(sample_events.seen(1))) + 1
    file = EventFile(path, megabytes=2.5 * length / 1e6, keep=2)
    for event in sample_events.people(9):
        file.send(event)
    file.close(1)
    kept = [tmp_path / "events.jsonl.2", tmp_path / "events.jsonl.1", path]
    assert [tracks(each) for each in kept] == [[5, 6], [7, 8], [9]]
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_none_is_kept_if_none_is_to_be(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "events.jsonl", megabytes=0.0001, keep=0)
    for event in sample_events.people(3):
        file.send(event)
    file.close(1)
    assert tracks(*tmp_path.iterdir()) == [3]


@pytest.mark.parametrize("half", [b'{"id": "', b"x" * 200_000])
def test_half_a_line_at_the_end_is_cut_off(
    half: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(f"{to_json(sample_events.seen(1))}\n".encode() + half)
    file = EventFile(path)
    file.send(sample_events.seen(2))
    file.close(1)
    assert tracks(path) == [1, 2]
    assert f"is cut off ({len(half)} bytes)" in capsys.readouterr().err


def test_after_a_kill_all_files_together_have_every_event(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(100)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate(timeout=30)
    said = [int(each) for each in [*lines, *rest.split("\n")] if each.strip()]
    EventFile(path).close(1)
    old = sorted(tmp_path.glob("*.jsonl.*"), key=lambda each: -int(each.suffix[1:]))
    assert len(old) > 1
    written = tracks(*old, path)
    assert written[: len(said)] == said and len(written) <= len(said) + 1


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    file = EventFile(path)
    file.send(sample_events.seen(1))
    path.rename(tmp_path / "moved")
    file.send(sample_events.seen(2))
    path.unlink()
    file.send(sample_events.seen(3))
    file.close(1)
    assert tracks(tmp_path / "moved") == [1] and tracks(path) == [3]


def test_a_full_disk_loses_an_event_and_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    file = EventFile(path)
    file.send(sample_events.seen(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    earlier = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:  # the limit of a file's size is as a full disk: a part of the line is written
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, limits[1]))
        file.send(sample_events.seen(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, earlier)
    file.send(sample_events.seen(3))
    file.close(1)
    assert tracks(path) == [1, 3] and file.counts.lost == {"disk": 1}
    message = capsys.readouterr().err
    assert "events are lost" in message and "written again" in message


def test_what_cannot_be_a_file_of_events_is_refused(tmp_path: Path) -> None:
    for path, message in [
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "events", "does not exist"),
        (Path("/dev/null"), "is no file"),
    ]:
        with pytest.raises(MaskgateError, match=message):
            EventFile(path)
    file = EventFile(tmp_path / "events.jsonl")
    with pytest.raises(MaskgateError, match="another maskgate writes to this file"):
        EventFile(tmp_path / "events.jsonl")
    file.close(1)
