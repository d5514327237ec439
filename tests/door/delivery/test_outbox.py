"""What waits on the disk survives a kill, in order and for all sinks alike, and is bounded."""

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from maskgate.door.delivery import earlier_queues
from maskgate.door.delivery.outbox import Outbox, Waiting
from maskgate.errors import DiskError, DiskFullError, MaskgateError

# Stores numbers, and says each only when `store` has returned; every third leaves the first sink.
_WRITER = """
import sys
from pathlib import Path
from maskgate.door.delivery.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), ["a", "b"])
for number in range(1, 1_000_000):
    outbox.store([(str(number), f'{{"number": {number}}}')])
    print(number, flush=True)
    if number % 3 == 0:
        outbox.remove("a", outbox.oldest("a", 1))
"""


def put(outbox: Outbox, *names: str) -> dict[str, int]:
    return outbox.store([(name, name.upper()) for name in names])


def bodies(outbox: Outbox, sink: str = "a") -> list[str]:
    """Take everything out."""
    texts = []
    while waiting := outbox.oldest(sink, 3):
        texts += [each.body for each in waiting]
        outbox.remove(sink, waiting)
    assert outbox.count(sink) == 0
    return texts


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite", ["a", "b"])


def test_it_is_first_in_first_out_and_keeps_what_waits(tmp_path: Path) -> None:
    file = tmp_path / "new" / "outbox.sqlite"
    outbox = Outbox(file, ["a", "b"])
    assert put(outbox, "x", "y") == put(outbox, "z") == {"a": 0, "b": 0}
    first = outbox.oldest("a", 1)
    assert [(each.id, each.body) for each in first] == [("x", "X")]
    assert outbox.oldest("a", 1) == first, "reading takes nothing out"
    outbox.remove("a", first)
    outbox.remove("a", first)  # twice is once
    assert (outbox.count("a"), outbox.count("b")) == (2, 3)
    sender = outbox.sender
    outbox.close()
    again = Outbox(file, ["a", "b"])
    assert again.sender == sender and (again.count("a"), again.count("b")) == (2, 3)
    put(again, "w")
    assert bodies(again) == ["Y", "Z", "W"] and bodies(again, "b") == ["X", "Y", "Z", "W"]
    again.close()


