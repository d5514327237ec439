import datetime
from pathlib import Path

import pytest

from maskgate.bundle import open_bundle
from maskgate.cli.door_report import _moment
from maskgate.core import default_model
from tests.cli.test_predict import Call
from tests.door.reporting.sample_events import day


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A day of dark pictures, judged by the default model."""
    manifest = open_bundle(default_model.folder()).manifest
    door = day(manifest.reference, seed=2, people=60, shifts={"brightness": -3.0})
    file = tmp_path / "events.jsonl"
    file.write_text(door.lines().replace("0" * 64, manifest.sha256))
    return file


def test_a_page_and_its_most_important_lines(call: Call, events: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, out, err = call("door-report", events, "--time-zone", "Asia/Seoul", "--out", page)
    assert (code, err) == (0, "")
    first, *_, last = out.splitlines()
    assert first == "2026-11-27 08:30 to 2026-11-27 18:30: 60 people"
    assert last == str(page) and page.is_file()
    assert "Pictures of camera front are darker than those the model was validated on" in out
    code, _, err = call("door-report", events, "--out", page)
    assert code == 2 and "page.html: " in err


def test_only_the_time_that_is_given(call: Call, events: Path, tmp_path: Path) -> None:
    words = ("--time-zone", "Asia/Seoul", "--out", tmp_path / "page.html")
    code, out, _ = call(
        "door-report", events, *words, "--from", "2026-11-27T10:00", "--to", "2026-11-27T12:00"
    )
    assert code == 0
    assert out.startswith("2026-11-27 10:00 to 2026-11-27 12:00: ")
    code, _, err = call("door-report", events, *words[:2], "--from", "2027-01-01")
    assert code == 2 and "no event from 2026-12-31" in err


def test_a_date_is_its_beginning_and_as_an_end_its_end() -> None:
    from zoneinfo import ZoneInfo

    seoul = ZoneInfo("Asia/Seoul")
    begin = datetime.datetime(2026, 11, 26, 15, tzinfo=datetime.UTC)
    assert _moment("2026-11-27", "--from", seoul) == begin
    assert _moment("2026-11-27", "--to", seoul) == begin + datetime.timedelta(days=1)
    assert _moment("2026-11-27T00:00", "--to", seoul) == begin
    assert _moment("2026-11-26T15:00Z", "--from", seoul) == begin
