"""Runs compared, for people: a table on the terminal, a page, and a CSV of the same numbers."""

from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from maskgate.core import files, terminal
from maskgate.core.score import Score
from maskgate.evaluation import power
from maskgate.evaluation.compare import SCORE, Comparison, Comparisons
from maskgate.evaluation.groups import Side
from maskgate.reports import charts, pages
from maskgate.reports.listing import differences


def show(found: Comparisons, size: float | None = None) -> None:
    """Print scores and differences as a table, then every verdict as a sentence.

    With `size`, a difference of the score, also how many people would show it.
    """
    table = Table("side", "macro F1 of", "score", "difference", "", box=None, pad_edge=False)
    against = {each.side.name: each for each in found.comparisons}
    for side, scores in zip(found.sides, found.scores, strict=True):
        comparison = against.get(side.name)
        for name, title in titles_of(found).items():
            first = name == SCORE
            table.add_row(
                side.name if first else "",
                title,
                str(scores[name].score),
                signed(comparison.differences[name].corrected) if comparison else "",
                comparison.verdict if comparison and first else "",
            )
    console = terminal.console()
    console.print(table)
    console.print()
    for side in found.sides:
        console.print(f"{side.name}, {_seeds(side)}: {differs(found, side)}", soft_wrap=True)
    for each in found.comparisons:
        console.print(sentence(each), soft_wrap=True)
    for note in [*found.notes, *_power(found, size)]:
        console.print(note, soft_wrap=True)


def _power(found: Comparisons, size: float | None) -> list[str]:
    """For each comparison, how many people would show a true difference of `size`."""
    if size is None:
        return []
    return [power.sentence(each, found.people, size) for each in found.comparisons]


def write(found: Comparisons, page: Path, listing: Path, size: float | None = None) -> None:
    """Write the page, and the CSV of one row for each side and measure beside it.

    With `size`, a difference of the score, the page also says how many people would show it.
    """
    with files.new_folder(page.parent):
        _write(found, page, listing, size)


def _write(found: Comparisons, page: Path, listing: Path, size: float | None) -> None:
    table = as_table(found)
    files.replace(listing, lambda beside: table.to_csv(beside, index=False))
    titles = titles_of(found)
    pages.write(
        page,
        "compare.html",
        found=found,
        titles=titles,
        verdicts=[(each.verdict, sentence(each)) for each in found.comparisons],
        charts=[chart(found, name, title) for name, title in titles.items()],
        sides=[
            {"side": side, "seeds": _seeds(side), "differs": differs(found, side)}
            for side in found.sides
        ],
        listing=listing.name,
        signed=signed,
        notes=[*found.notes, *_power(found, size)],
    )


def as_table(found: Comparisons) -> pd.DataFrame:
    """A row for each side but the reference and each measure; `low` and `high` are corrected for
    the number of sides, `low_alone` and `high_alone` are not."""
    rows: list[dict[str, Any]] = []
    for each, scores in zip(found.comparisons, found.scores[1:], strict=True):
        for name, difference in each.differences.items():
            rows.append(
                {
                    "reference": each.reference.name,
                    "side": each.side.name,
                    "reference_seeds": " ".join(map(str, each.reference.seeds)),
                    "side_seeds": " ".join(map(str, each.side.seeds)),
                    "measure": name,
                    **_columns("reference", found.scores[0][name].score),
                    **_columns("side", scores[name].score),
                    "difference": difference.corrected.value,
                    "low": difference.corrected.low,
                    "high": difference.corrected.high,
                    "low_alone": difference.alone.low,
                    "high_alone": difference.alone.high,
                    "verdict": each.verdict if name == SCORE else "",
                    "speaks_of": each.speaks_of,
                    "differs": differs(found, each.side),
                }
            )
    return pd.DataFrame(rows)


def _columns(of: str, score: Score) -> dict[str, float]:
    return {f"{of}_score": score.value, f"{of}_low": score.low, f"{of}_high": score.high}


def sentence(comparison: Comparison) -> str:
    """The verdict, whether it is one on models or on recipes, and the difference behind it."""
    side, reference = comparison.side.name, comparison.reference.name
    than = f"is {comparison.verdict} than {reference}"
    if comparison.verdict == "undecided":
        than = f"against {reference} is undecided"
    return f"Of {comparison.speaks_of}, {side} {than}: {signed(comparison.score)}."


def differs(found: Comparisons, side: Side) -> str:
    """What a side's recipe has and the reference's has not, as `key.sub=value, …`."""
    if side is found.sides[0]:
        return "the reference"
    kinds = ["members" in each.recipe for each in (found.sides[0], side)]
    if kinds[0] != kinds[1]:
        return "a system" if kinds[1] else "a single recipe"
    return ", ".join(differences(found.sides[0].recipe, side.recipe))


def signed(score: Score) -> str:
    """`+0.0123 [+0.0010, +0.0236]`."""
    value, low, high = (
        f"{round(end, 4) + 0.0:+.4f}" for end in (score.value, score.low, score.high)
    )
    return f"{value} [{low}, {high}]"


def titles_of(found: Comparisons) -> dict[str, str]:
    """What each measure is the macro F1 of."""
    told = found.score_of.removeprefix("macro F1").removeprefix(", ") or "18 classes"
    return {name: told if name == SCORE else name.replace("_", " ") for name in found.scores[0]}


def _seeds(side: Side) -> str:
    told = ", ".join(map(str, side.seeds))
    return f"seeds {told}" if len(side.seeds) > 1 else f"seed {told}"


def chart(found: Comparisons, name: str, title: str) -> str:
    """A forest of the differences in one measure, with their corrected intervals."""
    rows = []
    for each in found.comparisons:
        score = each.differences[name].corrected
        rows.append((each.side.name, score.value, score.low, score.high))
    axis = f"less {found.sides[0].name}" if len(found.sides[0].name) < 60 else "less the reference"
    return charts.forest(rows, axis, f"Macro F1, {title}")
