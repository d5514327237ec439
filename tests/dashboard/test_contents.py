"""What the page shows of runs: groups, curves, verdicts as `compare` gives them, and settings."""

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from maskgate.dashboard import contents, page, server
from maskgate.dashboard.grouping import Group, Grouper, Grouping
from maskgate.dashboard.reader import Entry, Reader
from maskgate.dashboard.verdicts import Verdicts
from maskgate.errors import MaskgateError
from maskgate.evaluation import compare
from maskgate.reports import compare as compare_page
from maskgate.runs import sources
from maskgate.runs.sources import Source
from tests.dashboard.conftest import HOSTILE, stopped_after

Call = Callable[..., tuple[int, str, str]]
Train = Callable[..., Path]
OTHER = f"kim/{HOSTILE.replace('/', '|')}"


def group_of(grouping: Grouping, name: str) -> Group:
    return next(group for group in grouping.groups if group.id == name)


@pytest.fixture(scope="module")
def verdicts(grouping: Grouping) -> Verdicts:
    compared = Verdicts()
    compared.compare_best(grouping)
    return compared


@pytest.fixture(scope="module")
def page_data(entries: dict[str, Entry], grouping: Grouping, verdicts: Verdicts) -> dict[str, Any]:
    values = list(entries.values())
    data = contents.collect(values, grouping, verdicts, lambda run, name: f"to {name}")
    loaded: dict[str, Any] = json.loads(json.dumps(data))
    return loaded


def test_seeds_of_one_recipe_are_a_group(grouping: Grouping) -> None:
    names = {group.id: [row.name for row in group.rows] for group in grouping.groups}
    assert names["kim/plain-7"] == ["kim/plain-7", "kim/plain-1"]
    assert group_of(grouping, "kim/plain-7").name == "kim/plain"
    assert all(len(rows) == 1 for name, rows in names.items() if name != "kim/plain-7")


def test_only_scored_runs_are_compared_and_reasons_say_why_not(grouping: Grouping) -> None:
    sets = {group.id: group.validation_set for group in grouping.groups}
    assert sets["kim/plain-7"] == sets[OTHER] is not None
    assert sets["lee/three"] not in (None, sets[OTHER])
    assert [sets[f"lee/{name}"] for name in ("smoke", "damaged", "unfinished")] == [None] * 3
    (reason,) = grouping.reasons.values()
    assert reason.startswith("{other}: people are in other folds than in {first}; ")


def test_of_a_seed_the_newest_run_is_compared(
    entries: dict[str, Entry], team: Path, tmp_path: Path
) -> None:
    shutil.copytree(team / "kim", tmp_path / "kim")
    shutil.copytree(team / "kim" / "plain-1", tmp_path / "lee" / "again")
    team_entries = Reader(sources.read([str(tmp_path / "kim"), str(tmp_path / "lee")])).read()
    grouping = Grouper().group([entry.row for entry in team_entries])
    group = group_of(grouping, "kim/plain-7")
    assert [row.name for row in group.rows] == ["kim/plain-7", "kim/plain-1", "lee/again"]
    assert [row.name for row in group.compared] == ["kim/plain-7", "lee/again"]


def test_a_verdict_is_that_of_compare(verdicts: Verdicts, grouping: Grouping, team: Path) -> None:
    (verdict,) = verdicts.by_pair.values()
    first, second = (group_of(grouping, name) for name in (verdict.reference, verdict.group))
    assert first.mean is not None and second.mean is not None and first.mean <= second.mean
    paths = [row.run.path for group in (first, second) for row in group.rows]
    summary = compare.compare(paths)
    (comparison,) = summary.comparisons
    assert verdict.verdict == comparison.verdict
    expected = [each.corrected for each in comparison.differences.values()]
    assert list(verdict.differences.values()) == expected
    assert compare_page.signed(comparison.score) in verdict.sentence
    assert first.name in verdict.sentence and second.name in verdict.sentence
    assert verdict.notes == summary.notes
    place = 0 if first.id == "kim/plain-7" else 1
    assert verdicts.scores == {"kim/plain-7": summary.scores[place][compare.SCORE].score}


