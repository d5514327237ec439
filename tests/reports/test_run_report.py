import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate import labels, runs
from maskgate.core import charts, reliability
from maskgate.evaluation import metrics
from maskgate.reports import listing, mistakes
from maskgate.reports import run as run_report
from maskgate.reports.changed_settings import differences
from maskgate.runs import RunFolder, tables
from maskgate.training import scoring

ENDS = ("value", "low", "high")


def copied(trained: Path, folder: Path, **results: Any) -> RunFolder:
    """A copy of the trained run whose metrics.json says something else."""
    run = RunFolder(Path(shutil.copytree(trained, folder / "run")))
    run.metrics_file.write_text(json.dumps(json.loads(run.metrics_file.read_text()) | results))
    run.finish()
    return run


def text_of(page: str) -> str:
    """What a reader reads: the page's text without tags."""
    body = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page.replace("<wbr>", ""), flags=re.DOTALL)
    return " ".join(html.unescape(body).split())


def test_the_report_shows_every_score_with_its_interval(trained: Path) -> None:
    run = runs.open_run(trained)
    page = run_report.write(run).read_text()
    results, text = json.loads(run.metrics_file.read_text()), text_of(page)
    for score in (results["macro_f1"], results["accuracy"]):
        assert f"{score['value']:.3f} {score['low']:.3f} – {score['high']:.3f}" in text
    for part in (results, *results["attributes"].values()):
        for entry in part["classes"]:
            row = f"{entry['name'].replace('_', ' ')} {entry['photos']} {entry['people']}"
            for name in ("f1", "precision", "recall"):
                score = entry[name]
                row += f" {score['value']:.3f} {score['low']:.3f} – {score['high']:.3f}"
            assert row in text
    for part in results["attributes"].values():
        share = {end: 100 * np.array(part["confusion"]["share"][end]) for end in ENDS}
        for at, count in np.ndenumerate(part["confusion"]["value"]):
            value, low, high = (share[end][at] for end in ENDS)
            assert f"{value:.1f}% {low:.1f} – {high:.1f} {count:.0f}" in text
    for pair in run.status().twins:
        assert " = ".join(pair) in page
    assert not re.search(r'(src|href)="?http', page), "the page is self-contained"


