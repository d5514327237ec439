"""`report.html` of a run: one file that holds all it shows."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from maskgate import labels
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import listed
from maskgate.evaluation import metrics
from maskgate.reports import charts, mistakes, pages, recipe_summary
from maskgate.reports.compare import signed
from maskgate.runs import Run, tables
from maskgate.runs.records.faults import damaged
from maskgate.runs.records.results import Confusion, Member, Results, Scores, known_attributes


def write(run: Run, photos: bool = True) -> Path:
    """Write the report, and `mistakes.csv`, from the run's files; the report's path.

    Without `photos` the page shows no photo of anyone.
    """
    status, results = run.status(), run.metrics()
    history = None if run.is_system else tables.history(run)
    validated = results.validated
    parts = _parts(results) if validated else []
    kept: dict[str, float] = {}
    if history is not None and results.selection == "best":
        kept = _kept(history)
    root = Path(status.root) if photos else None
    pages.write(
        run.report_file,
        "run.html",
        status=status,
        results=results,
        photos=photos,
        parts=parts,
        only=_only(results),
        members=_members(run, results) if run.is_system else [],
        learned=_learned(run) if run.is_system else [],
        confusions=[_cells(part.confusion) for _, part in parts],
        mistakes=_mistakes(run, root) if validated else None,
        did=None if run.is_system else recipe_summary.told(run.recipe(), status),
        curves=_curves(history, kept) if history is not None else [],
        kept=kept,
        recipe=run.files.text(run.settings_file),
        bar=charts.interval_bar,
        signed=lambda figure: signed(figure.as_score()),
    )
    return run.report_file


def _parts(results: Results) -> list[tuple[str, Scores]]:
    """Title and scores of each attribute known, and of the 18 classes where photos know all."""
    parts = [(name.replace("_", " "), part) for name, part in results.attributes.items()]
    whole = results.all_classes
    return parts if whole is None else [*parts, ("18 classes", whole)]


def _only(results: Results | Member) -> str:
    """The attributes that a model knows, which does not know all; else empty."""
    attributes = known_attributes(results)
    return "" if set(attributes) == set(labels.ATTRIBUTES) else listed(attributes).replace("_", " ")


def _members(run: Run, results: Results) -> list[dict[str, Any]]:
    """Of each member its name, its network and what it knows in words, its weight, `results` and
    its page."""
    rows = []
    if not results.combine:
        raise damaged(run.metrics_file, "it does not say how the members are combined")
    for wanted, member in zip(run.system().members, run.members(), strict=True):
        if (own := results.members.get(wanted.name)) is None:
            raise damaged(run.metrics_file, f"it says nothing of the member {wanted.name}")
        rows.append(
            {
                "name": wanted.name,
                "network": _network(member),
                "knows": _only(own) or "all attributes",
                "weight": f"{wanted.weight:g}",
                "results": own,
                "page": Path(os.path.relpath(member.report_file, run.path)).as_posix(),
            }
        )
    return rows


def _network(run: Run) -> str:
    """The network and its input, or the members of a system."""
    if run.is_system:
        return " + ".join(member.name for member in run.system().members)
    recipe = run.recipe()
    model, photo = recipe.model, recipe.photo
    beside = f" beside {model.beside}" if model.beside else ""
    return f"{model.backbone}{beside}, {photo.height}×{photo.width}"


def _learned(run: Run) -> list[tuple[str, str]]:
    """What a system has learned of its out-of-fold probabilities, in words."""
    told, system, results = run.learned(), run.system(), run.metrics().members
    names = [member.name for member in system.members]
    attributes = [known_attributes(results[name]) for name in names]
    if reason := told.mismatch(EnsembleSpec.from_system(system), attributes):
        raise damaged(run.combination_file, reason)
    lines = []
    for attribute, weights in (told.weights or {}).items():
        knowing = [name for name in names if attribute in known_attributes(results[name])]
        shares = zip(knowing, weights, strict=True)
        text = ", ".join(f"{name} {weight:.2f}" for name, weight in shares)
        lines.append((f"Weights, {attribute.replace('_', ' ')}", text))
    if told.near_tie is not None:
        lines.append(("The two best", " and ".join(names[each] for each in told.near_tie.best)))
    if told.offsets is not None:
        offsets = dict(zip(labels.CLASSES, told.offsets.offsets, strict=True))
        moved = [f"{name.replace('_', ' ')} {by:+.2f}" for name, by in offsets.items() if by]
        lines.append(("Offsets", ", ".join(moved) or "none: no offsets paid"))
    return lines


def _cells(confusion: Confusion) -> list[list[dict[str, Any]]]:
    """Rows of cells: count and share of the true class, each `{"value", "low", "high"}`."""
    ends = ("value", "low", "high")
    size = range(len(confusion.value))
    return [
        [
            {
                "count": {end: getattr(confusion, end)[true][taken] for end in ends},
                "share": {end: getattr(confusion.share, end)[true][taken] for end in ends},
            }
            for taken in size
        ]
        for true in size
    ]


def _kept(history: pd.DataFrame) -> dict[str, float]:
    """By fold the epoch whose weights were kept: the first of the best score."""
    best = history.loc[history.groupby("fold")["valid_score"].idxmax()]
    return {f"fold {fold}": epoch for fold, epoch in zip(best["fold"], best["epoch"], strict=True)}


def _curves(history: pd.DataFrame, kept: dict[str, float]) -> list[str]:
    wanted = {
        "Training loss": "train_loss",
        "Validation loss": "valid_loss",
        "Validation macro F1": "valid_score",
        "Learning rate": "lr",
    }
    drawn = []
    for title, column in wanted.items():
        if column in history:
            series = {
                f"fold {fold}": list(zip(rows["epoch"], rows[column], strict=True))
                for fold, rows in history.groupby("fold")
            }
            drawn.append(charts.lines(series, "epoch", title, kept))
    return drawn


def _mistakes(run: Run, root: Path | None) -> dict[str, Any]:
    """How many there are, cards of the worst, and what kept photos from being shown."""
    table, probabilities = tables.oof(run)
    if root is not None:
        tables.check_names(run, table["photo"].tolist(), root)
    digests = dict(zip(table["photo"], table.get("digest", table["photo"]), strict=True))
    attributes = known_attributes(run.metrics())
    found = mistakes.find(metrics.keep_labels(table, attributes), probabilities)
    mistakes.write(run.mistakes_file, found)
    cards, faults = mistakes.cards(mistakes.worst(found), root, digests)
    return {"count": len(found), "cards": cards, "faults": faults, "file": run.mistakes_file.name}