def test_when_it_is_full_the_oldest_of_that_sink_go(tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite"
    outbox = Outbox(file, ["a", "b"], limit=3)
    lost = []
    for name in "cdefg":
        lost.append(put(outbox, name)["a"])
        outbox.remove("b", outbox.oldest("b", 1))
    assert lost == [0, 0, 0, 1, 1] and bodies(outbox) == ["E", "F", "G"]
    put(outbox, *"hij")
    outbox.close()
    smaller = Outbox(file, ["a", "b"], limit=2)
    assert put(smaller, "k") == {"a": 2, "b": 2}
    assert bodies(smaller) == bodies(smaller, "b") == ["J", "K"]
    smaller.close()


def test_a_sink_that_is_not_given_keeps_its_events_and_gets_no_more(
    tmp_path: Path, outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    put(outbox, "x", "y")
    outbox.close()
    alone = Outbox(tmp_path / "outbox.sqlite", ["b"])
    assert "2 events wait for a, which is not given this time" in capsys.readouterr().err
    put(alone, "z")
    assert bodies(alone, "b") == ["X", "Y", "Z"]
    alone.close()
    again = Outbox(tmp_path / "outbox.sqlite", ["a", "b"])
    assert bodies(again) == ["X", "Y"]
    again.close()


def test_after_a_kill_everything_that_was_stored_is_there(tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, file], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(100)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate(timeout=30)
    printed_numbers = [int(each) for each in [*lines, *rest.split("\n")] if each.strip()]
    assert printed_numbers == list(range(1, len(printed_numbers) + 1))
    outbox = Outbox(file, ["a", "b"])
    numbers, all_numbers = (
        [int(each[11:-1]) for each in bodies(outbox, sink)] for sink in ("a", "b")
    )
    outbox.close()
    # Each third store took one out; the last of each may have been under way.
    first = numbers[0]
    assert first - 1 in {
        len(printed_numbers) // 3,
        len(printed_numbers) // 3 - 1,
        (len(printed_numbers) + 1) // 3,
    }
    assert numbers == list(range(first, first + len(numbers)))
    assert numbers[-1] in {printed_numbers[-1], printed_numbers[-1] + 1}
    assert all_numbers == list(range(1, numbers[-1] + 1)), "either both sinks get one, or none"


def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "new" / "outbox.sqlite", ["a"])
    put(outbox, "x")
    for path in (tmp_path / "new").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    outbox.close()


def test_what_all_have_had_is_nowhere_in_the_files(tmp_path: Path, outbox: Outbox) -> None:
    outbox.store([(str(number), "somebody was here " * 20) for number in range(50)])
    bodies(outbox)
    assert len(bodies(outbox, "b")) == 50
    outbox.close()
    for path in tmp_path.iterdir():
        assert b"somebody" not in path.read_bytes(), path.name


def test_a_second_process_is_refused(tmp_path: Path, outbox: Outbox) -> None:
    with pytest.raises(MaskgateError, match="another maskgate watch uses this queue"):
        Outbox(tmp_path / "outbox.sqlite", ["a"])
    put(outbox, "x")
    outbox.close()


def test_a_damaged_file_is_moved_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "outbox.sqlite"
    file.write_bytes(b"this is no database" * 100)
    outbox = Outbox(file, ["a"])
    put(outbox, "x")
    assert bodies(outbox) == ["X"]
    outbox.close()
    assert (tmp_path / "outbox.sqlite.damaged").read_bytes().startswith(b"this is")
    assert "a new one is begun" in capsys.readouterr().err


def change(file: Path, *statements: str) -> None:
    """Change an outbox that nobody uses."""
    with sqlite3.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_text_that_is_no_longer_utf8_is_handed_out_as_damaged(tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite"
    outbox = Outbox(file, ["a"])
    outbox.store([(name, f'{{"id": "{name}", "camera": "front"}}') for name in "xyz"])
    outbox.close()
    change(
        file,
        "UPDATE events SET body = CAST(X'7BFF7D' AS TEXT) WHERE id = 'x'",
        "UPDATE events SET body = replace(body, ':', ';') WHERE id = 'y'",
        "UPDATE sender SET id = CAST(X'FFFE' AS TEXT)",
    )
    again = Outbox(file, ["a"])
    assert [each.is_whole for each in again.oldest("a", 5)] == [False, False, True]
    assert again.sender.isalnum() and again.sender != outbox.sender
    again.close()
    assert not Waiting(1, "x", '{"id": "other"}').is_whole and not Waiting(1, "x", "[]").is_whole


def test_what_belongs_to_nothing_is_removed(tmp_path: Path, outbox: Outbox) -> None:
    put(outbox, "x", "y", "z")
    outbox.close()
    file = tmp_path / "outbox.sqlite"
    change(file, "DELETE FROM events WHERE id = 'x'", "DELETE FROM pending WHERE number = 2")
    again = Outbox(file, ["a", "b"])
    assert (again.count("a"), again.count("b")) == (1, 1)
    with again._transaction() as connection:  # what a disk may do meanwhile
        connection.execute("DELETE FROM events")
    assert again.oldest("a", 1) == []
    again.close()
    last = Outbox(file, ["a"])
    assert last.count("a") == 0
    last.close()


def test_a_count_is_corrected_where_there_is_less(outbox: Outbox) -> None:
    put(outbox, "x")
    with outbox._transaction() as connection:
        connection.execute("DELETE FROM pending WHERE sink = 'a'")
    assert outbox.oldest("a", 1) == [] and (outbox.count("a"), outbox.count("b")) == (0, 1)
    outbox.close()


def test_an_earlier_damaged_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite"
    (tmp_path / "outbox.sqlite.damaged").mkdir()
    for text in (b"one" * 100, b"two" * 100):
        file.write_bytes(text)
        Outbox(file, ["a"]).close()
    assert (tmp_path / "outbox.sqlite.damaged-2").read_bytes() == b"one" * 100
    assert (tmp_path / "outbox.sqlite.damaged-3").read_bytes() == b"two" * 100


def test_a_file_that_cannot_be_moved_away_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "outbox.sqlite"
    file.write_bytes(b"this is no database" * 100)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(DiskError, match="Permission denied"):
        Outbox(file, ["a"])


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("PRAGMA user_version = 7", "of a newer maskgate"),
        ("CREATE TABLE events (name TEXT)", "not a queue of maskgate"),
    ],
)
def test_a_file_of_another_program_is_one_sentence_and_stays(
    tmp_path: Path, statement: str, message: str
) -> None:
    file = tmp_path / "outbox.sqlite"
    change(file, statement)
    with pytest.raises(MaskgateError, match=f"{message}.*give another --queue"):
        Outbox(file, ["a"])
    assert [path.name for path in tmp_path.iterdir()] == ["outbox.sqlite"]


