"""Soft labels of a fold's training photos, from the recipe's `teacher`.

A teacher of ages looks at the bare photo that a drawn one was made from, if it is there: a mask
hides much of the age. A run's models teach like this: none teaches a fold if it was trained on
people whom the fold validates, as what it learned of them would leak. Of the others, those teach
about a person that were not trained on the person; only if there are none, those that were.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.config.recipe import Recipe
from maskgate.core.progress import say, track
from maskgate.data import contents
from maskgate.errors import MaskgateError
from maskgate.faces import reader
from maskgate.inference import loading, teachers
from maskgate.inference.teachers import CLASSES, COLUMNS, YEARS, Teacher
from maskgate.model import losses
from maskgate.model.heads import Head
from maskgate.model.losses.loss import Loss
from maskgate.pipeline.target import SoftLabels
from maskgate.runs import Run, tables
from maskgate.runs.trust import check_trusted, trust_if_known
from maskgate.training import warm_start
from maskgate.training.fold_data import FoldData, Rows
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData

_CHUNK: Final = 8 * reader.BATCH  # photos predicted between two commits
_NOT_WORN: Final = labels.MASKS.index("not_wear")
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS photos (digest BLOB PRIMARY KEY, probabilities BLOB) WITHOUT ROWID;
"""


def check_loss(loss: Loss, head: Head, recipe: Recipe, trust: bool = False) -> None:
    """`losses.check_use`, with the teacher of the recipe. Raises MaskgateError, also if the teacher
    is a run that needs code, and `trust` is false."""
    _teacher_run(recipe, trust)
    losses.check_use(loss, head, None if recipe.teacher is None else teachers.kind(recipe.teacher))


def check(recipe: Recipe, prepared: TrainingData, folds: Sequence[FoldData]) -> None:
    """Raise MaskgateError if no model of the run that is the teacher may teach one of the folds."""
    run = _teacher_run(recipe, trust=True)  # no code is run here
    if run is not None:
        for data in folds:
            warm_start.usable_folds(run, prepared, data, "teacher")


def warnings(recipe: Recipe, prepared: TrainingData) -> list[str]:
    """A sentence if nobody can tell whether the teacher was trained on validation people."""
    if recipe.teacher is None or teachers.is_run(recipe.teacher) or not prepared.validates:
        return []
    return [
        f"teacher={recipe.teacher} does not say what photos it was trained on: if validation people"
        " are among them, scores are too high"
    ]


def of_fold(
    recipe: Recipe, prepared: TrainingData, data: FoldData, options: TrainOptions
) -> SoftLabels | None:
    """The soft labels (N, K) of the rows of a fold's table, NaN for those that it does not train on
    and those of which the teacher knows nothing; None without a teacher.

    They are kept in the cache: other processes, folds and runs read them. Raises MaskgateError.
    """
    if recipe.teacher is None:
        return None
    rows = data.train
    if recipe.training.validation_epochs:
        rows = np.union1d(rows, data.afterwards)
    run = _teacher_run(recipe, options.trust)
    if run is not None:
        return _of_run(run, prepared, data, rows, options.folder)
    teacher = teachers.load(recipe.teacher, recipe.photo, options.folder)
    soft_labels = _unknown(data.table, teacher.kind)
    looked_at = bare_photos(data.table)[rows] if teacher.kind == YEARS else rows
    soft_labels[rows] = _cached(teacher, prepared, data.table, looked_at, options.folder)
    return soft_labels


def bare_photos(table: pd.DataFrame) -> Rows:
    """For each row of a training table, the row that shows the face without a mask (N,): for a
    photo that a mask was drawn on, the original photo, or the drawn one without a mask; else the
    row itself."""
    rows = np.arange(len(table))
    if "drawn_from" not in table:
        return rows
    origins = table["drawn_from"].fillna("")
    is_bare = (origins != "") & (table["mask"] == _NOT_WORN)
    row_of_origin = dict(zip(origins[is_bare][::-1], rows[is_bare][::-1], strict=True))
    row_of_origin |= dict(zip(table["digest"][::-1], rows[::-1], strict=True))
    pairs = zip(origins, rows, strict=True)
    return np.array([row_of_origin.get(origin, row) for origin, row in pairs], dtype=np.int64)


def _unknown(table: pd.DataFrame, kind: str) -> SoftLabels:
    return np.full((len(table), COLUMNS[kind]), np.nan, dtype=np.float32)


# ----------------------------------------------------------------------------- from a run


