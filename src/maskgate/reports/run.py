"""The report of a run: `report.html`, a self-contained page."""

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from maskgate import labels
from maskgate.core import charts, reliability
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import listed
from maskgate.evaluation import calibration
from maskgate.reports import (
    distillation,
    gallery,
    links,
    lost_score,
    mistakes,
    pages,
    recipe_summary,
    run_summary,
)
from maskgate.reports.compare import signed
from maskgate.reports.score_table import calibrating
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.faults import damaged
from maskgate.runs.records.results import (
    Attribute,
    Confusion,
    Figure,
    Member,
    Results,
    Scores,
    Slice,
    known_attributes,
)


def write(
    run: RunFolder,
    photos: bool = True,
    data: Path | None = None,
    path: Path | None = None,
    *,
    untracked: bool = True,
) -> Path:
    """Write the report, and `mistakes.csv`, from the run's files; the report's path, by default in
    the run's folder.

    The photos are those in `data`, by default where the run was trained; without `photos` the page
    shows no photo of anyone; without `untracked` it does not say which trackers lack a part.
    """
    path = path or run.report_file
    status, results = run.status(), run.metrics()
    history = None if run.is_system else tables.history(run)
    validated = results.validated
    parts = _score_tables(results) if validated else []
    kept: dict[str, float] = {}
    if history is not None and results.selection == "best":
        kept = _kept(history)
    root = mistakes.root(run, data) if photos else None
    oof = tables.oof(run) if validated else None
    distilled = run.distillation()
    mistakes_of_run = None if oof is None else gallery.context(run, *oof, root)
    pages.write(
        path,
        "run.html",
        status=status,
        warnings=status.all_warnings if untracked else status.warnings,
        results=results,
        summary=run_summary.summarise(run),
        photos=photos,
        parts=parts,
        only=_only(results),
        calibration=_calibration(results),
        target=calibration.TARGET,
        slices=_slices(results),
        members=_members(run, results) if run.is_system else [],
        calibrating=calibrating(results.steps),
        learned=_learned(run) if run.is_system else [],
        distillation=distilled,
        distilled=[] if distilled is None else distillation.sentences(distilled),
        notes=run.notes(),
        confusions=[_cells(part.confusion) for _, part in parts],
        related=links.related(run),
        report_of=lambda path: links.to_report(run.path, Path(path)),
        lost=None if oof is None else lost_score.context(results, *oof),
        mistakes=mistakes_of_run,
        training=None if run.is_system else recipe_summary.summarise(run.recipe(), status),
        curves=_curves(history, kept) if history is not None else [],
        kept=kept,
        recipe=run.files.text(run.settings_file),
        bar=charts.interval_bar,
        signed=lambda figure: signed(figure.as_score()),
    )
    if mistakes_of_run is not None:
        mistakes.warn(mistakes_of_run["faults"], root)
    return path


def write_again(run: RunFolder) -> None:
    """Write the report with what has changed since, if it exists; without photos if it has none, as
    the user may have turned them off."""
    if run.report_file.exists():
        write(run, photos=pages.has_photos(run.report_file))


def _score_tables(results: Results) -> list[tuple[str, Scores]]:
    """Title and scores of each known attribute, and of the 18 classes if photos have all labels."""
    parts = [(name.replace("_", " "), part) for name, part in results.attributes.items()]
    all_classes = results.all_classes
    return parts if all_classes is None else [*parts, ("18 classes", all_classes)]


def _calibration(results: Results) -> list[tuple[str, Figure, str]]:
    """Title, expected calibration error and reliability diagram of each attribute."""
    rows = []
    for name, scores in results.attributes.items():
        if scores.calibration is not None:  # a run of an earlier version
            title = name.replace("_", " ")
            diagram = reliability.draw({title: scores.calibration.points}, title)
            rows.append((title, scores.calibration.error, diagram))
    return rows


def _slices(results: Results) -> dict[str, list[tuple[str, list[Slice]]]]:
    """By attribute, in words, the kinds of slices and their scores."""
    return {
        attribute.replace("_", " "): [
            (kind, list(scores)) for kind, scores in groupby(of_attribute, lambda each: each.kind)
        ]
        for attribute, of_attribute in groupby(results.slices, lambda each: each.attribute)
    }


def _only(results: Results | Member) -> str:
    """The attributes of a model that does not predict all of them; else empty."""
    attributes = known_attributes(results)
    return "" if set(attributes) == set(labels.ATTRIBUTES) else listed(attributes).replace("_", " ")


