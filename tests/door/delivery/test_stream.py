"""Lines of events: whole after a kill, rotated, and one process at a time."""

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from maskgate.door.delivery.stream import EventFile, StandardOutput
from maskgate.door.events import parse, to_json
from maskgate.errors import DiskError, MaskgateError
from tests.door.delivery import sample_events

# Appends people without end, and says each track only when `append` has returned.
_WRITER = """
import sys
from pathlib import Path
from maskgate.door.delivery.stream import EventFile
from maskgate.door.events import to_json
from tests.door.delivery import sample_events
file = EventFile(Path(sys.argv[1]), megabytes=0.01, keep=1000)
for event in sample_events.people(1_000_000):
    file.append([to_json(event)])
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
        file.append([to_json(event)])
        lines = (tmp_path / "events.jsonl").read_text("utf-8").splitlines()
        assert lines == [to_json(each) for each in events[:number]]
    file.close()
    again = EventFile(tmp_path / "events.jsonl")
    again.append([to_json(events[0])])
    again.close()
    assert tracks(tmp_path / "events.jsonl") == [1, 2, 3, 1]


def test_standard_output_is_flushed(capsys: pytest.CaptureFixture[str]) -> None:
    StandardOutput().send(sample_events.person_seen(7))
    assert parse(capsys.readouterr().out).event == "seen"


def test_full_files_are_rotated_and_the_oldest_removed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    length = len(to_json(sample_events.person_seen(1))) + 1
    file = EventFile(path, megabytes=2.5 * length / 1e6, keep=2)
    for event in sample_events.people(9):
        file.append([to_json(event)])
    file.close()
    kept = [tmp_path / "events.jsonl.2", tmp_path / "events.jsonl.1", path]
    assert [tracks(each) for each in kept] == [[5, 6], [7, 8], [9]]
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_none_is_kept_if_none_is_to_be(tmp_path: Path) -> None:
    file = EventFile(tmp_path / "events.jsonl", megabytes=0.0001, keep=0)
    for event in sample_events.people(3):
        file.append([to_json(event)])
    file.close()
    assert tracks(*tmp_path.iterdir()) == [3]


@pytest.mark.parametrize("half", [b'{"id": "', b"x" * 200_000])
def test_half_a_line_at_the_end_is_cut_off(
    half: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(f"{to_json(sample_events.person_seen(1))}\n".encode() + half)
    file = EventFile(path)
    file.append([to_json(sample_events.person_seen(2))])
    file.close()
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
    printed_numbers = [int(each) for each in [*lines, *rest.split("\n")] if each.strip()]
    EventFile(path).close()
    old = sorted(tmp_path.glob("*.jsonl.*"), key=lambda each: -int(each.suffix[1:]))
    assert len(old) > 1
    written = tracks(*old, path)
    assert (
        written[: len(printed_numbers)] == printed_numbers
        and len(written) <= len(printed_numbers) + 1
    )


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    file = EventFile(path)
    file.append([to_json(sample_events.person_seen(1))])
    path.rename(tmp_path / "moved")
    file.append([to_json(sample_events.person_seen(2))])
    path.unlink()
    file.append([to_json(sample_events.person_seen(3))])
    file.close()
    assert tracks(tmp_path / "moved") == [1] and tracks(path) == [3]


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, small_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "events.jsonl"
    file = EventFile(path)
    lines = [to_json(event) for event in sample_events.people(3)]
    assert file.append(lines[:1]) == 1
    before = path.read_bytes()
    with (
        small_disk(path.stat().st_size + 50),  # takes a part of the line
        pytest.raises(DiskError, match="check that it can be"),
    ):
        file.append(lines[1:])
    assert path.read_bytes() == before
    assert file.append(lines[1:]) == 2
    file.close()
    assert tracks(path) == [1, 2, 3]


def test_what_is_appended_together_begins_a_new_file_where_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [to_json(event) for event in sample_events.people(9)]
    file = EventFile(path, megabytes=2.5 * (len(lines[0]) + 1) / 1e6, keep=9)
    counts: list[int] = []
    while sum(counts) < 9:
        counts.append(file.append(lines[sum(counts) :]))
    file.close()
    assert counts == [2, 2, 2, 2, 1]
    kept = [*(tmp_path / f"events.jsonl.{number}" for number in (4, 3, 2, 1)), path]
    assert [tracks(each) for each in kept] == [[1, 2], [3, 4], [5, 6], [7, 8], [9]]


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
    file.close()
