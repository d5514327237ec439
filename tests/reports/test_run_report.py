import re
import shutil
from pathlib import Path

import pytest

from maskgate import runs
from maskgate.reports import charts, listing
from maskgate.reports import run as run_report
from maskgate.runs import Run


def test_the_report_shows_every_score_with_its_interval(trained: Path) -> None:
    run = runs.open_run(trained)
    page = run_report.write(run).read_text()
    results = run.metrics()
    for told in (results["macro_f1"], results["accuracy"]):
        assert f"{told['value']:.3f}" in page
        assert f"{told['low']:.3f} – {told['high']:.3f}" in page
    for entry in results["classes"]:
        name = entry["name"].replace("<", "&lt;").replace(">", "&gt;")
        assert name in page
    for pair in run.status()["twins"]:
        assert " = ".join(pair) in page
    assert not re.search(r'(src|href)="?http', page), "one file that holds all it shows"


def test_what_differs_between_recipes() -> None:
    base = {"seed": 7, "optimizer": {"name": "adamw", "lr": 0.1}, "augment": []}
    other = {"seed": 7, "optimizer": {"name": "sgd", "lr": 0.1}, "augment": [{"name": "flip"}]}
    told = listing.differences(base, other)
    assert told == ["augment=[{'name': 'flip'}]", "optimizer.name=sgd"]
    assert listing.differences(base, base) == []


def test_runs_are_listed(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing.show(trained.parent)
    out = capsys.readouterr().out
    score = Run(trained).metrics()["macro_f1"]
    assert f"{score['value']:.4f} [{score['low']:.4f}, {score['high']:.4f}]" in out


def test_a_damaged_run_is_told_among_the_others(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "good")
    shutil.copytree(trained, tmp_path / "bad")
    (tmp_path / "bad" / "metrics.json").write_text("{")
    listing.show(tmp_path)
    out = capsys.readouterr().out
    assert "damaged" in out
    assert "good" in out


def test_names_cannot_break_out_of_a_chart() -> None:
    drawn = charts.lines({"<script>": [(1, 0.5), (2, 0.25)]}, "epoch", "loss & <b>")
    assert "<script>" not in drawn
    assert "<b>" not in drawn
    assert charts.lines({}, "x", "y") == ""