@pytest.mark.slow
def test_that_people_are_not_kept_together_is_said_where_scores_are(
    train: Callable[..., Path], call: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    """And a run whose people are called like nothing reads its own folds."""
    names = ["None", "NA", "nan", "NULL", "1e5", "007", "TRUE", "7"]
    for number in range(2 * len(names)):
        picture = Image.effect_noise((24, 32), 60 + 5 * number).convert("RGB")
        picture.save(tmp_path / f"{number}.png")
    rows = [f"{row}.png,{names[row // 2]},wear" for row in range(2 * len(names))]
    (tmp_path / "own.csv").write_text("\n".join(["photo,person,mask", *rows]))
    (tmp_path / "apart.csv").write_text("\n".join(["photo,name,mask", *rows]))
    sentence = "people are not kept together: each photo counts as its own person"

    once = train(tmp_path / "apart", "training.epochs=1", data=tmp_path / "apart.csv")
    run = runs.open_run(once)
    text = text_of(run.report_file.read_text())
    assert f"Warnings 1 × {sentence} (first: all photos)" in text
    assert "was scored by a model not trained on that photo; photos of one person may be" in text
    assert "not trained on its person" not in text
    assert any(sentence in warning for warning in run.status().warnings)
    out = call("inspect", tmp_path / "apart.csv", "--out", tmp_path / "page")[1]
    assert out.startswith(f"1 × {sentence}")
    assert sentence in (tmp_path / "page" / "inspect.html").read_text()

    first = train(tmp_path / "own", "training.epochs=1", data=tmp_path / "own.csv")
    assert "not trained on its person" in text_of(runs.open_run(first).report_file.read_text())
    folds = f"folds.file={first / 'folds.csv'}"
    again = train(tmp_path / "again", "training.epochs=1", folds, data=tmp_path / "own.csv")
    for name in ("folds.csv", "mistakes.csv"):
        assert (again / name).read_bytes() == (first / name).read_bytes()
    assert tables.photos(runs.open_run(again))["person"].tolist() == [
        row.split(",")[1] for row in rows
    ]


def test_the_worst_mistakes_are_shown_and_all_are_listed(trained: Path, people: Path) -> None:
    run = runs.open_run(trained)
    page = run_report.write(run).read_text()
    listed = pd.read_csv(run.mistakes_file)
    mistake_table = mistakes.find(*tables.oof(run))
    assert listed["photo"].tolist() == mistake_table["photo"].tolist()
    assert f"All {len(mistake_table)} are in mistakes.csv" in text_of(page)
    cards = re.findall(r"<article.*?</article>", page, flags=re.DOTALL)
    examples = mistakes.examples(mistake_table)
    for card, (_, row) in zip(cards, examples.iterrows(), strict=True):
        assert 'src="data:image/jpeg;base64,' in card
        wrong = [text_of(line) for line in re.findall(r'<li class="wrong">(.*?)</li>', card)]
        known = [(row[f"true_{name}"], row[name]) for name in labels.ATTRIBUTES]
        pairs = [f"{truth} → {predicted}" for truth, predicted in known if truth != predicted]
        assert wrong == [pair.replace("_", " ") for pair in pairs]
        assert f"prediction {100 * row['probability']:.1f}%" in text_of(card)
        assert f"correct {100 * row['true_probability']:.1f}%" in text_of(card)
        assert row["photo"].split("/")[1] in text_of(card).replace("_ ", "_")
        assert row["person"] in text_of(card).replace("_ ", "_")
    assert "share it as carefully as the photos" in page
    assert Path(run.status().root) == people.resolve() / "train" / "images"


@pytest.mark.slow
def test_photos_may_be_left_out_or_gone(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path)
    assert "<img" in run_report.write(run).read_text()
    without = run_report.write(run, photos=False).read_text()
    run.update_status(root=str(tmp_path / "moved"))
    gone = run_report.write(run).read_text()
    count = without.count("<article")
    for page in (without, gone):
        assert "<img" not in page
        assert "data:image" not in page
        assert "share it as carefully" not in page
        assert page.count("<article") == count > 0
    assert "Photos were turned off" in without
    assert f"{count} of these {count} photos cannot be shown" in gone
    assert f"{tmp_path / 'moved'}/" in gone
    assert "no such file" in gone
    assert "cannot be shown" not in without


@pytest.mark.slow
def test_moved_photos_are_missed_in_one_sentence_and_shown_from_their_new_place(
    trained: Path, people: Path, call: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    run = copied(trained, tmp_path)
    old = tmp_path / "old"
    run.update_status(root=str(old))
    code, _, err = call("report", run.path)
    count = run.report_file.read_text().count("<article")
    assert code == 0
    assert err == (
        f"warning: {count} photos are not on the page, because {old} does not have them as the"
        " run was trained on them; name the folder or CSV that has with --data, or leave photos"
        " out with --no-photos\n"
    )
    moved = tmp_path / "moved"
    shutil.copytree(people, moved)
    for words in (("--data", moved), ("--no-photos",)):
        code, _, err = call("report", run.path, *words)
        assert (code, err) == (0, "")
        pictures = run.report_file.read_text().count("<img")
        assert pictures == (count if "--data" in words else 0)


def test_the_epoch_that_was_selected_is_ringed(trained: Path, tmp_path: Path) -> None:
    assert 'class="ring"' not in run_report.write(runs.open_run(trained)).read_text()
    score = runs.open_run(trained).metrics().score.model_dump()
    run = copied(trained, tmp_path, selection="best", last_epoch=score)
    history = tables.history(run)
    history.loc[history["fold"] == 0, "valid_score"] = [0.5, 0.5]  # the first of equals is kept
    history.loc[history["fold"] == 1, "valid_score"] = [0.1, 0.2]
    history.to_csv(run.history_file, index=False)
    run.finish()
    page = run_report.write(run).read_text()
    assert "weights were kept: 1 in fold 0, 2 in fold 1." in text_of(page)
    drawn = re.findall(r"<figure>.*?</figure>", page[page.index("<h2>Training") :])[:4]
    assert len(drawn) == 4
    for chart in drawn:
        lines = re.findall(r'<polyline points="(\S+) (\S+)"', chart)
        rings = re.findall(r'class="ring" cx="(\S+)" cy="(\S+)"', chart)
        assert [",".join(ring) for ring in rings] == [lines[0][0], lines[1][1]]


def test_nothing_is_said_of_an_attribute_nobody_knows(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path)
    table = tables.photos(run).assign(gender=np.int8(-1), label=np.int8(-1))
    table.to_parquet(run.photos_file)
    run.finish()
    truth, probabilities = tables.oof(run)
    results = metrics.evaluate(probabilities, truth, resamples=10)
    run.metrics_file.write_text(json.dumps(results | {"validated": True, "selection": "last"}))
    run.finish()
    page = run_report.write(run).read_text()
    assert "<h3>gender</h3>" not in page
    assert "18 classes" not in page
    listed = pd.read_csv(run.mistakes_file)
    assert listed["true_gender"].isna().all()
    wrong = listed["mask"].ne(listed["true_mask"]) | listed["age_band"].ne(listed["true_age_band"])
    assert wrong.all()
    assert page.count("<li") >= 2 * page.count("<article") > 0
    assert not re.search(r"(fe)?male</li>", page)


def test_a_run_without_validation_has_no_mistakes(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path)
    run.metrics_file.write_text(json.dumps({"validated": False}))
    run.oof_file.unlink()
    run.mistakes_file.unlink(missing_ok=True)
    run.finish()
    text = text_of(run_report.write(run).read_text())
    assert "so it has no score" in text
    assert "mistakes" not in text
    assert not run.mistakes_file.exists()


def test_what_differs_between_recipes() -> None:
    base = {"seed": 7, "optimizer": {"name": "adamw", "lr": 0.1}, "augment": []}
    other = {"seed": 7, "optimizer": {"name": "sgd", "lr": 0.1}, "augment": [{"name": "flip"}]}
    changes = differences(base, other)
    assert changes == ["augment=[{name: flip}]", "optimizer.name=sgd"]
    assert differences(base, base) == []


def test_runs_are_listed(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing.show(trained.parent)
    out = capsys.readouterr().out
    results = RunFolder(trained).metrics()
    assert f"{results.score}  {results.photos}            {results.people}  " in out


def test_of_a_holdout_only_those_scored_are_counted(
    train: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(train(tmp_path / "runs" / "held", "training.epochs=1", "folds.kind=holdout"))
    results, status = run.metrics(), run.status()
    assert (results.photos, results.people) == (42, 6)
    assert (status.photos, status.people) == (224, 32)
    capsys.readouterr()
    listing.show(tmp_path / "runs")
    assert f"{results.score}  42             6              " in capsys.readouterr().out
    assert (
        scoring.summary(run)
        .partition("; always")[0]
        .endswith("on 42 photos of 6 people, of 32 in the data")
    )


def test_a_run_that_is_not_scored_counts_nobody(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(trained, tmp_path)
    run.metrics_file.write_text(json.dumps({"validated": False}))
    run.finish()
    listing.show(tmp_path)
    assert "not validated  –              –              " in capsys.readouterr().out


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


def test_runs_that_are_compared_with_a_hidden_one_say_with_which(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        shutil.copytree(trained, tmp_path / name)
    listing.show(tmp_path)
    assert "not shown" not in capsys.readouterr().out
    listing.show(tmp_path, text="first")
    assert "not shown" not in capsys.readouterr().out
    listing.show(tmp_path, text="second")
    assert "differs: from first, not shown here" in capsys.readouterr().out


@pytest.mark.parametrize(("error", "low"), [(0.02, 0.0), (0.05, 0.0), (0.05, 0.04)])
def test_the_report_says_which_attribute_is_above_the_target(
    error: float, low: float, trained: Path, tmp_path: Path
) -> None:
    attributes = json.loads(RunFolder(trained).metrics_file.read_text())["attributes"]
    for name, scores in attributes.items():
        value = error if name == "age_band" else 0.01
        scores["calibration"]["error"] = {
            "value": value,
            "low": low if name == "age_band" else 0.0,
            "high": 0.0612,
        }
    run = copied(trained, tmp_path, attributes=attributes)
    page = run_report.write(run, photos=False).read_text()
    text = text_of(page)
    above = "The expected calibration error of age band is above the target of 0.03"
    assert (above in text) == (low > 0.03)
    undecided = "Whether the calibration error of age band is above the target of 0.03 is undecided"
    assert (undecided in text) == (low < 0.03 < error)
    assert ("every attribute is within the target" in text) == (error < 0.03)
    assert f"Calibration error, age band {error:.3f} {low:.3f} – 0.061" in text
    bins = sum(len(scores["calibration"]["bins"]) for scores in attributes.values())
    assert page[page.index("<h2>Calibration") :].count("<circle") == bins


def test_a_report_of_an_earlier_version_has_no_calibration(trained: Path, tmp_path: Path) -> None:
    attributes = json.loads(RunFolder(trained).metrics_file.read_text())["attributes"]
    for scores in attributes.values():
        del scores["calibration"]
    run = copied(trained, tmp_path, attributes=attributes)
    assert "<h2>Calibration" not in run_report.write(run, photos=False).read_text()


def test_a_reliability_diagram_has_a_dot_for_each_bin() -> None:
    drawn = reliability.draw({"<b>": [(0.62, 0.55, 0.5, 0.6), (0.95, 0.97, 0.9, 1.0)]}, "age & <b>")
    assert drawn.count("<circle") == 2
    assert "<b>" not in drawn
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', drawn)]
    assert heights[0] > heights[1]  # of SVG: lower on the page


def test_the_worst_slices_are_named(trained: Path, tmp_path: Path) -> None:
    figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    slice_scores = {"kind": "age", "name": "30–34", "attribute": "age_band", "photos": 70,
                    "people": 10, "accuracy": figure}  # fmt: skip
    for difference, sentence in (
        ({"value": -0.2, "low": -0.3, "high": -0.1}, "age band where age is 30–34"),
        ({"value": -0.2, "low": -0.5, "high": 0.1}, "No slice is shown to be less accurate"),
    ):
        run = copied(trained, tmp_path / sentence[:2], slices=[slice_scores | {
            "difference": difference}])  # fmt: skip
        page = text_of(run_report.write(run).read_text("utf-8"))
        assert sentence in page
        assert "age: 30–34" in page


def test_names_cannot_break_out_of_a_chart() -> None:
    drawn = charts.lines({"<script>": [(1, 0.5), (2, 0.25)]}, "epoch", "loss & <b>")
    assert "<script>" not in drawn
    assert "<b>" not in drawn
    assert charts.lines({}, "x", "y") == ""
