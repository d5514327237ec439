"""Rounds of pseudo labels, for people: sentences, a table on the terminal, a page and a CSV."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from rich.table import Table

from maskgate import labels
from maskgate.config.recipe import Pseudo
from maskgate.core import files, terminal
from maskgate.data.column_values import TRAINED, USES
from maskgate.evaluation.rounds import Round, Rounds
from maskgate.reports import charts, pages
from maskgate.reports.compare import signed
from maskgate.reports.listing import differences
from maskgate.runs import tables

PAGE: Final = "pseudo.html"
LISTING: Final = "pseudo.csv"
_BINS: Final = 40  # of the histograms of how sure the models are


def sentence(found: Rounds, each: Round) -> str:
    """What a round made of the score of the one before; begins with `warning:` where it is lower,
    or where there was nothing to learn."""
    if each.difference is None:
        return f"round {each.number}: out-of-fold {found.score_of} {each.score}"
    if not each.trained:
        return (
            f"warning: round {each.number} had nothing to learn: no photo is sure enough; lower"
            " pseudo.thresholds"
        )
    against = f"{signed(each.difference)} against round {each.number - 1}"
    if each.difference.value == 0:
        return f"round {each.number} left the out-of-fold {found.score_of} as it was"
    side = "below" if each.lowered else "above"
    sure = f"the whole interval lies {side} zero"
    if not each.certain:
        sure = "the interval holds zero, so that this may be chance"
    elif each.lowered:
        sure += ": these pseudo labels made the model worse"
    verb = "warning: round {} lowered" if each.lowered else "round {} raised"
    return f"{verb.format(each.number)} the out-of-fold {found.score_of}: {against}; {sure}"


def conclusion(found: Rounds) -> str:
    """The run to use, in a sentence."""
    best = found.best
    if not best.number:
        return f"No round scored higher than round 0: use {best.run.path}, without pseudo labels."
    return f"Round {best.number} scores highest: use {best.run.path}."


def notes(found: Rounds) -> list[str]:
    """What a reader must know to read the scores aright, a sentence each."""
    told = [
        "Every round is one model, trained with one seed: whether another seed would gain as much,"
        " only further seeds can tell."
    ]
    if found.best.number:
        told.append(
            "The round to use was chosen by its score on the very people it is scored on, which"
            " flatters that score a little."
        )
    first, second = (_settings(each) for each in found.rounds[:2])
    if first != second:
        told.append(
            "Round 0 is a run of another recipe, and what round 1 changes is not its pseudo labels"
            f" alone: {', '.join(differences(first, second))}."
        )
    return told


def _settings(each: Round) -> dict[str, Any]:
    """The recipe of a round, less what is bound to differ."""
    settings = each.run.settings() | {"pseudo": None}
    return settings | {"folds": settings["folds"] | {"file": None}}


def show(found: Rounds) -> None:
    """Print the rounds as a table, then what to make of them."""
    table = Table(
        "round", found.score_of, "against the one before", "photos labelled", box=None,
        pad_edge=False,
    )  # fmt: skip
    for each in found.rounds:
        difference = signed(each.difference) if each.difference else ""
        trained = f"{each.trained:.0f}" if each.labels else ""
        table.add_row(str(each.number), str(each.score), difference, trained)
    console = terminal.console()
    console.print(table)
    console.print()
    for text in [*(sentence(found, each) for each in found.rounds[1:]), *notes(found)]:
        console.print(text, soft_wrap=True)
    console.print(conclusion(found), soft_wrap=True)


def write(found: Rounds, wanted: Pseudo, folder: Path) -> None:
    """Write the page and the CSV, a row a round, into the folder."""
    table = as_table(found)
    files.replace(folder / LISTING, lambda beside: table.to_csv(beside, index=False))
    later = found.rounds[1:]
    differing = [
        (f"round {each.number} less round {each.number - 1}", score.value, score.low, score.high)
        for each in later
        if (score := each.difference) is not None
    ]
    classes = pd.concat([each.classes().rename(each.number) for each in later], axis=1).fillna(0)
    order = classes.sum(axis=1).sort_values(ascending=False, kind="stable").index
    pages.write(
        folder / PAGE,
        "pseudo.html",
        found=found,
        wanted=wanted,
        thresholds={name.replace("_", " "): getattr(wanted.thresholds, name) for name in _NAMES},
        conclusion=conclusion(found),
        warnings=[
            sentence(found, each).removeprefix("warning: ")
            for each in later
            if each.lowered or not each.trained
        ],
        notes=notes(found),
        forest=charts.forest(differing, "difference", f"{found.score_of}, round by round"),
        uses=USES,
        told=[(each, _means(each)) for each in later],
        classes=[(name, classes.loc[name].tolist()) for name in order],
        sure=_sure(found.rounds[-1], wanted),
        listing=LISTING,
        signed=signed,
    )


_NAMES: Final = tuple(labels.ATTRIBUTES)


def as_table(found: Rounds) -> pd.DataFrame:
    """A row a round: its run, score, difference, and photos by use and attribute."""
    rows = []
    for each in found.rounds:
        row: dict[str, Any] = {"round": each.number, "run": str(each.run.path)}
        for name, score in (("score", each.score), ("difference", each.difference)):
            ends = (score.value, score.low, score.high) if score else (np.nan,) * 3
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        row["lowered"] = each.lowered
        row["use"] = each is found.best
        means = _means(each) if each.labels else {}
        rows.append(row | {f"photos {key}": mean for key, mean in means.items()})
    return pd.DataFrame(rows)


def _means(each: Round) -> dict[str, float]:
    """Photos of a round by their use, of those trained on by attribute known; means of folds."""
    counted = []
    for table in each.labels:
        trained = table[table["use"] == TRAINED]
        known = {name: int((trained[name] != labels.UNKNOWN).sum()) for name in _NAMES}
        counted.append({use: int((table["use"] == use).sum()) for use in USES} | known)
    return {key: float(np.mean([count[key] for count in counted])) for key in counted[0]}


def _sure(each: Round, wanted: Pseudo) -> list[str]:
    """A histogram for each attribute: how sure the models were of it, over all folds' photos."""
    said = [tables.pseudo(each.run, fold)[1] for fold in each.run.folds]
    parts = labels.marginals(np.concatenate(said).astype(np.float64))
    drawn = []
    for name, part in parts.items():
        edges = np.linspace(0, 1, _BINS + 1)
        counts, _ = np.histogram(part.max(1).clip(0, 1), edges)
        title = name.replace("_", " ").capitalize()
        shown = [round(float(edge), 3) for edge in edges]
        mark = getattr(wanted.thresholds, name)
        drawn.append(
            charts.columns(
                {title: counts.tolist()},
                shown,
                "probability of the answer",
                y_label=title,
                marks=[mark],
            )
        )
    return drawn
