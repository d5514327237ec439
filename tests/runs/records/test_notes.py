"""Notes are kept in a run's folder, and leave the run as complete as it was."""

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from maskgate import runs
from maskgate.errors import MaskgateError
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder
from maskgate.runs.records import notes

Call = Callable[..., tuple[int, str, str]]
TEXT = "focal loss helps the old | undecided | too few people of 60"
HOSTILE = "<script>x</script>[red]\x1b[31m"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(trained, tmp_path / "run")))


def test_a_note_has_its_author_and_its_day(run: RunFolder) -> None:
    assert run.notes() == ()
    first = run.add_note(f" {TEXT}\n", "Kim  Min-ji")
    second = run.add_note("a second one")
    assert run.notes() == (first, second)
    assert (first.author, first.text) == ("Kim Min-ji", TEXT)
    assert second.author and re.fullmatch(r"\d{4}-\d\d-\d\d", second.date)
    assert str(first) == f"{first.date} Kim Min-ji: {TEXT}"
    runs.open_run(run.path).check()  # the run is not damaged


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (TEXT, [("hypothesis", "focal loss helps the old"), ("result", "undecided"),
                ("cause", "too few people of 60")]),
        ("a | b", [("hypothesis", "a"), ("result", "b")]),
        ("a", [("", "a")]),
        ("a || b", [("", "a || b")]),
        ("a | b | c | d", [("", "a | b | c | d")]),
    ],
)  # fmt: skip
def test_the_parts_of_a_note_have_titles(text: str, parts: list[tuple[str, str]]) -> None:
    assert notes.Note(time="2026-11-27T10:00:00+00:00", author="a", text=text).parts == parts


@pytest.mark.parametrize("text", ["", " \n", "x" * (notes.LONGEST + 1)])
def test_what_is_no_note_is_refused_and_writes_nothing(run: RunFolder, text: str) -> None:
    with pytest.raises(MaskgateError, match="the note"):
        run.add_note(text)
    with pytest.raises(MaskgateError, match="--author: is empty"):
        run.add_note(TEXT, " ")
    assert not run.notes_file.exists()


def test_notes_written_at_once_are_all_kept(run: RunFolder) -> None:
    texts = [f"note {number}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run.add_note, texts))
    assert sorted(note.text for note in run.notes()) == texts


def test_a_damaged_file_is_one_sentence_and_is_kept(run: RunFolder) -> None:
    for content in (b"", b"[]", b'{"notes": [{"text": ""}]}', b'{"notes": 1}'):
        run.notes_file.write_bytes(content)
        for work in (run.notes, lambda: run.add_note(TEXT)):
            with pytest.raises(MaskgateError, match=r"notes\.json: missing or damaged .*remove it"):
                work()
        assert run.notes_file.read_bytes() == content


def test_keys_of_a_later_version_stay(run: RunFolder) -> None:
    run.add_note("one", "a")
    content = json.loads(run.notes_file.read_text())
    content["notes"][0]["mood"] = "good"
    run.notes_file.write_text(json.dumps(content))
    run.add_note("two", "b")
    assert json.loads(run.notes_file.read_text())["notes"][0]["mood"] == "good"


def test_a_user_without_a_name_must_give_one(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise OSError("no such user")

    monkeypatch.setattr("getpass.getuser", nobody)
    with pytest.raises(MaskgateError, match="give one with --author"):
        run.add_note(TEXT)
    assert run.add_note(TEXT, "a").author == "a"


def test_the_command_shows_them_everywhere(run: RunFolder, call: Call) -> None:
    code, out, err = call("note", run.path, TEXT, "--author", "kim")
    assert (code, err) == (0, "") and f"kim: {TEXT}\n" in out
    assert call("note", run.path, f"{HOSTILE}\nsecond line", "--author", HOSTILE)[0] == 0
    code, out, err = call("note", run.path)
    assert (code, err) == (0, "") and f"kim: {TEXT}\n" in out
    assert "\x1b" not in out and HOSTILE.replace("\x1b", r"\x1b") in out
    code, out, err = call("runs", run.path.parent)
    assert code == 0 and "run: " + HOSTILE.replace("\x1b", r"\x1b") in out
    assert TEXT not in out and "second line" not in out  # the latest one's first line alone
    page = run_report.write(run, photos=False).read_text("utf-8")
    assert "<strong>Cause:</strong> too few people of 60" in page
    assert "<script>x" not in page and "&lt;script&gt;x" in page


@pytest.mark.slow
def test_a_comparison_shows_the_notes_of_its_runs(
    run: RunFolder, train: Callable[..., Path], call: Call, tmp_path: Path
) -> None:
    other = train(tmp_path / "other", "training.epochs=1")
    run.add_note(TEXT, "kim")
    code, _, err = call("compare", run.path, other, "-o", tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text("utf-8")
    assert code == 0, err
    assert page.count('<article class="note">') == 1
    assert f"<h3>{run.path}</h3>" in page and "focal loss helps the old" in page


def test_the_command_takes_notes_of_a_run_that_trains(run: RunFolder, call: Call) -> None:
    run.update_status(finished=None, files=None)
    for path in (run.path, run.path.parent):  # the run, and the folder where it is the only one
        code, out, err = call("note", path, TEXT, "--author", "kim")
        assert (code, err) == (0, "") and "once it is finished" in out
    code, out, err = call("note", run.path)
    assert (code, err, out.count(f"kim: {TEXT}\n")) == (0, "", 2)


def test_the_command_asks_which_of_two_runs(run: RunFolder, call: Call) -> None:
    shutil.copytree(run.path, run.path.with_name("other"))
    run.update_status(finished=None, files=None)
    code, _, err = call("note", run.path.parent, TEXT, "--author", "kim")
    assert code == 2 and "contains 2 runs (other, run); give one of them" in err
