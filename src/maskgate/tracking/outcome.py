"""What trackers are given of a run: what it is at its start, and its outcome at its end."""

import csv
import hashlib
import io
from pathlib import Path

import maskgate
from maskgate.config.recipe import WITHOUT_EFFECT
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder
from maskgate.runs.records.results import Results, Scores
from maskgate.tracking import confusion_picture, names
from maskgate.tracking.protocol import Confusion, Outcome, Table, TrackedRun


def tracked_run(run: RunFolder) -> TrackedRun:
    """A run that has begun, as trackers see it. Raises MaskgateError."""
    status, settings = run.status(), run.settings()
    started = f"{status.digest} {status.started}"
    is_member = run.path.parent.name == "members"
    system = run.path.resolve().parents[1].name if is_member else ""
    own_name = run.path.resolve().name
    folds = epochs = 0
    if not run.is_system:
        training = run.recipe().training
        folds, epochs = max(run.folds) + 1, training.epochs + training.validation_epochs
    tags = {
        "recipe": status.recipe,
        "digest": status.digest,
        "started": status.started,
        "maskgate": maskgate.__version__,
        "system": system,
    }
    return TrackedRun(
        id=hashlib.sha256(started.encode()).hexdigest()[:16],
        name=f"{system}/{own_name}" if is_member else own_name,
        folder=run.path,
        settings={key: value for key, value in settings.items() if key not in WITHOUT_EFFECT},
        text=run.settings_file.read_text("utf-8"),
        folds=folds,
        epochs=epochs,
        tags={key: value for key, value in tags.items() if value},
    )


def read(run: RunFolder, folder: Path, photos: bool) -> Outcome:
    """The outcome of a run whose scores and report are written; files that it lacks are written
    into `folder`. With `photos` its report shows photos of people; it does not say what trackers
    lack, as that changes by sending it. Raises MaskgateError."""
    results = run.metrics()
    report = run.report_file
    if not photos or run.status().untracked:
        path = folder / report.name
        report = run_report.write(run, photos, path=path, untracked=False)
    files = {run.settings_file.name: run.settings_file, report.name: report}
    mistakes = None
    if results.validated:
        mistakes = _table(run.mistakes_file)
        files[run.mistakes_file.name] = run.mistakes_file
    return Outcome(
        scores=names.of_results(results),
        confusions=_confusions(results) if results.validated else {},
        mistakes=mistakes,
        files=files,
    )


def _table(path: Path) -> Table:
    """A CSV with all values as text."""
    columns, *rows = csv.reader(io.StringIO(path.read_text("utf-8"), newline=""))
    return Table(columns, rows)


def _confusions(results: Results) -> dict[str, Confusion]:
    confusions: dict[str, Confusion] = {}
    for name, part in results.attributes.items():
        confusions[name] = _confusion(name, part)
    if (all_classes := results.all_classes) is not None:
        confusions["class"] = _confusion("18 classes", all_classes)
    return confusions


def _confusion(title: str, scores: Scores) -> Confusion:
    classes = [each.name for each in scores.classes]
    counts = scores.confusion.value
    picture = confusion_picture.draw(title.replace("_", " "), classes, counts)
    return Confusion(classes, counts, picture)