def test_two_groups_are_compared_on_request(verdicts: Verdicts, grouping: Grouping) -> None:
    one, two = (group_of(grouping, name) for name in ("kim/plain-7", OTHER))
    new_verdicts = Verdicts()
    assert new_verdicts.compare(one, two) == new_verdicts.compare(two, one)
    assert new_verdicts.by_pair == verdicts.by_pair
    with pytest.raises(MaskgateError, match="people are in other folds"):
        new_verdicts.compare(one, group_of(grouping, "lee/three"))


def test_a_verdict_on_runs_that_have_changed_is_forgotten(grouping: Grouping) -> None:
    compared = Verdicts()
    compared.compare_best(grouping)
    compared.forget_changed(grouping)
    assert compared.by_pair and compared.scores
    fewer = [row for group in grouping.groups for row in group.rows if row.name != "kim/plain-1"]
    compared.forget_changed(Grouper().group(fewer))
    assert not compared.by_pair and not compared.scores


def damage(path: Path) -> None:
    """Change a byte of a file; its size stays the same."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def three(team: Path, train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kim's runs, of which one is called `other`, and a third recipe's."""
    runs = Path(shutil.copytree(team / "kim", tmp_path_factory.mktemp("three") / "runs"))
    (runs / OTHER.removeprefix("kim/")).rename(runs / "other")
    train(runs / "third", "optimizer.lr=0.01")
    return runs


@pytest.mark.parametrize("file", ["oof.parquet", "photos.parquet"])
@pytest.mark.parametrize("damaged", ["plain-1", "other"])
def test_a_damaged_run_is_left_out_and_named(
    damaged: str, file: str, three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Path(shutil.copytree(three, tmp_path / "runs"))
    damage(runs / damaged / file)
    entries = Reader([Source(runs)]).read()
    grouping, verdicts = Grouper().group([entry.row for entry in entries]), Verdicts()
    verdicts.compare_best(grouping)
    compared = {name for pair in verdicts.by_pair for name in pair}
    assert compared == {"plain-7", "other", "third"} - {damaged}
    assert list(verdicts.faults) == [damaged]
    assert f"warning: left out, {runs / damaged / file}: " in capsys.readouterr().err
    data = contents.collect(entries, grouping, verdicts, lambda run, name: "")
    faults = {run["name"]: run["fault"] for run in data["runs"] if run["fault"]}
    assert list(faults) == [damaged] and file in faults[damaged]
    if damaged == "other":
        one, other = (group_of(grouping, name) for name in ("plain-7", "other"))
        with pytest.raises(MaskgateError, match=file):
            verdicts.compare(one, other)


def test_a_run_whose_photos_cannot_be_read_is_named(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "one"))
    damage(run / "photos.parquet")
    grouping = Grouper().group([entry.row for entry in Reader([Source(tmp_path)]).read()])
    assert "photos.parquet" in grouping.faults["one"]


def test_curves_are_the_history_of_each_fold(entries: dict[str, Entry], team: Path) -> None:
    history = pd.read_csv(team / "kim" / "plain-1" / "history.csv")
    folds = entries["kim/plain-1"].folds
    assert [fold["fold"] for fold in folds] == [0, 1]
    for fold in folds:
        rows = history[history["fold"] == fold["fold"]]
        assert fold["epoch"] == rows["epoch"].tolist()
        for name in ("train_loss", "valid_loss", "valid_score"):
            assert fold[name] == pytest.approx(rows[name].tolist(), rel=1e-4)


def test_an_unfinished_run_has_its_epochs_so_far(entries: dict[str, Entry]) -> None:
    entry = entries["lee/unfinished"]
    assert entry.row.state == "unfinished"
    assert [(fold["fold"], fold["epoch"]) for fold in entry.folds] == [(0, [1, 2, 3]), (1, [1])]
    assert all(math.isfinite(fold["valid_score"][0]) for fold in entry.folds)
    progress = entry.progress
    assert progress is not None
    assert (progress.folds, progress.trained) == (2, 1)
    assert (progress.epoch, progress.epochs) == (1, 3)
    assert progress.updated > entry.row.started[:10]


