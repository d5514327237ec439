"""Ablation: changes one thing of a recipe at a time, on the same folds and seeds, and compares.

Every run is an ordinary run folder `NAME-SEED` in the study's folder, so that `maskgate compare
FOLDER` and `maskgate runs FOLDER` work on it. `ablation_plan.py` says which runs there are.
"""

from dataclasses import replace

from maskgate import cluster
from maskgate.cluster import Cluster
from maskgate.core import units
from maskgate.core.progress import say
from maskgate.errors import DiskError, MaskgateError
from maskgate.evaluation import compare as comparison
from maskgate.evaluation.compare import Comparisons
from maskgate.studies.ablation_plan import PlannedRun, Study
from maskgate.studies.changes import REFERENCE
from maskgate.tracking import session
from maskgate.training import crossval, distribute, warm_start
from maskgate.training.training_data import prepare


def train(study: Study, on: Cluster | None = None) -> dict[str, str]:
    """Train what is not finished, here or `on` a cluster (`cluster.map_unordered`).

    At the end, trackers get what they lack of the runs that were finished before.

    Returns for each change with a failed run the reason, such as a loss that diverged. The others
    continue; repeating the command tries it again. Raises MaskgateError if the reference fails, or
    all changes do.
    """
    left, failed = study.left, {planned.options.name: planned.damage for planned in study.damaged}
    if REFERENCE in failed:
        raise MaskgateError(failed[REFERENCE])
    finished = len(study.runs) - len(left) - len(study.damaged)
    queue = [
        replace(planned, title=f"run {number} of {len(study.runs)}: {planned.title}")
        for number, planned in enumerate(left, finished + 1)
    ]
    if on is not None and left:
        left[0].run.path.parent.mkdir(
            parents=True, exist_ok=True
        )  # so that a node can check that it sees the folder
    train_one = _train if on is None else _train_on_node
    for ended, (number, reason) in enumerate(cluster.map_unordered(train_one, queue, on, _name), 1):
        planned = queue[number]
        progress = f"{len(left) - ended} to go. {remaining(study)}".strip()
        if not reason:
            say(f"{planned.title}: ended, {progress}")
            continue
        if planned.options.name == REFERENCE:
            raise MaskgateError(f"{planned.title}: {reason}")
        say(f"{planned.title}: failed ({reason}), {progress}")
        failed.setdefault(planned.options.name, reason)
    for planned in study.runs:
        if planned in left or planned.damage:
            continue
        if not session.send(planned.run, planned.recipe.tracking):
            break
    if len(failed) == len(study.changes):
        raise MaskgateError(f"every change failed; the first: {next(iter(failed.values()))}")
    return failed


def _name(planned: PlannedRun) -> str:
    return planned.run.path.name


def _train(planned: PlannedRun, again: bool = False) -> str:
    """Train a run; the reason if it failed by itself, such as a loss that diverged, else empty.
    Raises DiskError for an error that stops all runs, such as a full disk."""
    say(planned.title)
    try:
        crossval.train(planned.recipe, planned.options, patience=crossval.PATIENCE if again else 0)
    except DiskError:
        raise
    except MaskgateError as error:
        return str(error)
    return ""


def _train_on_node(planned: PlannedRun) -> str:
    """As `_train`, on a node of a cluster, where it may be retried."""
    study = planned.run.path.parent
    if not study.is_dir():
        raise distribute.folder_not_shared(study, "the folder of runs")
    prepared = prepare(planned.recipe, planned.options)
    digest = planned.recipe.digest(prepared.digest, *warm_start.weight_digests(planned.recipe))
    if digest != planned.digest:
        raise distribute.data_differ(planned.options.data)
    return _train(planned, again=True)


def verdicts(study: Study) -> Comparisons:
    """Every trained change against the reference, corrected for multiple comparisons. Raises
    MaskgateError."""
    return comparison.compare(study.trained())


def remaining(study: Study) -> str:
    """The estimated time of the remaining fits, from the finished ones; empty before the first."""
    undamaged = [planned for planned in study.runs if not planned.damage]
    seconds = sorted(second for planned in undamaged for second in planned.run.fold_seconds())
    fits_left = sum(study.folds - len(planned.run.fold_seconds()) for planned in study.left)
    if not seconds or not fits_left:
        return ""
    low, high = seconds[0], seconds[-1]
    total = (units.duration(fits_left * low), units.duration(fits_left * high))
    return (
        f"A fit took {units.duration(low)} to {units.duration(high)}, {fits_left} are left:"
        f" {' to '.join(dict.fromkeys(total))} one after the other."
    )
