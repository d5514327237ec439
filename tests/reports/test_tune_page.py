"""The page and the table of a search hold every number that it found."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from maskgate.core.score import Score
from maskgate.reports import scatter, tune
from maskgate.reports.tune import Key, SearchReport, Trial

KEYS = (
    Key("optimizer.lr", "0.0001 to 0.1, by factors", "log"),
    Key("loss", "focal · {name: f1}", "choices", ("focal", "{name: f1}")),
)


def values(lr: str, loss: str) -> dict[str, str]:
    return {"optimizer.lr": lr, "loss": loss}


TRIALS = (
    Trial(1, "complete", values("0.001", "focal"), Score(0.41, 0.35, 0.47), {1: 0.2, 2: 0.4}, 90.0,
          folder="trials/001"),
    Trial(2, "complete", values("0.01", "{name: f1}"), Score(0.52, 0.46, 0.58), {1: 0.3, 2: 0.5},
          120.0, folder="trials/002"),
    Trial(3, "pruned", values("0.1", "focal"), None, {1: 0.1234}, reason="under the median"),
    Trial(4, "failed", values("0.09", "focal"), reason="the loss is <nan>"),
    Trial(5, "complete", values("0.01", "{name: f1}"), Score(0.52, 0.46, 0.58), repeats=2,
          folder="trials/002"),
    Trial(6, "unfinished", {"optimizer.lr": "0.002"}),
)  # fmt: skip
SEARCH_REPORT = SearchReport(
    recipe="baseline", data="PEOPLE", changes=("training.epochs=3",), space="mine", keys=KEYS,
    trials=TRIALS, planned=8, score_of="macro F1", people=32,
    command="maskgate train baseline PEOPLE optimizer.lr=0.01 'loss={name: f1}'",
    importance={"optimizer.lr": Score(0.25, 0.11, 0.61), "loss": Score(0.75, 0.39, 0.89)},
    undecided=0, compared=1,
)  # fmt: skip


def page(report: SearchReport, folder: Path) -> str:
    return tune.write(report, folder).read_text("utf-8")


def test_the_page_holds_the_numbers(tmp_path: Path) -> None:
    html = page(SEARCH_REPORT, tmp_path)
    text = re.sub(r"<[^>]+>", " ", html.replace("<wbr>", ""))
    for fragment in (
        "0.4100 [0.3500, 0.4700]", "0.5200 [0.4600, 0.5800]", "0.1234 by epoch 1",
        "under the median", "the loss is &lt;nan&gt;", "as trial 2", "0.75 [0.39, 0.89]",
        "0.25 [0.11, 0.61]",
        "training.epochs=3", "the highest of 3", "0 of 1 other runs are undecided against the best",
        "With only 3 complete trials, importances are unreliable; 50 or more",
        "0.0001 to 0.1, by factors",
    ):  # fmt: skip
        assert fragment in text, fragment
    assert "maskgate train baseline PEOPLE optimizer.lr=0.01 &#39;loss={name: f1}&#39;" in html
    assert html.index("0.75 [0.39") < html.index("0.25 [0.11")  # the most important first
    assert html.count("<svg viewBox") == 3  # history and a plot a key
    assert 'href="trials/002/report.html"' in html
    assert "<nan>" not in html


def test_with_enough_trials_importances_are_not_belittled(tmp_path: Path) -> None:
    many = tuple(replace(TRIALS[0], number=number) for number in range(1, 51))
    assert "importances are unreliable" not in page(replace(SEARCH_REPORT, trials=many), tmp_path)


def test_the_table_holds_every_trial(tmp_path: Path) -> None:
    page(SEARCH_REPORT, tmp_path)
    table = pd.read_csv(tmp_path / "trials.csv", dtype=str).fillna("")
    assert table["trial"].tolist() == list("123456")
    assert table[["state", "score", "low", "high", "optimizer.lr", "loss"]].iloc[1].tolist() == [
        "complete", "0.52", "0.46", "0.58", "0.01", "{name: f1}"]  # fmt: skip
    assert table[["state", "score", "best_of_first_fold", "reason"]].iloc[2].tolist() == [
        "pruned", "", "0.1234", "under the median"]  # fmt: skip
    assert table["repeats"].tolist() == ["", "", "", "", "2", ""]


def test_of_equals_the_first_is_the_best() -> None:
    assert SEARCH_REPORT.best == TRIALS[1]
    assert replace(SEARCH_REPORT, trials=TRIALS[2:4]).best is None


@pytest.mark.parametrize("trials", [(), TRIALS[2:4], TRIALS[:1], TRIALS[5:]])
def test_a_page_of_little_can_be_written(trials: tuple[Trial, ...], tmp_path: Path) -> None:
    little = replace(SEARCH_REPORT, trials=trials, importance=None, undecided=None, command="")
    assert f"{len(trials)}" in page(little, tmp_path)
    assert "undecided against" not in page(little, tmp_path)


def test_dots_lie_where_their_numbers_are() -> None:
    axis = scatter.number_axis([1e-4, 1e-2], log=True)
    assert axis.share(1e-3) == pytest.approx(0.5)
    assert [name for _, name in axis.ticks] == ["0.0001", "0.001", "0.01"]
    dots = [scatter.Dot(1e-3, "a & b", (0.5, 0.4, 0.6)), scatter.Dot(1e-4, "c", None, "failed")]
    drawn = scatter.draw(dots, axis, "lr", "title", [(1e-4, 0.4), (1e-3, 0.5)])
    middle = 52 + 0.5 * (460 - 52 - 16)
    assert f'<circle cx="{middle:.1f}" cy="106.0"' in drawn  # between 0.4 and 0.6
    assert "a &amp; b" in drawn
    assert "failed, no score" in drawn
    assert "pruned" not in drawn
    names = scatter.category_axis(["a", "b" * 30])
    assert [names.share(0), names.share(1)] == [0.25, 0.75]
    assert len(names.ticks[1][1]) == 16
    assert scatter.number_axis([3.0]).share(3.0) == 0.5
