"""Runs are read again when their files change, and one that cannot be read is one row."""

from pathlib import Path

import pytest

from maskgate.dashboard import page
from maskgate.dashboard.reader import Entry, Reader
from maskgate.runs import RunFolder
from maskgate.runs.sources import Source
from tests.dashboard.conftest import lock


def read(runs: Path) -> dict[str, Entry]:
    return {entry.row.name: entry for entry in Reader([Source(runs)]).read()}


def test_a_folder_that_may_not_be_read_is_a_damaged_row(
    golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(monkeypatch, golden / "two")
    entries = read(golden)
    assert (entries["one"].row.state, entries["two"].row.state) == ("finished", "damaged")
    assert "two/run.json: you may not read it (Permission denied)" in entries["two"].row.fault
    page.write([Source(golden)], golden.parent / "all.html")
    assert "you may not read it" in (golden.parent / "all.html").read_text("utf-8")


def test_a_fold_that_may_not_be_read_is_a_damaged_row(
    golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RunFolder(golden / "two").update_status(finished=None, files=None)
    assert read(golden)["two"].row.state == "unfinished"
    lock(monkeypatch, golden / "two" / "fold-1")
    entries = read(golden)
    assert (entries["one"].row.state, entries["two"].row.state) == ("finished", "damaged")
    assert "you may not read it" in entries["two"].row.fault
