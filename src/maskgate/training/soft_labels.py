"""Soft labels of a fold's training photos: the probabilities of the recipe's `teacher`.

A run's models teach like this: none teaches a fold if it was trained on people whom the fold
validates, as what it learned of them would leak. Of the others, those teach about a person that
were not trained on the person; only if there are none, those that were.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.bundle import Bundle
from maskgate.config.recipe import Recipe
from maskgate.core.progress import say, track
from maskgate.data import contents
from maskgate.data.table import origins
from maskgate.errors import MaskgateError, listed
from maskgate.faces import reader
from maskgate.inference import bundles, loading, teachers
from maskgate.inference.classifier import Classifier
from maskgate.inference.predictor import Predictor
from maskgate.pipeline.target import SoftLabels
from maskgate.runs import Run, tables
from maskgate.runs.trust import check_trusted, trust_if_known
from maskgate.training import warm_start
from maskgate.training.fold_data import FoldData, Rows
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData

_CHUNK: Final = 8 * reader.BATCH  # photos predicted between two commits
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS photos (digest BLOB PRIMARY KEY, probabilities BLOB) WITHOUT ROWID;
"""


def teacher(recipe: Recipe, trust: bool = False) -> Run | Bundle | None:
    """The teacher of a recipe. Raises MaskgateError, before anything is imported, if it is a run
    that needs code that the recipe does not name itself, and `trust` is false."""
    if recipe.teacher is None:
        return None
    source = teachers.open_teacher(recipe.teacher, trust)
    if isinstance(source, Run):
        source = trust_if_known(source, recipe.model.factories)
        check_trusted(source, source.recipe())
    return source


def check(recipe: Recipe, prepared: TrainingData, folds: Sequence[FoldData]) -> None:
    """Raise MaskgateError if no model of the run that is the teacher may teach one of the folds."""
    source = teacher(recipe, trust=True)  # no code is run here
    if isinstance(source, Run):
        for data in folds:
            warm_start.usable_folds(source, prepared, data, "teacher")


def warnings(recipe: Recipe, prepared: TrainingData) -> list[str]:
    """A sentence if nobody can tell whether the teacher was trained on validation people."""
    if not prepared.validates or not isinstance(teacher(recipe, trust=True), Bundle):
        return []
    return [
        f"teacher={recipe.teacher} does not say what photos it was trained on: if validation people"
        " are among them, scores are too high"
    ]


def of_fold(
    recipe: Recipe, prepared: TrainingData, data: FoldData, options: TrainOptions
) -> SoftLabels | None:
    """The soft labels (N, 18) of the rows of a fold's table, NaN for those that it does not train
    on; None without a teacher.

    They are kept in the cache: other processes, folds and runs read them. Raises MaskgateError.
    """
    source = teacher(recipe, options.trust)
    if source is None:
        return None
    rows = data.train
    if recipe.training.validation_epochs:
        rows = np.union1d(rows, data.afterwards)
    soft_labels = np.full((len(data.table), labels.COUNT), np.nan, dtype=np.float32)
    if isinstance(source, Run):
        soft_labels[rows] = _of_run(source, prepared, data, rows=rows, folder=options.folder)
    else:
        classifier = bundles.classifier(source, cache=options.folder)
        soft_labels[rows] = _cached(
            classifier, prepared, data.table, rows=rows, folder=options.folder
        )
    return soft_labels


def _of_run(
    run: Run, prepared: TrainingData, data: FoldData, *, rows: Rows, folder: Path
) -> SoftLabels:
    """For each of R `rows`, the mean probabilities (R, 18) of the models that teach about it."""
    folds = warm_start.usable_folds(run, prepared, data, "teacher")
    teaches = teaching(data.table, [tables.training_digests(run, fold) for fold in folds])[:, rows]
    total = np.zeros((len(rows), labels.COUNT), dtype=np.float64)
    for fold, is_taught in zip(folds, teaches, strict=True):
        if is_taught.any():
            classifier = loading.of_folds(run, [fold], folder)
            total[is_taught] += _cached(
                classifier, prepared, data.table, rows=rows[is_taught], folder=folder
            )
    return (total / teaches.sum(0)[:, None]).astype(np.float32)


def teaching(table: pd.DataFrame, training_digests: Sequence[set[str]]) -> npt.NDArray[np.bool_]:
    """Which of M models teach about each row of a training table (M, N): those that were not
    trained on the person; all if there are none. `training_digests` are those of the photos that
    each model was trained on."""
    cluster, knows_person = table["cluster"], []
    drawn_from = origins(table)
    for digests in training_digests:
        is_known = table["digest"].isin(digests)
        is_known |= table.index.isin(drawn_from.index[drawn_from.isin(digests)])
        knows_person.append(cluster.isin(cluster[is_known]).to_numpy(dtype=np.bool_))
    unaware = ~np.array(knows_person)
    return unaware | ~unaware.any(0)


# ------------------------------------------------------------------------------ the cache


def _cached(
    classifier: Classifier,
    prepared: TrainingData,
    table: pd.DataFrame,
    *,
    rows: Rows,
    folder: Path,
) -> SoftLabels:
    """The probabilities of `rows` of the table; each photo is predicted once, by its content."""
    digests = [bytes.fromhex(digest) for digest in table["digest"].iloc[rows]]
    with contents.open_index(folder / f"teacher-{classifier.digest}", _SCHEMA) as index:
        index.execute(
            "DELETE FROM photos WHERE typeof(probabilities) != 'blob'"
            " OR length(probabilities) != ?",
            (4 * labels.COUNT,),
        )
        known = {digest for (digest,) in index.execute("SELECT digest FROM photos")}
        row_of = {d: row for d, row in zip(digests, rows, strict=True) if d not in known}
        if row_of:
            say(f"teacher: soft labels for {len(row_of)} photos")
            _predict(classifier, list(row_of), prepared.paths(list(row_of.values())), index)
        kept = dict(index.execute("SELECT digest, probabilities FROM photos"))
    packed = b"".join(kept[digest] for digest in digests)
    return np.frombuffer(packed, dtype="<f4").reshape(-1, labels.COUNT).astype(np.float32)


def _predict(
    classifier: Classifier, digests: list[bytes], paths: list[Path], index: sqlite3.Connection
) -> None:
    """Predict photos, and store their probabilities in the index. Raises MaskgateError."""
    predictor = Predictor(classifier)
    for start in track(range(0, len(paths), _CHUNK), "soft labels", len(paths), size=_CHUNK):
        chunk = paths[start : start + _CHUNK]
        _, predictions, faults = predictor.rows(chunk, [str(path) for path in chunk])
        if faults:
            unreadable = listed([f"{chunk[row]} ({reason})" for row, reason in faults.items()])
            raise MaskgateError(
                f"{unreadable}: cannot be read any more; fix it and repeat the command"
            )
        packed = [row.astype("<f4").tobytes() for row in predictions.probabilities]
        pairs = zip(digests[start : start + _CHUNK], packed, strict=True)
        index.executemany("INSERT OR REPLACE INTO photos VALUES (?, ?)", pairs)
        index.commit()
