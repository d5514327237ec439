"""Report of an ablation: a table on the terminal, a page, and a CSV of the same numbers."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.table import Table
from scipy.special import stdtrit

from maskgate.core import files, terminal
from maskgate.core.score import Score
from maskgate.evaluation import metrics, power
from maskgate.evaluation.compare import Comparison, Comparisons
from maskgate.reports import compare as compare_page
from maskgate.reports import links, pages


@dataclass(frozen=True)
class Minutes:
    """Extra minutes per fit of a change, with a 95% interval if there are two fits or more."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.low):
            return f"{self.value:+z.1f}"
        return f"{self.value:+z.1f} [{self.low:+z.1f}, {self.high:+z.1f}]"


def print_plan(changes: Sequence[tuple[str, str]], runs: int, left: int, time: str) -> None:
    """Print every change with its settings, the number of runs, and the estimated time."""
    console = terminal.console()
    for name, differs in changes:
        console.print(f"{name}: {differs}", soft_wrap=True)
    console.print(f"{runs} runs, {left} to train. {time}".strip(), soft_wrap=True)


def show(summary: Comparisons, failed: Mapping[str, str]) -> None:
    """Print the changes, the best first, then a sentence on each, and the reasons in `failed`."""
    summary = best_first(summary)
    table = Table("change", "difference", "", "minutes per fit", box=None, pad_edge=False)
    for comparison in summary.comparisons:
        signed = compare_page.signed(comparison.score)
        table.add_row(comparison.group.name, signed, comparison.verdict, str(minutes(comparison)))
    for name in failed:
        table.add_row(name, "", "failed", "")
    console = terminal.console()
    console.print(table)
    console.print()
    for comparison in summary.comparisons:
        console.print(conclusion(summary, comparison), soft_wrap=True)
    for name, reason in failed.items():
        console.print(f"{name} failed: {reason}", soft_wrap=True)
    for note in summary.notes:
        console.print(note, soft_wrap=True)


def write(summary: Comparisons, folder: Path, failed: Mapping[str, str]) -> Path:
    """Write `ablate.html` and `ablate.csv` into the folder; the page's path. `failed` has the
    reason for each change that could not be trained."""
    summary = best_first(summary)
    page, listing = folder / "ablate.html", folder / "ablate.csv"
    table = as_table(summary)
    files.replace(listing, lambda target: table.to_csv(target, index=False))
    titles = compare_page.titles_of(summary)
    counts = {
        word: sum(comparison.verdict == word for comparison in summary.comparisons)
        for word in ("better", "worse", "undecided")
    }
    pages.write(
        page,
        "ablate.html",
        summary=summary,
        reference=summary.groups[0],
        rows=[
            {
                "name": comparison.group.name,
                "verdict": comparison.verdict,
                "sentence": conclusion(summary, comparison),
                "differs": compare_page.differs(summary, comparison.group),
                "minutes": str(minutes(comparison)),
                "report": links.to_report(folder, comparison.group.runs[0].run.path),
                "cells": [
                    (title, *_cell(comparison.differences[name].corrected))
                    for name, title in titles.items()
                ],
            }
            for comparison in summary.comparisons
        ],
        titles=titles,
        failed=failed,
        counts=counts | ({"failed": len(failed)} if failed else {}),
        charts=[compare_page.chart(summary, name, title) for name, title in titles.items()],
        score=summary.scores[0]["score"].score,
        listing=listing.name,
    )
    return page


def as_table(summary: Comparisons) -> pd.DataFrame:
    """The table of `maskgate compare`, with extra minutes per fit."""
    costs = {comparison.group.name: minutes(comparison) for comparison in summary.comparisons}
    table = compare_page.as_table(summary)
    for column in dataclasses.fields(Minutes):
        values = {name: getattr(cost, column.name) for name, cost in costs.items()}
        suffix = "" if column.name == "value" else f"_{column.name}"
        table[f"minutes{suffix}"] = table["side"].map(values)
    return table


def best_first(summary: Comparisons) -> Comparisons:
    """The same, sorted by effect, the best change first."""
    effects = [comparison.score.value for comparison in summary.comparisons]
    ranking = sorted(range(len(effects)), key=lambda index: -effects[index])
    group_ranking = [0, *(index + 1 for index in ranking)]
    return dataclasses.replace(
        summary,
        groups=[summary.groups[index] for index in group_ranking],
        scores=[summary.scores[index] for index in group_ranking],
        comparisons=[summary.comparisons[index] for index in ranking],
    )


def minutes(comparison: Comparison) -> Minutes:
    """Minutes that a change adds to a fit: the mean of the paired differences over seeds and folds,
    with Student's t interval."""
    reference_seconds = {
        entry.seed: entry.run.fold_seconds() for entry in comparison.reference.runs
    }
    pairs = [
        (seconds - reference) / 60
        for entry in comparison.group.runs
        for seconds, reference in zip(
            entry.run.fold_seconds(), reference_seconds.get(entry.seed, []), strict=False
        )
    ]
    value, count = float(np.mean(pairs)), len(pairs)
    if count < 2:
        return Minutes(value, np.nan, np.nan)
    error = float(np.std(pairs, ddof=1)) / np.sqrt(count)
    margin = float(stdtrit(count - 1, (1 + metrics.LEVEL) / 2)) * error
    return Minutes(value, value - margin, value + margin)


def sentence(comparison: Comparison) -> str:
    """The verdict as in `maskgate compare`, and the extra training time."""
    verdict = compare_page.sentence(comparison).removesuffix(".")
    cost = minutes(comparison)
    if np.isnan(cost.low):
        return f"{verdict}; extra minutes per fit: {cost.value:+z.1f}."
    undecided = ", undecided" if cost.low <= 0 <= cost.high else ""
    interval = f"[{cost.low:+z.1f}, {cost.high:+z.1f}]"
    return f"{verdict}; extra minutes per fit: {cost.value:+z.1f} {interval}{undecided}."


def conclusion(summary: Comparisons, comparison: Comparison) -> str:
    """The sentence on a change, and of an undecided one what it would take to decide it."""
    return f"{sentence(comparison)} {power.to_decide(comparison, summary.people)}".rstrip()


def _cell(score: Score) -> tuple[str, str]:
    value, _, interval = compare_page.signed(score).partition(" ")
    return value, interval
