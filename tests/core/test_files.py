"""Files and folders are whole or not there, whatever fails or is killed meanwhile."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskgate.core import files
from maskgate.errors import MaskgateError

KILLED = """
import os, signal, sys
from pathlib import Path
from maskgate.core import files

def write(beside):
    beside.write_text("half" * 100)
    print(beside, flush=True)
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    input()

files.replace(Path(sys.argv[1]), write)
"""


def started(path: Path, how: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), how], stdin=pipe, stdout=pipe, text=True
    )


def test_what_a_killed_writer_leaves_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with started(path, "kill") as process:
        assert process.wait() == -signal.SIGKILL
    assert [left.name for left in tmp_path.iterdir()] == [".table.csv.part"]

    def append(path: Path) -> None:
        with path.open("ab") as file:
            file.write(b"whole")

    files.replace(path, append)
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with started(path, "wait") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()  # it is writing
        second = multiprocessing.get_context("spawn").Process(
            target=files.replace_text, args=(path, "second")
        )
        second.start()
        files.remove_leftovers(tmp_path)  # leaves what is being written
        time.sleep(1)
        assert not path.exists()
        process.communicate("\n")
    second.join()
    assert second.exitcode == 0
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fails(path: Path) -> None:
        path.write_text("half")
        raise KeyError

    with pytest.raises(KeyError):
        files.replace(path, fails)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_lies_in_wait_is_not_followed(tmp_path: Path) -> None:
    target, path = tmp_path / "mine", tmp_path / "report.html"
    target.write_text("mine")
    (tmp_path / ".report.html.part").symlink_to(target)
    with pytest.raises(MaskgateError, match=r"report\.html: "):
        files.replace_text(path, "theirs")
    assert target.read_text() == "mine"


def test_leftovers_are_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.csv.part", ".b.12.part", "c.part", ".d", ".e.part.csv"):
        (tmp_path / name).touch()
    (tmp_path / ".folder.part").mkdir()
    (tmp_path / ".link.part").symlink_to(tmp_path / ".d")
    files.remove_leftovers(tmp_path, tmp_path / "gone")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".d", ".e.part.csv", ".folder.part", ".link.part", "c.part"]


def test_a_folder_goes_again_where_the_work_fails(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    with pytest.raises(KeyError), files.new_folder(inner):
        (inner / "c").mkdir()
        (inner / "c" / "file").touch()
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with files.new_folder(inner):
        (inner / "file").touch()
    with pytest.raises(KeyError), files.new_folder(inner):
        raise KeyError
    assert (inner / "file").exists(), "it was there before"
    with pytest.raises(MaskgateError, match="file"), files.new_folder(inner / "file" / "c"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_made_leaves_none(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(MaskgateError), files.new_folder(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_names_seen_from_a_link_to_itself_lead_out_as_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    names = ["a.png", "../a.png", "/a.png", str(tmp_path / "link" / "a.png")]
    assert files.outside(names, tmp_path / "link") == [False, True, True, False]


def test_where_no_folder_can_be_made_is_known_before(tmp_path: Path) -> None:
    files.check_folder(tmp_path)
    files.check_folder(tmp_path / "new" / "folder")
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to("gone")
    for place, message in (
        (file, "is a file; name a folder"),
        (file / "folder", "Not a directory; check that it can be read and written"),
        (link, "File exists; check that it can be read and written"),
    ):
        with pytest.raises(MaskgateError, match=f"^{place}: {message}"):
            files.check_folder(place)
    with pytest.raises(MaskgateError, match=f"^{file}: is a file; give another --out"):
        files.check_folder(file, remedy="give another --out")


def test_a_free_folder_is_the_first_that_does_not_exist(tmp_path: Path) -> None:
    for name in ("pages", "pages-2", "pages-3"):
        folder = files.free(tmp_path / "pages")
        assert folder == tmp_path / name
        folder.mkdir()


def test_a_file_that_exists_is_not_written_again(tmp_path: Path) -> None:
    files.check_new(tmp_path / "page.html")
    (tmp_path / "page.csv").write_text("earlier")
    with pytest.raises(MaskgateError, match=r"page\.csv: exists already; name another --out, or"):
        files.check_new(tmp_path / "page.html", tmp_path / "page.csv")
