"""Distils a run, such as an ensemble's, into one model, and measures what it keeps.

The student learns the teacher's probabilities beside the labels (`training.soft_labels`), on the
teacher's folds. By default those of the models that were not trained on the people whom it is
validated on: its score is as honest as any.
"""

from pathlib import Path
from typing import Final

import numpy as np

from maskgate.config.recipe import Recipe
from maskgate.evaluation import distillation
from maskgate.evaluation.distillation import Kept
from maskgate.inference import loading, speed
from maskgate.inference.classifier import Classifier
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder, comparability, tables
from maskgate.runs.records import stored
from maskgate.runs.records.distillation import Compared, Distillation
from maskgate.runs.records.results import Figure
from maskgate.training import crossval, preflight, processes
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import prepare

_TIMED_PHOTOS: Final = 8


def train(
    recipe: Recipe, options: TrainOptions, teacher: RunFolder, single: RunFolder
) -> RunFolder:
    """Train a recipe that `teachers.student` made, and compare it with its teacher and with a
    single model; returns the finished run.

    The comparison is written to its `distillation_file` and its report; after a smoke test there is
    none. An unfinished run is resumed. What the comparison needs is checked before the training.
    Raises MaskgateError.
    """
    with processes.group() as group:
        if not options.smoke:
            processes.on_main(group, lambda: _check(recipe, options, teacher, single))
        run = crossval.train(recipe, options)
        if not options.smoke:
            processes.on_main(group, lambda: _conclude(run, teacher, single, options.folder))
    return run


def _check(recipe: Recipe, options: TrainOptions, teacher: RunFolder, single: RunFolder) -> None:
    """Raise MaskgateError where the student could not be compared with the two runs."""
    preflight.check_recipe(recipe, options.name, options.trust)
    for run in (teacher, single):
        loading.of_run(run, options.folder)
    prepared = prepare(preflight.with_detector(recipe, options, options.name), options)
    validated = prepared.validated(str(options.data))
    for run in (teacher, single):
        comparability.check(comparability.validation_set(run), validated)


def _conclude(student: RunFolder, teacher: RunFolder, single: RunFolder, cache: Path) -> None:
    """Measure and write the comparison, and write the report again."""
    kept = distillation.measure(student, teacher, single)
    runs = {"single": single, "ensemble": teacher, "student": student}
    classifiers: dict[str, Classifier] = {
        name: loading.of_run(run, cache) for name, run in runs.items()
    }
    times = speed.milliseconds(classifiers, _timed_photos(student))
    compared = {
        name: Compared(
            run=str(run.path),
            score=_figure(kept, name),
            networks=classifiers[name].count,
            passes=speed.passes(classifiers[name]),
            milliseconds=float(np.median(times[name])),
        )
        for name, run in runs.items()
    }
    differences = {name: _figure(kept, name) for name in ("gain", "student_gain", "lost")}
    if kept.kept is not None:
        differences["kept"] = Figure.from_score(kept.kept)
    values = {"score_of": kept.score_of, "people": kept.people, **compared, **differences}
    values["times_faster"] = float(np.median(np.divide(times["ensemble"], times["student"])))
    values["out_of_fold"] = student.recipe().soft_labels == "out_of_fold"
    stored.write(student.distillation_file, Distillation, values)
    student.files.add(student.distillation_file)
    run_report.write(student)


def _figure(kept: Kept, name: str) -> Figure:
    """The record of one of its scores."""
    return Figure.from_score(getattr(kept, name))


def _timed_photos(run: RunFolder) -> list[Path]:
    """A few of the photos that a run validated, from all over its table."""
    table, _ = tables.oof(run)
    rows = np.linspace(0, len(table) - 1, min(len(table), _TIMED_PHOTOS)).astype(int)
    names = table["photo"].iloc[rows].tolist()
    root = Path(run.status().root)
    tables.check_names(run, names, root)
    return [root / name for name in names]
