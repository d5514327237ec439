"""The table, the page and the CSV of a comparison say the same."""

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maskgate.core import charts
from maskgate.core.score import Score
from maskgate.evaluation.compare import SCORE, Comparison, Comparisons
from maskgate.evaluation.differences import Difference, Scored
from maskgate.evaluation.groups import RunGroup, ScoredRun
from maskgate.reports import compare, targets
from maskgate.runs import RunFolder
from maskgate.runs.records.results import Results

LONG = "a" * 150
HOSTILE = "<script>x</script>[red]"


def group(name: str, seeds: tuple[int, ...], **recipe: Any) -> RunGroup:
    table, none = pd.DataFrame(), np.zeros((0, 18), np.float32)
    results = Results(validated=False)
    return RunGroup(
        name,
        tuple(
            ScoredRun(
                RunFolder(Path(f"runs/{name}-{seed}")),
                recipe,
                seed,
                "as read",
                results,
                table,
                none,
            )
            for seed in seeds
        ),
    )


def scored(*values: float) -> Scored:
    return Scored(np.array(values), np.tile(np.array(values)[:, None], 3))


@pytest.fixture
def comparisons() -> Comparisons:
    """A reference of two seeds, a better side of two and a worse one of one."""
    reference = group("reference", (7, 8), model={"head": "factored", "dropout": 0.2})
    better = group(HOSTILE, (7, 8), model={"head": "joint", "dropout": 0.2})
    worse = group("worse", (7,), model={"head": "factored", "dropout": 0.9}, note=LONG)
    gains = {
        SCORE: Difference(Score(0.02, 0.015, 0.025), Score(0.02, 0.01, 0.03), 1e-5, 0.0),
        "mask": Difference(
            Score(-0.00001, -0.003, 0.004), Score(-0.00001, -0.004, 0.005), 1e-6, 0.0
        ),
    }
    losses = {
        SCORE: Difference(Score(-0.1, -0.12, -0.08), Score(-0.1, -0.15, -0.05), 1e-4, 0.0),
        "mask": Difference(Score(-0.2, -0.25, -0.15), Score(-0.2, -0.3, -0.1), 1e-4, 0.0),
    }
    return Comparisons(
        groups=[reference, better, worse],
        scores=[
            {SCORE: scored(0.4, 0.5), "mask": scored(0.9, 0.9)},
            {SCORE: scored(0.45, 0.49), "mask": scored(0.9, 0.9)},
            {SCORE: scored(0.35), "mask": scored(0.7)},
        ],
        comparisons=[
            Comparison(reference, better, gains, {}),
            Comparison(reference, worse, losses, {}),
        ],
        score_of="macro F1",
        photos=1400,
        people=200,
        truth="as read",
        resamples=2000,
    )


def text_of(page: str) -> str:
    """What a reader reads: the page's text without tags."""
    body = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page.replace("<wbr>", ""), flags=re.DOTALL)
    return " ".join(html.unescape(body).split())


def test_into_a_pipe_every_line_is_whole(
    comparisons: Comparisons, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    compare.show(comparisons)
    out = capsys.readouterr().out
    lines = [line.rstrip() for line in out.splitlines()]
    score = r"0\.{} \[-?0\.\d{{4}}, 0\.\d{{4}}\]"
    start = f"reference{' ' * (len(HOSTILE) - 9)}  18 classes   "
    assert re.fullmatch(re.escape(start) + score.format("4500"), lines[1])
    end = r" +\+0\.0200 \[\+0\.0100, \+0\.0300\]  better"
    start = f"{HOSTILE}  18 classes   "
    assert re.fullmatch(re.escape(start) + score.format("4700") + end, lines[3])
    assert lines[4].split("  ")[-1].strip() == "-0.0000 [-0.0040, +0.0050]"
    assert f"worse, seed 7: model.dropout=0.9, note={LONG}" in lines
    assert f"{HOSTILE}, seeds 7, 8: model.head=joint" in lines
    assert (
        "Of these three models, worse is worse than reference: -0.1000 [-0.1500, -0.0500]." in lines
    )
    assert all(note in lines for note in comparisons.notes)
    assert "…" not in out
    assert "\x1b" not in out


def test_page_and_csv_hold_the_same_numbers(comparisons: Comparisons, tmp_path: Path) -> None:
    page, listing = targets.of_comparison(tmp_path / "new" / "folder")
    compare.write(comparisons, page, listing)
    source = page.read_text()
    text = text_of(source)
    table = pd.read_csv(listing)
    assert len(table) == 4
    for row in table.to_dict("records"):
        score = Score(row["difference"], row["low"], row["high"])
        assert compare.signed(score) in text
        alone = compare.signed(Score(row["difference"], row["low_alone"], row["high_alone"]))
        assert f"uncorrected {alone.partition(' ')[2]}" in text
        assert row["side_score"] - row["reference_score"] == pytest.approx(
            row["difference"], abs=1e-4
        )
    assert table["verdict"].fillna("").tolist() == ["better", "", "worse", ""]
    assert table["speaks_of"].tolist() == ["these recipes"] * 2 + ["these three models"] * 2
    for words in (
        f"better Of these recipes, {HOSTILE} is better than reference: +0.0200",
        "worse Of these three models, worse is worse than reference",
        f"model.dropout=0.9, note={LONG}",
        "runs/reference-7: 0.4000 runs/reference-8: 0.5000",
        "1,400 photos of 200 people",
        *comparisons.notes,
    ):
        assert words in text
    assert HOSTILE not in source
    assert not re.search(r'(src|href)="?http', source), "the page is self-contained"


def test_terminal_and_page_say_what_would_decide_an_undecided_difference(
    comparisons: Comparisons, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score = Score(0.02, -0.001, 0.041)
    unsure = {SCORE: Difference(score, score, 1.1e-4, 0.0), "mask": Difference(score, score, 1, 0)}
    first, second = comparisons.comparisons
    summary = replace(comparisons, comparisons=[first, replace(second, differences=unsure)])
    compare.show(summary)
    page, listing = targets.of_comparison(tmp_path)
    compare.write(summary, page, listing)
    sentence = (
        "worse against reference is undecided: +0.0200 [-0.0010, +0.0410]. If the true difference"
        " is the measured one, about 432 people instead of 200 would show it in 80% of studies; how"
        " many seeds cannot be estimated from a single one."
    )
    for text in (capsys.readouterr().out, text_of(page.read_text())):
        assert sentence in text
        assert text.count("If the true difference") == 1


def test_a_forest_tells_by_colour_which_side_of_zero_an_interval_lies_on() -> None:
    rows = [("up", 0.02, 0.01, 0.03), ("down", -0.02, -0.03, -0.01), ("both", 0.0, -0.01, 0.01)]
    drawn = charts.forest(rows, "less A", "Macro F1 <b>")
    assert "<b>" not in drawn
    intervals = re.findall(r'd="M(\S+) \d+H(\S+)" stroke="(\S+)".*?<circle cx="(\S+)"', drawn)
    assert [colour for *_, colour, _ in intervals] == [
        charts.COLOURS[2],
        charts.COLOURS[3],
        "#6b7280",
    ]
    zero = float(re.findall(r'class="mark" d="M(\S+) ', drawn)[0])
    for (_, value, low, high), (left, right, _, at) in zip(rows, intervals, strict=True):
        for x, end in ((left, low), (right, high), (at, value)):
            assert np.sign(round(float(x) - zero, 1)) == np.sign(end)
    assert charts.forest([("same", 0.0, 0.0, 0.0)], "less A", "Macro F1").count("<circle") == 1
