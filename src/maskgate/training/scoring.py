"""Finishes a run after its last fold: pools the folds, scores them and writes the report."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.config.recipe import Recipe
from maskgate.core import files, units
from maskgate.evaluation import age_errors, majority, metrics, slices
from maskgate.imaging.tta import PLAIN_VIEW, tta_digest
from maskgate.model import heads, network
from maskgate.model.losses.marginals import CLASSES
from maskgate.pipeline.target import counts
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder, tables
from maskgate.runs.records import stored
from maskgate.runs.records.fold import FoldResult
from maskgate.runs.records.results import Results, known_attributes
from maskgate.tracking.session import Tracking
from maskgate.training import pseudo
from maskgate.training.training_data import TrainingData


def conclude(
    run: RunFolder, recipe: Recipe, prepared: TrainingData, tracking: Tracking | None = None
) -> None:
    """Pool the folds, score them, write the report, send it to trackers and finish the run."""
    fold_results = [run.fold_result(number) for number in run.folds]
    history = pd.concat([tables.fold_history(run, number) for number in run.folds])
    files.replace(run.history_file, lambda part: history.to_csv(part, index=False))
    results: dict[str, Any] = {"validated": prepared.validates}
    if recipe.training.validation_epochs:
        results["unvalidated_epochs"] = recipe.training.validation_epochs
    if results["validated"]:
        results |= _score(run, recipe, prepared.photos.table)
    stored.write(run.metrics_file, Results, results)
    seconds = sum(fold.seconds for fold in fold_results)
    photos = sum(fold.photos for fold in fold_results)
    reduced = sorted(set(history["accumulate"]) - {recipe.training.accumulate})
    warnings = prepared.warnings + [
        f"out of memory: batches ran in {parts} parts instead of {recipe.training.accumulate}"
        for parts in reduced
    ]
    warnings += pseudo.warnings(recipe, run, prepared.folds)
    run.update_status(
        seconds=round(seconds, 1),
        photos_per_second=round(photos / max(seconds, 1e-9), 1),
        warnings=warnings,
        did=_training_summary(run, fold_results, recipe, prepared),
    )
    finish(run, tracking)


def finish(run: RunFolder, tracking: Tracking | None) -> None:
    """Write the report of a run whose scores are written, send both to trackers, and mark the run
    as finished."""
    run_report.write(run)
    if tracking is not None:
        tracking.conclude()
    run.finish()


def _score(run: RunFolder, recipe: Recipe, truth: pd.DataFrame) -> dict[str, Any]:
    """Write the out-of-fold probabilities; the scores against `truth`, a row per photo."""
    table, probabilities = _pool(run, "oof.parquet")
    tables.write_probabilities(run.oof_file, table, probabilities)
    truth = truth.set_index("photo").loc[table["photo"]].reset_index()
    attributes = heads.attributes(recipe.model.head)
    scores = metrics.evaluate(probabilities, truth, attributes=attributes) | {"knows": attributes}
    if "faces" in truth:
        has_face = truth["faces"].to_numpy() > 0
        scores["faces"] = metrics.by_face(probabilities, truth, has_face, attributes)
    photos = tables.photos(run).set_index("photo").loc[table["photo"]].reset_index()
    scores["slices"] = slices.scores(probabilities, photos, attributes)
    if "predicted_age" in table:
        scores["age"] = age_errors.evaluate(table["predicted_age"].to_numpy(), truth)
    if recipe.tta:
        _, plain = _pool(run, "oof-plain.parquet")
        tables.write_probabilities(run.oof_file_with(tta_digest([PLAIN_VIEW])), table, plain)
        scores["without_tta"] = metrics.paired_comparison(probabilities, plain, truth, attributes)
    scores["selection"] = recipe.training.select
    if recipe.training.select == "best":
        _, last = _pool(run, "oof-last.parquet")
        scores["last_epoch"] = metrics.evaluate(last, truth, attributes=attributes)["score"]
    return scores


def _training_summary(
    run: RunFolder, fold_results: list[FoldResult], recipe: Recipe, prepared: TrainingData
) -> dict[str, Any]:
    """What the training did, for the report's section of that name.

    `there`, the training photos of each class (18,), and `drawn`, those drawn per epoch, are means
    over the folds.
    """
    folds = [pseudo.with_labels(prepared.fold_data(number), run) for number in prepared.folds]
    available = [counts(data.table.iloc[data.train])[CLASSES] for data in folds]
    drawn = [np.array(fold.drawn) / fold.epochs for fold in fold_results]
    mixed = [fold.mixed for fold in fold_results]
    model = network.create(recipe, with_weights=False)
    labelled = {"pseudo": pseudo.summary(run, prepared.folds)} if prepared.unlabelled else {}
    return labelled | {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "there": np.mean(available, axis=0).tolist(),
        "drawn": np.mean(drawn, axis=0).tolist(),
        "mixed": dict(sum(map(Counter, mixed), Counter())),
    }


def _pool(run: RunFolder, name: str) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    parts = [tables.fold_oof(run, number, name) for number in run.folds]
    return pd.concat([table for table, _ in parts], ignore_index=True), np.concatenate(
        [probabilities for _, probabilities in parts]
    )


def summary(run: RunFolder) -> str:
    """A finished run in two lines: its folder, and its score beside that of the baseline."""
    status, results = run.status(), run.metrics()
    where = f"{run.path}: {units.duration(status.seconds or 0)}, report in {run.report_file}"
    if not results.validated:
        return f"{where}\ntrained on all photos, without validation"
    table, _ = tables.oof(run)
    baseline = majority.main_score(table, known_attributes(results))
    scored = f"{results.photos:,} photos of {results.people:,} people"
    if results.people < status.people:
        scored += f", of {status.people:,} in the data"
    return (
        f"{where}\nout-of-fold {results.score_of} {results.score} on {scored}; always the most"
        f" frequent class: {baseline}"
    )