def test_a_file_that_is_damaged_while_it_is_used_is_moved_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, lost = tmp_path / "outbox.sqlite", dict[str, int]()
    outbox = Outbox(file, ["a", "b"])
    outbox.on_loss = lost.__setitem__
    sender = outbox.sender
    outbox.store([(str(number), "x" * 2000) for number in range(3000)])  # more than SQLite keeps
    outbox._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    outbox._connection.execute("PRAGMA shrink_memory").fetchall()
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xa5" * (size - 4096))
    for _ in range(3):
        with pytest.raises(DiskError, match="malformed"):
            outbox.oldest("a", 5)
    assert outbox.oldest("a", 5) == [] and lost == {"a": 3000, "b": 3000}
    assert outbox.sender == sender
    put(outbox, "y")
    assert outbox.oldest("a", 1)[0].number > 3000, "no number comes again"
    assert bodies(outbox) == bodies(outbox, "b") == ["Y"]
    outbox.close()
    assert "moved to outbox.sqlite.damaged" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path, outbox: Outbox) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="check that it can be read and written"):
        Outbox(tmp_path / "file" / "outbox.sqlite", ["a"])
    outbox.close()
    with pytest.raises(MaskgateError, match="closed"):
        put(outbox, "x")


def test_a_full_disk_adds_nothing_and_loses_nothing(
    outbox: Outbox, small_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    put(outbox, "x")
    with small_disk(1000), pytest.raises(DiskError):
        outbox.store([("y", "Y"), ("z", "Z" * 20_000)])
    assert outbox.count("a") == outbox.count("b") == 1
    put(outbox, "w")
    assert bodies(outbox) == bodies(outbox, "b") == ["X", "W"]
    outbox.close()


def test_a_full_disk_is_called_full(outbox: Outbox) -> None:
    outbox._connection.execute("PRAGMA max_page_count = 20")  # what SQLite says of a full disk
    with pytest.raises(DiskFullError, match="free some space"):
        outbox.store([("x", "X" * 200_000)])
    outbox.close()


def test_counts_hold_while_several_threads_store_and_remove(outbox: Outbox) -> None:
    end = time.monotonic() + 1

    def take(sink: str) -> None:
        while time.monotonic() < end:
            outbox.remove(sink, outbox.oldest(sink, 5))

    threads = [threading.Thread(target=take, args=[sink]) for sink in ("a", "b")]
    for thread in threads:
        thread.start()
    while time.monotonic() < end:
        put(outbox, "x", "y")
    for thread in threads:
        thread.join()
    counts = outbox.count("a"), outbox.count("b")
    assert (len(bodies(outbox)), len(bodies(outbox, "b"))) == counts
    outbox.close()


def earlier_queue(file: Path, *names: str) -> None:
    """A queue as maskgate wrote it before it had an outbox."""
    with sqlite3.connect(file) as connection:
        connection.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE events"
            " (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body TEXT NOT NULL);"
            "CREATE TABLE sender (id TEXT NOT NULL);"
        )
        connection.executemany(
            "INSERT INTO events (id, body) VALUES (?, ?)", [(name, name.upper()) for name in names]
        )
    connection.close()


def test_what_waits_in_queues_of_earlier_versions_is_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier_queue(tmp_path / "webhook.sqlite", "x", "y")
    earlier_queue(tmp_path / "mqtt.sqlite")
    sinks = ["file", "webhook", "mqtt"]
    outbox = Outbox(tmp_path / "outbox.sqlite", sinks)
    for sink in sinks:
        earlier_queues.move(outbox, sink)
    put(outbox, "z")
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and "2 events wait from an earlier version" in errors
    assert [bodies(outbox, sink) for sink in sinks] == [["Z"], ["X", "Y", "Z"], ["Z"]]
    outbox.close()
    assert [path.name for path in tmp_path.iterdir()] == ["outbox.sqlite"]
