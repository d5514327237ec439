"""Report of a comparison: a table on the terminal, a page, and a CSV of the same numbers."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from maskgate.core import charts, files, terminal
from maskgate.core.score import Score
from maskgate.evaluation import power
from maskgate.evaluation.compare import SCORE, Comparison, Comparisons
from maskgate.evaluation.groups import RunGroup
from maskgate.reports import links, pages
from maskgate.reports.changed_settings import differences
from maskgate.runs.records.notes import Note


def show(summary: Comparisons, size: float | None = None) -> None:
    """Print scores and differences as a table, then every verdict as a sentence.

    With `size`, a difference in score, also the number of people needed to detect it.
    """
    table = Table("group", "macro F1 of", "score", "difference", "", box=None, pad_edge=False)
    by_group = {each.group.name: each for each in summary.comparisons}
    for group, scores in zip(summary.groups, summary.scores, strict=True):
        comparison = by_group.get(group.name)
        for name, title in titles_of(summary).items():
            is_first = name == SCORE
            table.add_row(
                group.name if is_first else "",
                title,
                str(scores[name].score),
                signed(comparison.differences[name].corrected) if comparison else "",
                comparison.verdict if comparison and is_first else "",
            )
    console = terminal.console()
    console.print(table)
    console.print()
    for group in summary.groups:
        console.print(f"{group.name}, {_seeds(group)}: {differs(summary, group)}", soft_wrap=True)
    for each in summary.comparisons:
        console.print(conclusion(summary, each), soft_wrap=True)
    for note in [*summary.notes, *_power(summary, size)]:
        console.print(note, soft_wrap=True)


def _power(summary: Comparisons, size: float | None) -> list[str]:
    """For each comparison, the number of people needed to detect a true difference of `size`."""
    if size is None:
        return []
    return [power.sentence(each, summary.people, size) for each in summary.comparisons]


def write(summary: Comparisons, page: Path, csv_file: Path, size: float | None = None) -> None:
    """Write the page, and a CSV with one row for each group and measure.

    With `size`, a difference in score, also the number of people needed to detect it.
    """
    with files.new_folder(page.parent):
        _write(summary, page, csv_file, size)


def _write(summary: Comparisons, page: Path, csv_file: Path, size: float | None) -> None:
    table = as_table(summary)
    files.replace(csv_file, lambda target: table.to_csv(target, index=False))
    titles = titles_of(summary)
    pages.write(
        page,
        "compare.html",
        summary=summary,
        titles=titles,
        verdicts=[(each.verdict, conclusion(summary, each)) for each in summary.comparisons],
        charts=[chart(summary, name, title) for name, title in titles.items()],
        groups=[
            {"group": group, "seeds": _seeds(group), "differs": differs(summary, group)}
            for group in summary.groups
        ],
        listing=csv_file.name,
        signed=signed,
        report_of=lambda run: links.to_report(page.parent, run.path),
        notes=[*summary.notes, *_power(summary, size)],
        notes_of=_notes_of_runs(summary),
    )


def _notes_of_runs(summary: Comparisons) -> dict[Path, tuple[Note, ...]]:
    """What a team wrote down about the runs, by the run's folder; without runs that have none."""
    runs = [scored_run.run for group in summary.groups for scored_run in group.runs]
    return {run.path: notes for run in runs if (notes := run.notes())}


def as_table(summary: Comparisons) -> pd.DataFrame:
    """One row for each measure of each group, without the reference; `low` and `high` are corrected
    for multiple comparisons, `low_alone` and `high_alone` are not."""
    rows: list[dict[str, Any]] = []
    for each, scores in zip(summary.comparisons, summary.scores[1:], strict=True):
        for name, difference in each.differences.items():
            rows.append(
                {
                    "reference": each.reference.name,
                    "side": each.group.name,
                    "reference_seeds": " ".join(map(str, each.reference.seeds)),
                    "side_seeds": " ".join(map(str, each.group.seeds)),
                    "measure": name,
                    **_columns("reference", summary.scores[0][name].score),
                    **_columns("side", scores[name].score),
                    "difference": difference.corrected.value,
                    "low": difference.corrected.low,
                    "high": difference.corrected.high,
                    "low_alone": difference.alone.low,
                    "high_alone": difference.alone.high,
                    "verdict": each.verdict if name == SCORE else "",
                    "speaks_of": each.scope,
                    "differs": differs(summary, each.group),
                }
            )
    return pd.DataFrame(rows)


def _columns(prefix: str, score: Score) -> dict[str, float]:
    return {
        f"{prefix}_score": score.value,
        f"{prefix}_low": score.low,
        f"{prefix}_high": score.high,
    }


def sentence(comparison: Comparison) -> str:
    """The verdict, whether it is about models or recipes, and the difference."""
    group, reference = comparison.group.name, comparison.reference.name
    than = f"is {comparison.verdict} than {reference}"
    if comparison.verdict == "undecided":
        than = f"against {reference} is undecided"
    return f"Of {comparison.scope}, {group} {than}: {signed(comparison.score)}."


def conclusion(summary: Comparisons, comparison: Comparison) -> str:
    """The sentence on a comparison, and of an undecided one what it would take to decide it."""
    return f"{sentence(comparison)} {power.to_decide(comparison, summary.people)}".rstrip()


def differs(summary: Comparisons, group: RunGroup) -> str:
    """The settings of a group that differ from the reference, as `key.sub=value, …`."""
    if group is summary.groups[0]:
        return "the reference"
    is_system = ["members" in each.recipe for each in (summary.groups[0], group)]
    if is_system[0] != is_system[1]:
        return "a system" if is_system[1] else "a single recipe"
    return ", ".join(differences(summary.groups[0].recipe, group.recipe))


def signed(score: Score) -> str:
    """`+0.0123 [+0.0010, +0.0236]`."""
    value, low, high = (
        f"{round(end, 9) + 0.0:+.4f}" for end in (score.value, score.low, score.high)
    )
    return f"{value} [{low}, {high}]"


def titles_of(summary: Comparisons) -> dict[str, str]:
    """For each measure, the classes that its macro F1 is over."""
    title = summary.score_of.removeprefix("macro F1").removeprefix(", ") or "18 classes"
    return {name: title if name == SCORE else name.replace("_", " ") for name in summary.scores[0]}


def _seeds(group: RunGroup) -> str:
    seeds = ", ".join(map(str, group.seeds))
    return f"seeds {seeds}" if len(group.seeds) > 1 else f"seed {seeds}"


def chart(summary: Comparisons, name: str, title: str) -> str:
    """A forest plot of the differences in one measure, with corrected intervals."""
    rows = []
    for each in summary.comparisons:
        score = each.differences[name].corrected
        rows.append((each.group.name, score.value, score.low, score.high))
    axis = (
        f"minus {summary.groups[0].name}"
        if len(summary.groups[0].name) < 60
        else "minus the reference"
    )
    return charts.forest(rows, axis, f"Macro F1, {title}")