def _members(run: RunFolder, results: Results) -> list[dict[str, Any]]:
    """For each member its name, network, attributes in words, weight, `results` and page."""
    rows = []
    if not results.combine:
        raise damaged(run.metrics_file, "how the members are combined is missing")
    for member, member_run in zip(run.system().members, run.members(), strict=True):
        if (member_results := results.members.get(member.name)) is None:
            raise damaged(run.metrics_file, f"the member {member.name} is missing")
        rows.append(
            {
                "name": member.name,
                "network": _network(member_run),
                "knows": _only(member_results) or "all attributes",
                "weight": f"{member.weight:g}",
                "results": member_results,
                "page": links.relative(run.path, member_run.report_file),
            }
        )
    return rows


def _network(run: RunFolder) -> str:
    """The network and its input, or the members of a system."""
    if run.is_system:
        return " + ".join(member.name for member in run.system().members)
    recipe = run.recipe()
    model, photo = recipe.model, recipe.photo
    second_backbone = f" with {model.beside}" if model.beside else ""
    return f"{model.backbone}{second_backbone}, {photo.height}×{photo.width}"


def _learned(run: RunFolder) -> list[tuple[str, str]]:
    """What a system fitted on its out-of-fold probabilities, in words."""
    learned, system, results = run.learned(), run.system(), run.metrics().members
    names = [member.name for member in system.members]
    attributes = [known_attributes(results[name]) for name in names]
    if problem := learned.mismatch(EnsembleSpec.from_system(system), attributes):
        raise damaged(run.combination_file, problem)
    lines = []
    for attribute, weights in (learned.weights or {}).items():
        members = [name for name in names if attribute in known_attributes(results[name])]
        shares = zip(members, weights, strict=True)
        text = ", ".join(f"{name} {weight:.2f}" for name, weight in shares)
        lines.append((f"Weights, {attribute.replace('_', ' ')}", text))
    if learned.near_tie is not None:
        lines.append(("The two best", " and ".join(names[each] for each in learned.near_tie.best)))
    if learned.calibrate is not None:
        lines.append(("Temperatures", _by_attribute(learned.calibrate.temperatures)))
    if learned.calibrate_vector is not None:
        for attribute, vector in learned.calibrate_vector.attributes.items():
            scales, biases = (
                ", ".join(f"{value:{form}}" for value in values)
                for values, form in ((vector.scales, ".2f"), (vector.biases, "+.2f"))
            )
            title = f"Vector scaling, {attribute.replace('_', ' ')}"
            lines.append((title, f"scales {scales}; biases {biases}"))
    if learned.offsets is not None:
        offsets = dict(zip(labels.CLASSES, learned.offsets.offsets, strict=True))
        moved = [
            f"{name.replace('_', ' ')} {offset:+.2f}" for name, offset in offsets.items() if offset
        ]
        lines.append(("Offsets", ", ".join(moved) or "none: no offsets raised the score"))
    return lines


def _by_attribute(values: Mapping[Attribute, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in values.items())


def _cells(confusion: Confusion) -> list[list[dict[str, Any]]]:
    """Rows of cells: count and share of the true class, each as `{"value", "low", "high"}`."""
    ends = ("value", "low", "high")
    size = range(len(confusion.value))
    return [
        [
            {
                "count": {end: getattr(confusion, end)[true][predicted] for end in ends},
                "share": {end: getattr(confusion.share, end)[true][predicted] for end in ends},
            }
            for predicted in size
        ]
        for true in size
    ]


def _kept(history: pd.DataFrame) -> dict[str, float]:
    """For each fold, the epoch whose weights were kept: the first with the best score."""
    best = history.loc[history.groupby("fold")["valid_score"].idxmax()]
    return {f"fold {fold}": epoch for fold, epoch in zip(best["fold"], best["epoch"], strict=True)}


def _curves(history: pd.DataFrame, kept: dict[str, float]) -> list[str]:
    columns = {
        "Training loss": "train_loss",
        "Validation loss": "valid_loss",
        "Validation macro F1": "valid_score",
        "Learning rate": "lr",
    }
    curves = []
    for title, column in columns.items():
        if column in history:
            series = {
                f"fold {fold}": list(zip(rows["epoch"], rows[column], strict=True))
                for fold, rows in history.groupby("fold")
            }
            curves.append(charts.lines(series, "epoch", title, kept))
    return curves
