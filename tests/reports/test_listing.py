"""The list of runs: sorted, filtered, and exported with all columns."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from maskgate.reports import listing, run_export, run_rows
from maskgate.reports.run_rows import RunRow
from maskgate.reports.run_table import Order
from maskgate.runs import RunFolder
from maskgate.runs.records.notes import Note
from maskgate.runs.records.results import Results
from maskgate.runs.sources import Source

Call = Callable[..., tuple[int, str, str]]
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def rows() -> list[RunRow]:
    """Three rows of one run: b and a with scores, c damaged."""
    row = run_rows.read_row(RunFolder(GOLDEN / "plain"), Source(GOLDEN))
    assert row is not None and row.results is not None and row.results.score is not None
    score = row.results.score.model_copy(update={"value": 0.9, "high": 0.95})
    better = replace(row, name="a", results=row.results.model_copy(update={"score": score}))
    damaged = RunRow(run=row.run, name="c", fault="c: damaged")
    return [replace(row, name="b", differs=("loss.name=Focal",)), damaged, better]


@pytest.mark.parametrize(("order", "names"), [("date", "bca"), ("score", "abc"), ("name", "abc")])
def test_orders(order: Order, names: str, rows: list[RunRow]) -> None:
    assert "".join(row.name for row in listing.arranged(rows, order)) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("FOCAL", "b"),
        ("Plain", "ba"),
        ("c", "bc"),
        ("", "bca"),
        ("[", ""),
        ("0.9", ""),
        ("2026", ""),
    ],
)
def test_a_filter_looks_in_name_recipe_and_settings_in_any_case(
    text: str, names: str, rows: list[RunRow]
) -> None:
    assert "".join(row.name for row in listing.arranged(rows, "date", text)) == names


def test_a_run_given_as_the_current_folder_has_its_name(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(GOLDEN / "plain", tmp_path / "plain"))
    RunFolder(run).add_note("too short", "kim")
    monkeypatch.chdir(run)
    code, out, _ = call("runs", ".")
    assert code == 0 and out.count("plain  plain") == 1
    assert "\nplain: too short\n" in out


def test_the_list_is_exported(call: Call, trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    code, out, _ = call("runs", trained.parent, "--json", "--csv", file)
    assert code == 0
    status, results = RunFolder(trained).status(), RunFolder(trained).metrics()
    values = next(each for each in json.loads(out) if each["run"] == trained.name)
    assert results.score is not None
    score = {"value": results.score.value, "low": results.score.low, "high": results.score.high}
    assert values["score"] == score
    assert values["mask_macro_f1"]["value"] == results.attributes["mask"].macro_f1.value
    assert (values["seed"], values["seconds"]) == (7, status.seconds)
    assert (values["state"], values["people_scored"]) == ("finished", results.people)
    assert values["notes"] == values["differs"] == []
    with file.open(encoding="utf-8", newline="") as content:
        row = next(each for each in csv.DictReader(content) if each["run"] == trained.name)
    assert {key for key in row if not key.startswith(("score_", "mask", "gender", "age"))} == {
        key for key in values if not key.startswith(("score_", "mask", "gender", "age"))
    }
    assert [float(row[key]) for key in ("score", "score_low", "score_high")] == [*score.values()]
    code, _, error = call("runs", trained.parent, "--csv", file)
    assert code == 2 and "exists already; name another --csv" in error


def test_text_of_people_is_no_formula_in_the_csv(rows: list[RunRow], tmp_path: Path) -> None:
    note = Note(time="2026-11-27T10:00:00+00:00", author="=cmd|calc", text="=1+1")
    plain, _, other = rows
    written = [
        replace(plain, name="-1", notes=(note,), differs=("@a=1", "=b")),
        replace(other, notes=(note.model_copy(update={"author": "kim"}),)),
    ]
    run_export.write_csv(written, tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as content:
        first, second = csv.DictReader(content)
    assert (first["run"], first["notes"]) == ("'-1", "'=cmd|calc: =1+1")
    assert first["differs"] == "'@a=1\n=b"  # one cell, whose beginning alone counts
    assert (second["run"], second["notes"]) == ("a", "kim: =1+1")
    negative = replace(plain, results=_with_score(plain, -0.5))
    run_export.write_csv([negative], tmp_path / "negative.csv")
    assert ",-0.5," in (tmp_path / "negative.csv").read_text("utf-8")
    assert "'" not in json.loads(run_export.as_json(written))[0]["run"]


def _with_score(row: RunRow, value: float) -> Results:
    assert row.results is not None and row.results.score is not None
    score = row.results.score.model_copy(update={"value": value})
    return row.results.model_copy(update={"score": score})


def test_the_seed_of_a_system_is_that_of_its_first_member(call: Call) -> None:
    code, out, _ = call("runs", GOLDEN, "--json")
    assert code == 0
    seeds = {each["run"]: (each["system"], each["seed"]) for each in json.loads(out)}
    members = RunFolder(GOLDEN / "together").settings()["members"]
    assert seeds["together"] == (True, next(iter(members.values()))["seed"])
