"""Report of pseudo-label rounds: sentences, a table on the terminal, a page and a CSV."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from rich.table import Table

from maskgate import labels
from maskgate.config.recipe import Pseudo
from maskgate.core import charts, files, terminal
from maskgate.data.column_values import TRAINED, USES
from maskgate.evaluation import compare
from maskgate.evaluation.rounds import Round, Rounds
from maskgate.reports import links, pages
from maskgate.reports.changed_settings import differences
from maskgate.reports.compare import signed
from maskgate.runs import tables

PAGE: Final = "pseudo.html"
LISTING: Final = "pseudo.csv"
_BINS: Final = 40  # of the confidence histograms


def sentence(study: Rounds, round_: Round) -> str:
    """The change in score from the round before; begins with `warning:` if it is lower, or if
    there were no pseudo labels."""
    if round_.difference is None:
        return f"round {round_.number}: out-of-fold {study.score_of} {round_.score}"
    if not round_.trained:
        return (
            f"warning: round {round_.number} has no pseudo labels: no photo reaches the thresholds;"
            " lower pseudo.thresholds"
        )
    against = f"{signed(round_.difference)} against round {round_.number - 1}"
    if round_.difference.value == 0:
        return f"round {round_.number} did not change the out-of-fold {study.score_of}"
    side = "below" if round_.lowered else "above"
    certainty = f"the interval is {side} zero"
    if not round_.certain:
        certainty = "the interval includes zero, so this may be chance"
    elif round_.lowered:
        certainty += ": these pseudo labels made the model worse"
    verb = "warning: round {} lowered" if round_.lowered else "round {} raised"
    return f"{verb.format(round_.number)} the out-of-fold {study.score_of}: {against}; {certainty}"


def conclusion(study: Rounds) -> str:
    """Which run to use, and whether that is decided."""
    recommended, over = study.recommended, study.over_recommended
    use = f"use {recommended.run.path}" + ("" if recommended.number else ", without pseudo labels")
    if over is not None:
        return (
            f"Undecided: round {study.best.number} scores highest, but only by {signed(over.score)}"
            f" against round {recommended.number}, which is simpler: {use}."
        )
    if not recommended.number:
        return f"No round scored higher than round 0: {use}."
    return f"Round {recommended.number} is better than those before it: {use}."


def notes(study: Rounds) -> list[str]:
    """Caveats of the scores, a sentence each."""
    lines = [
        "Every round is trained with one seed. To see whether other seeds gain as much, train more"
        " seeds."
    ]
    if study.over_recommended is not None and study.over_recommended.scarce:
        lines.append(compare.too_few_people(study.over_recommended.scarce))
    if study.recommended.number:
        lines.append(
            "The round was selected on the people it is scored on, so its score is slightly"
            " optimistic."
        )
    first, second = (_settings(each) for each in study.rounds[:2])
    if first != second:
        lines.append(
            "Round 0 is a run of another recipe, so round 1 differs in more than pseudo labels:"
            f" {', '.join(differences(first, second))}."
        )
    return lines


def _settings(round_: Round) -> dict[str, Any]:
    """The recipe of a round, without the keys that always differ."""
    settings = round_.run.settings() | {"pseudo": None}
    return settings | {"folds": settings["folds"] | {"file": None}}


def show(study: Rounds) -> None:
    """Print the rounds as a table, then sentences about them."""
    table = Table(
        "round", study.score_of, "against the round before", "pseudo labels (mean of folds)",
        box=None, pad_edge=False,
    )  # fmt: skip
    for round_ in study.rounds:
        difference = signed(round_.difference) if round_.difference else ""
        trained = mean_count(round_.trained) if round_.labels else ""
        table.add_row(str(round_.number), str(round_.score), difference, trained)
    console = terminal.console()
    console.print(table)
    console.print()
    for text in [*(sentence(study, round_) for round_ in study.rounds[1:]), *notes(study)]:
        console.print(text, soft_wrap=True)
    console.print(conclusion(study), soft_wrap=True)


def write(study: Rounds, pseudo: Pseudo, folder: Path) -> None:
    """Write the page and the CSV, one row per round, into the folder."""
    table = as_table(study)
    files.replace(folder / LISTING, lambda target: table.to_csv(target, index=False))
    later_rounds = study.rounds[1:]
    differing = [
        (
            f"round {round_.number} minus round {round_.number - 1}",
            score.value,
            score.low,
            score.high,
        )
        for round_ in later_rounds
        if (score := round_.difference) is not None
    ]
    classes = pd.concat(
        [round_.classes().rename(round_.number) for round_ in later_rounds], axis=1
    ).fillna(0)
    order = classes.sum(axis=1).sort_values(ascending=False, kind="stable").index
    pages.write(
        folder / PAGE,
        "pseudo.html",
        study=study,
        pseudo=pseudo,
        thresholds={name.replace("_", " "): getattr(pseudo.thresholds, name) for name in _NAMES},
        conclusion=conclusion(study),
        warnings=[
            sentence(study, round_).removeprefix("warning: ")
            for round_ in later_rounds
            if round_.lowered or not round_.trained
        ],
        notes=notes(study),
        forest=charts.forest(differing, "difference", f"{study.score_of}, round by round"),
        uses=USES,
        means_by_round=[(round_, _means(round_)) for round_ in later_rounds],
        classes=[(name, classes.loc[name].tolist()) for name in order],
        sure=_confidence_histograms(study.rounds[-1], pseudo),
        listing=LISTING,
        signed=signed,
        report_of=lambda run: links.to_report(folder, run.path),
        mean_count=mean_count,
        pseudo_names=_NAMES,
    )


def mean_count(mean: float) -> str:
    """A mean of counts: a whole number as one, others with one decimal."""
    return f"{mean:,.0f}" if mean == round(mean) else f"{mean:,.1f}"


_NAMES: Final = tuple(labels.ATTRIBUTES)


def as_table(study: Rounds) -> pd.DataFrame:
    """One row per round: run, score, difference, and photos by use and attribute."""
    rows = []
    for round_ in study.rounds:
        row: dict[str, Any] = {"round": round_.number, "run": str(round_.run.path)}
        for name, score in (("score", round_.score), ("difference", round_.difference)):
            ends = (score.value, score.low, score.high) if score else (np.nan,) * 3
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        row["lowered"] = round_.lowered
        row["use"] = round_ is study.recommended
        means = _means(round_) if round_.labels else {}
        rows.append(row | {f"photos {key}": mean for key, mean in means.items()})
    return pd.DataFrame(rows)


def _means(round_: Round) -> dict[str, float]:
    """Photos of a round by use, and by known attribute if trained on; means of the folds."""
    counts = []
    for table in round_.labels:
        trained = table[table["use"] == TRAINED]
        known = {name: int((trained[name] != labels.UNKNOWN).sum()) for name in _NAMES}
        counts.append({use: int((table["use"] == use).sum()) for use in USES} | known)
    return {key: float(np.mean([count[key] for count in counts])) for key in counts[0]}


def _confidence_histograms(round_: Round, pseudo: Pseudo) -> list[str]:
    """For each attribute, a histogram of the highest probability, over all folds' photos."""
    probabilities = [tables.pseudo(round_.run, fold)[1] for fold in round_.run.folds]
    parts = labels.marginals(np.concatenate(probabilities).astype(np.float64))
    histograms = []
    for name, part in parts.items():
        edges = np.linspace(0, 1, _BINS + 1)
        counts, _ = np.histogram(part.max(1).clip(0, 1), edges)
        title = name.replace("_", " ").capitalize()
        rounded_edges = [round(float(edge), 3) for edge in edges]
        mark = getattr(pseudo.thresholds, name)
        histograms.append(
            charts.columns(
                {title: counts.tolist()},
                rounded_edges,
                "probability of the prediction",
                y_label=title,
                marks=[mark],
            )
        )
    return histograms
