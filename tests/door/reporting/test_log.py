import gzip
from pathlib import Path

import pytest

from maskgate.bundle.manifest import Manifest
from maskgate.door.events import Override, to_json
from maskgate.door.reporting import log
from maskgate.errors import MaskgateError
from tests.door.reporting.sample_events import START, day

ALERT = (
    '{"kind": "alert", "reason": "help", "door": "main", "time": "2026-11-27T01:00:00.000+00:00"}'
)
STATE = (
    '{"kind": "state", "state": "go", "reason": null, "door": "main", "kiosk": 1,'
    ' "policy": "worn", "since": "2026-11-27T00:50:00.000+00:00",'
    ' "time": "2026-11-27T00:50:0%d.000+00:00"}'
)


@pytest.fixture
def lines(manifest: Manifest) -> list[str]:
    return day(manifest.reference, seed=1, people=10).lines().splitlines(keepends=True)


def test_rotated_and_compressed_files_give_each_event_once_by_time(
    lines: list[str], tmp_path: Path
) -> None:
    (tmp_path / "events.jsonl").write_text("".join(lines[15:]))
    with gzip.open(tmp_path / "events.jsonl.1", "wt") as file:
        file.write("".join(lines[:20]))
    read = log.read([tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"])
    assert len(read.events) == len(lines)
    assert read.repeated == 5
    assert read.events == sorted(read.events, key=lambda event: event.time)
    assert read.notes == []


def test_an_override_of_watch_is_a_call_of_staff(lines: list[str], tmp_path: Path) -> None:
    override = Override(time=START, cameras=("front", "side"), policy="worn")
    (tmp_path / "events.jsonl").write_text("".join([*lines, *2 * [f"{to_json(override)}\n"]]))
    read = log.read([tmp_path / "events.jsonl"])
    assert [(call.kind, call.reason, call.door) for call in read.calls] == [
        ("override", "operator", "front, side")
    ]
    assert (len(read.events), read.repeated) == (len(lines), 1)


def test_half_a_last_line_is_skipped_and_told(lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(lines)[:-40])
    read = log.read([file])
    assert len(read.events) == len(lines) - 1
    assert read.notes == [f"{file}: the last line is incomplete and was skipped"]


def test_damaged_lines_are_counted(lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join([*lines[:3], "{}\n", *lines[3:], "\n", "x" * 300_000 + "\n"]))
    read = log.read([file])
    assert len(read.events) == len(lines)
    (note,) = read.notes
    assert note.startswith(f"{file}: ") and "first of them line 4 (not an event" in note


def test_a_compressed_file_that_is_cut_is_read_as_far_as_it_goes(
    lines: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl.gz"
    file.write_bytes(gzip.compress("".join(lines).encode())[:-20])
    read = log.read([file])
    assert read.notes[0] == f"{file}: the compressed file is incomplete; its beginning was read"
    assert 0 < len(read.events) <= len(lines)


def test_the_events_of_the_service_are_read_as_curl_saves_them(tmp_path: Path) -> None:
    file = tmp_path / "saved"
    states = "".join(f"event: state\ndata: {STATE % number}\n\n" for number in range(3))
    file.write_text(f"retry: 1000\n: open\n\n{states}id: 1\nevent: alert\ndata: {ALERT}\n\n")
    read = log.read([file])
    assert [call.reason for call in read.calls] == ["help"]
    assert len(read.states) == 1, "a new reader gets the last state again"
    assert read.notes == []


def test_files_without_events_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("hello\n")
    with pytest.raises(MaskgateError, match=r"holds no event \(a line was skipped.*line 1"):
        log.read([file])
    with pytest.raises(MaskgateError, match="gone"):
        log.read([tmp_path / "gone"])
