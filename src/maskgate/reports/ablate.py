"""An ablation for people: a table on the terminal, a page, and a CSV of the same numbers."""

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
from maskgate.evaluation import metrics
from maskgate.evaluation.compare import Comparison, Comparisons
from maskgate.reports import compare as compare_page
from maskgate.reports import pages


@dataclass(frozen=True)
class Minutes:
    """By how many minutes a change makes a fit longer, with its 95% interval where fits allow."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.low):
            return f"{self.value:+z.1f}"
        return f"{self.value:+z.1f} [{self.low:+z.1f}, {self.high:+z.1f}]"


def announce(changes: Sequence[tuple[str, str]], runs: int, left: int, time: str) -> None:
    """Print every change with what differs, how many runs there are, and their time."""
    console = terminal.console()
    for name, differs in changes:
        console.print(f"{name}: {differs}", soft_wrap=True)
    console.print(f"{runs} runs, {left} to train. {time}".strip(), soft_wrap=True)


def show(found: Comparisons, failed: Mapping[str, str]) -> None:
    """Print the changes, the best first, then a sentence for each, and why others `failed`."""
    found = ordered(found)
    table = Table("change", "difference", "", "minutes a fit", box=None, pad_edge=False)
    for each in found.comparisons:
        signed = compare_page.signed(each.score)
        table.add_row(each.group.name, signed, each.verdict, str(minutes(each)))
    for name in failed:
        table.add_row(name, "", "failed", "")
    console = terminal.console()
    console.print(table)
    console.print()
    for each in found.comparisons:
        console.print(sentence(each), soft_wrap=True)
    for name, why in failed.items():
        console.print(f"{name} failed: {why}", soft_wrap=True)
    for note in found.notes:
        console.print(note, soft_wrap=True)


def write(found: Comparisons, folder: Path, failed: Mapping[str, str]) -> Path:
    """Write `ablate.html` and `ablate.csv` into the folder; the page's path. `failed` tells of
    changes that could not be trained why."""
    found = ordered(found)
    page, listing = folder / "ablate.html", folder / "ablate.csv"
    table = as_table(found)
    files.replace(listing, lambda beside: table.to_csv(beside, index=False))
    titles = compare_page.titles_of(found)
    counts = {
        word: sum(each.verdict == word for each in found.comparisons)
        for word in ("better", "worse", "undecided")
    }
    pages.write(
        page,
        "ablate.html",
        found=found,
        reference=found.groups[0],
        rows=[
            {
                "name": each.group.name,
                "verdict": each.verdict,
                "sentence": sentence(each),
                "differs": compare_page.differs(found, each.group),
                "minutes": str(minutes(each)),
                "cells": [
                    (title, *_cell(each.differences[name].corrected))
                    for name, title in titles.items()
                ],
            }
            for each in found.comparisons
        ],
        titles=titles,
        failed=failed,
        counts=counts | ({"failed": len(failed)} if failed else {}),
        charts=[compare_page.chart(found, name, title) for name, title in titles.items()],
        score=found.scores[0]["score"].score,
        listing=listing.name,
    )
    return page


def as_table(found: Comparisons) -> pd.DataFrame:
    """The table of `maskgate compare`, and what a change costs: minutes a fit."""
    costs = {each.group.name: minutes(each) for each in found.comparisons}
    table = compare_page.as_table(found)
    for column in dataclasses.fields(Minutes):
        told = {name: getattr(cost, column.name) for name, cost in costs.items()}
        suffix = "" if column.name == "value" else f"_{column.name}"
        table[f"minutes{suffix}"] = table["side"].map(told)
    return table


def ordered(found: Comparisons) -> Comparisons:
    """The same with the changes sorted by their effect, the best first."""
    order = sorted(range(len(found.comparisons)), key=lambda at: -found.comparisons[at].score.value)
    places = [0, *(at + 1 for at in order)]
    return dataclasses.replace(
        found,
        groups=[found.groups[at] for at in places],
        scores=[found.scores[at] for at in places],
        comparisons=[found.comparisons[at] for at in order],
    )


def minutes(each: Comparison) -> Minutes:
    """Minutes that a change adds to a fit: the mean over seeds and folds, paired where they are
    the same, with Student's interval over them."""
    theirs = {entry.seed: entry.run.fold_seconds() for entry in each.reference.runs}
    pairs = [
        (own - other) / 60
        for entry in each.group.runs
        for own, other in zip(entry.run.fold_seconds(), theirs.get(entry.seed, []), strict=False)
    ]
    value, count = float(np.mean(pairs)), len(pairs)
    if count < 2:
        return Minutes(value, np.nan, np.nan)
    error = float(np.std(pairs, ddof=1)) / np.sqrt(count)
    reach = float(stdtrit(count - 1, (1 + metrics.LEVEL) / 2)) * error
    return Minutes(value, value - reach, value + reach)


def sentence(each: Comparison) -> str:
    """The verdict in the words of `maskgate compare`, and what the change costs."""
    told = compare_page.sentence(each).removesuffix(".")
    cost = minutes(each)
    does = "adds" if cost.value >= 0 else "saves"
    low, high = sorted((cost.low, cost.high), key=abs) if cost.value < 0 else (cost.low, cost.high)
    sign = 1 if cost.value >= 0 else -1
    held = "" if np.isnan(low) else f" [{sign * low:z.1f}, {sign * high:z.1f}]"
    return f"{told}; a fit of it {does} {abs(cost.value):.1f}{held} minutes."


def _cell(score: Score) -> tuple[str, str]:
    value, _, interval = compare_page.signed(score).partition(" ")
    return value, interval