@pytest.mark.slow
def test_a_system_in_training_shows_the_progress_of_its_members(
    system: Callable[..., None], tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "vote"
    with stopped_after(7):
        system(run)
    live = server.Live([Source(run.parent)], "Kim")
    tag = _check_second(live, trained=0, epoch=1)
    with stopped_after(4):
        system(run)
    assert _check_second(live, trained=1, epoch=2) != tag
    system(run)
    (run_data,) = json.loads(live.content()[1])["runs"]
    assert (run_data["state"], run_data["progress"]) == ("finished", None)


def _check_second(live: server.Live, trained: int, epoch: int) -> str:
    """Check that the page shows the second member being trained; the tag of its content."""
    tag, content = live.content()
    (run,) = json.loads(content)["runs"]
    assert (run["state"], run["system"], run["fault"]) == ("unfinished", True, "")
    members = run["progress"]["members"]
    states = [(each["name"], each["finished"]) for each in members]
    assert states == [("one", True), ("two", False), ("three", False)]
    assert members[0]["progress"] is members[2]["progress"] is None
    second = members[1]["progress"]
    assert (second["trained"], second["folds"]) == (trained, 2)
    assert (second["epoch"], second["epochs"]) == (epoch, 3)
    assert run["progress"]["updated"] >= second["updated"] > run["started"][:10]
    return tag


def test_a_run_is_read_again_only_when_its_files_change(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "runs" / "one"))
    reader = Reader([Source(tmp_path / "runs")])
    (before,) = reader.read()
    with monkeypatch.context() as patch:
        patch.setattr("maskgate.reports.run_rows.read_row", None)
        assert reader.read() == [before]
    before.row.run.add_note("seen", "Kim")
    (after,) = reader.read()
    assert [note.text for note in after.row.notes] == ["seen"]
    shutil.rmtree(run)
    with pytest.raises(MaskgateError, match="contains no runs"):
        reader.read()


def test_runs_have_all_columns(page_data: dict[str, Any], entries: dict[str, Entry]) -> None:
    by_name = {run["name"]: run for run in page_data["runs"]}
    assert list(by_name) == list(entries)
    run, row = by_name["kim/plain-1"], entries["kim/plain-1"].row
    assert row.score is not None and row.results is not None and row.status is not None
    assert run["score"] == [row.score.value, row.score.low, row.score.high]  # to the last digit
    assert (run["people"], run["photos"]) == (row.results.people, row.results.photos)
    assert (run["seconds"], run["rate"]) == (row.status.seconds, row.status.photos_per_second)
    assert (run["seed"], run["differs"], run["reference"]) == (1, ["seed=1"], "kim/plain-7")
    assert run["report"] == "to kim/plain-1"
    states = {name: run["state"] for name, run in by_name.items() if run["state"] != "finished"}
    assert states == {
        "lee/smoke": "smoke", "lee/damaged": "damaged", "lee/unfinished": "unfinished",
    }  # fmt: skip
    assert "metrics.json: missing or damaged" in by_name["lee/damaged"]["fault"]


def test_settings_are_those_that_differ(page_data: dict[str, Any]) -> None:
    assert set(page_data["keys"]) == {"optimizer.lr", "folds.count", "training.epochs"}
    values = {group["id"]: group["settings"] for group in page_data["groups"]}
    assert values[OTHER]["optimizer.lr"] == 0.02
    assert values["lee/three"] == {"optimizer.lr": 0.003, "folds.count": 3, "training.epochs": 1}
    assert values["lee/smoke"] is values["lee/damaged"] is None


def test_the_page_needs_no_network_and_escapes_names(folders: list[Source], tmp_path: Path) -> None:
    page.write(folders, tmp_path / "all.html")
    text = (tmp_path / "all.html").read_text("utf-8")
    assert "<title>Runs of kim, lee: dashboard of maskgate</title>" in text
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    assert 'onerror="alert' not in text and "<script>alert" not in text
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert embedded is not None
    data = json.loads(embedded[1])
    assert OTHER in [run["name"] for run in data["runs"]]
    report = {run["name"]: run["report"] for run in data["runs"]}["kim/plain-1"]
    assert report and (tmp_path / report).is_file()


def test_the_command_writes_a_page_and_overwrites_none(
    call: Call, team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("dashboard", team / "lee")
    assert (code, out) == (0, "dashboard.html\n")
    assert call("dashboard", f"ours={team / 'lee'}")[1] == "dashboard-2.html\n"
    assert "<h1>Runs of ours</h1>" in Path("dashboard-2.html").read_text("utf-8")
    code, _, error = call("dashboard", team / "lee", "--out", "dashboard.html")
    assert code == 2 and "dashboard.html: exists already" in error
