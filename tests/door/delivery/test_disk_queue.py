"""What waits on the disk survives a kill, in order, and is bounded."""

import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.courier import Courier
from maskgate.door.delivery.disk_queue import DiskQueue
from maskgate.errors import DiskError, MaskgateError

# Puts numbers, and says each only when `put` has returned; every third is removed.
_WRITER = """
import sys
from pathlib import Path
from maskgate.door.delivery.disk_queue import DiskQueue
queue = DiskQueue(Path(sys.argv[1]))
for number in range(1, 1_000_000):
    queue.put(str(number), f'{{"number": {number}}}')
    print(number, flush=True)
    if number % 3 == 0:
        queue.remove(queue.first())
"""


def bodies(queue: DiskQueue) -> list[str]:
    """Take everything out."""
    taken = []
    while (waiting := queue.first()) is not None:
        taken.append(waiting.body)
        queue.remove(waiting)
    return taken


def test_it_is_first_in_first_out_and_keeps_what_waits(tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path / "new" / "queue.sqlite")
    for name in "abc":
        assert queue.put(name, name.upper()) == 0
    first = queue.first()
    assert first is not None and (first.id, first.body) == ("a", "A")
    assert queue.first() == first, "reading takes nothing out"
    queue.remove(first)
    queue.remove(first)  # twice is once
    assert len(queue) == 2
    sender = queue.sender
    queue.close()
    again = DiskQueue(tmp_path / "new" / "queue.sqlite")
    assert again.sender == sender and len(again) == 2
    again.put("d", "D")
    assert bodies(again) == ["B", "C", "D"]
    again.close()


def test_when_it_is_full_the_oldest_go(tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path / "queue.sqlite", limit=3)
    dropped = [queue.put(name, name) for name in "abcde"]
    assert dropped == [0, 0, 0, 1, 1] and bodies(queue) == ["c", "d", "e"]
    for name in "fgh":
        queue.put(name, name)
    queue.close()
    smaller = DiskQueue(tmp_path / "queue.sqlite", limit=2)
    assert smaller.put("i", "i") == 2 and bodies(smaller) == ["h", "i"]
    smaller.close()


def test_after_a_kill_everything_that_was_put_is_there(tmp_path: Path) -> None:
    file = tmp_path / "queue.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, file], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(100)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate(timeout=30)
    said = [int(each) for each in [*lines, *rest.split("\n")] if each.strip()]
    assert said == list(range(1, len(said) + 1))
    queue = DiskQueue(file)
    numbers = [int(each[11:-1]) for each in bodies(queue)]
    queue.close()
    # Each third put took one out; the last of each may have been under way.
    first = numbers[0]
    assert first - 1 in {len(said) // 3, len(said) // 3 - 1, (len(said) + 1) // 3}
    assert numbers == list(range(first, first + len(numbers)))
    assert numbers[-1] in {said[-1], said[-1] + 1}


def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path / "new" / "queue.sqlite")
    queue.put("a", "A")
    for path in (tmp_path / "new").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    queue.close()


def test_what_was_removed_is_nowhere_in_the_files(tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path / "queue.sqlite")
    for number in range(50):
        queue.put(str(number), "somebody was here " * 20)
    bodies(queue)
    queue.close()
    for path in tmp_path.iterdir():
        assert b"somebody" not in path.read_bytes(), path.name


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path / "queue.sqlite")
    with pytest.raises(MaskgateError, match="another maskgate watch uses this queue"):
        DiskQueue(tmp_path / "queue.sqlite")
    queue.put("a", "A")
    queue.close()


def test_a_damaged_file_is_moved_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "queue.sqlite"
    file.write_bytes(b"this is no database" * 100)
    queue = DiskQueue(file)
    queue.put("a", "A")
    assert bodies(queue) == ["A"]
    queue.close()
    assert (tmp_path / "queue.sqlite.damaged").read_bytes().startswith(b"this is")
    assert "a new queue is begun" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="check that it can be read and written"):
        DiskQueue(tmp_path / "file" / "queue.sqlite")
    queue = DiskQueue(tmp_path / "queue.sqlite")
    queue.close()
    with pytest.raises(MaskgateError, match="closed"):
        queue.put("a", "A")


def test_a_full_disk_loses_what_is_new_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue, counts = DiskQueue(tmp_path / "queue.sqlite"), Counts("webhook")
    courier = Courier(queue, counts, lambda waiting: None)  # not started: all events wait
    courier.put("a", "A")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    earlier = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        courier.put("b", "B" * 20_000)
        courier.put("c", "C" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, earlier)
    courier.put("d", "D")
    assert counts.lost == {"disk": 2} and bodies(queue) == ["A", "D"]
    assert capsys.readouterr().err.count("events are lost") == 1
    queue.close()