def _teacher_run(recipe: Recipe, trust: bool) -> Run | None:
    run = teachers.open_run(recipe.teacher, trust)
    if run is not None:
        run = trust_if_known(run, recipe.model.factories)
        check_trusted(run, run.recipe())
    return run


def _of_run(
    run: Run, prepared: TrainingData, data: FoldData, rows: Rows, folder: Path
) -> SoftLabels:
    """The mean probabilities of the models that teach about each of the `rows`."""
    folds = warm_start.usable_folds(run, prepared, data, "teacher")
    teaches = teaching(data.table, [tables.training_digests(run, fold) for fold in folds])
    total = np.zeros((len(data.table), COLUMNS[CLASSES]), dtype=np.float64)
    for fold, of_model in zip(folds, teaches, strict=True):
        taught = rows[of_model[rows]]
        if len(taught):
            classifier = loading.of_folds(run, [fold], folder)
            teacher = teachers.of_classifier(classifier, f"fold {fold} of {run.path}")
            total[taught] += _cached(teacher, prepared, data.table, taught, folder)
    soft_labels = _unknown(data.table, CLASSES)
    soft_labels[rows] = total[rows] / teaches.sum(0)[rows, None]
    return soft_labels


def teaching(table: pd.DataFrame, training_digests: Sequence[set[str]]) -> npt.NDArray[np.bool_]:
    """Which of M models teach about each row of a training table (M, N): those that were not
    trained on the person; all if there are none. `training_digests` are those of the photos that
    each model was trained on."""
    cluster, knows_person = table["cluster"], []
    for digests in training_digests:
        is_known = table["digest"].isin(digests)
        if "drawn_from" in table:
            is_known |= table["drawn_from"].isin(digests)
        knows_person.append(cluster.isin(cluster[is_known]).to_numpy(dtype=np.bool_))
    unaware = ~np.array(knows_person)
    return unaware | ~unaware.any(0)


# ------------------------------------------------------------------------------ the cache


def _cached(
    teacher: Teacher, prepared: TrainingData, table: pd.DataFrame, rows: Rows, folder: Path
) -> SoftLabels:
    """The soft labels of `rows` of the table; each photo is predicted once, by its content."""
    digests = [bytes.fromhex(digest) for digest in table["digest"].iloc[rows]]
    width = COLUMNS[teacher.kind]
    with contents.open_index(folder / f"teacher-{teacher.digest}", _SCHEMA) as index:
        index.execute(
            "DELETE FROM photos WHERE typeof(probabilities) != 'blob'"
            " OR length(probabilities) != ?",
            (4 * width,),
        )
        known = {digest for (digest,) in index.execute("SELECT digest FROM photos")}
        row_of = {d: row for d, row in zip(digests, rows, strict=True) if d not in known}
        if row_of:
            say(f"{teacher.name}: soft labels for {len(row_of)} photos")
            _predict(teacher, list(row_of), prepared.paths(list(row_of.values())), index)
        kept = dict(index.execute("SELECT digest, probabilities FROM photos"))
    packed = b"".join(kept[digest] for digest in digests)
    return np.frombuffer(packed, dtype="<f4").reshape(-1, width).astype(np.float32)


def _predict(
    teacher: Teacher, digests: list[bytes], paths: list[Path], index: sqlite3.Connection
) -> None:
    """Predict photos, and store their soft labels in the index. Raises MaskgateError."""
    starts = range(0, len(paths), _CHUNK)
    for start in track(starts, "soft labels", len(paths), size=_CHUNK):
        chunk, at = paths[start : start + _CHUNK], start
        for batch in reader.read_batches(chunk, teacher.views, all_faces=False):
            for place, photo in enumerate(batch, at):
                if isinstance(photo, str):
                    raise MaskgateError(
                        f"{paths[place]}: cannot be read any more ({photo}); fix it and repeat the"
                        " command"
                    )
            photos = [photo for photo in batch if not isinstance(photo, str)]
            by_view = zip(*(photo.pictures for photo in photos), strict=True)
            soft_labels = teacher.predict([np.concatenate(pictures) for pictures in by_view])
            if teacher.needs_face:
                has_face = np.array([np.isfinite(photo.boxes[0, 0]) for photo in photos])
                soft_labels[~has_face] = np.nan
            packed = [row.astype("<f4").tobytes() for row in soft_labels]
            pairs = zip(digests[at : at + len(batch)], packed, strict=True)
            index.executemany("INSERT OR REPLACE INTO photos VALUES (?, ?)", pairs)
            at += len(batch)
        index.commit()
