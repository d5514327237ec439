"""Soft labels of a fold's training photos: the probabilities of the recipe's `teacher`.

A run's models teach like this: none teaches a fold if it was trained on people whom the fold
validates, as what it learned of them would leak. Of the others, those teach about a person that
were not trained on the person; only if there are none, those that were.

A system's members teach together, combined as in the system, and without its test-time
augmentation, which would double the work: the student's own augmentation averages over such views.
Of each member, the model of the fold teaches, so every member has to share the student's folds.

With `soft_labels: out_of_fold` no model is run: the soft labels are the probabilities that the
teacher has stored of the photos that it validated. No model teaches about people that it was
trained on. But a second-order leak remains, as in stacking (Wolpert, Stacked Generalization, Neural
Networks 1992): the people of fold j are described by models that were trained on the people of fold
k, whom the student's fold k validates. A student that learns to imitate these models learns what
they know of fold k, too. It is no small leak: by `benchmarks/distillation_leak.py` it can raise the
student's score above its teacher's. So use it where nobody is validated (`folds.kind: all`).
"""

import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.bundle import Bundle
from maskgate.bundle.manifest import leaves
from maskgate.config.recipe import Recipe
from maskgate.core.progress import log, track
from maskgate.data import contents
from maskgate.data.table import origins
from maskgate.errors import MaskgateError, listed
from maskgate.faces import reader
from maskgate.inference import bundles, loading, teachers
from maskgate.inference.classifier import Classifier
from maskgate.inference.predictor import Predictor
from maskgate.model import heads
from maskgate.pipeline.target import SoftLabels
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.results import known_attributes
from maskgate.runs.trust import check_trusted, trust_if_known
from maskgate.training import warm_start
from maskgate.training.fold_data import FoldData, Rows
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData

_CHUNK: Final = 8 * reader.BATCH  # photos predicted between two commits
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS photos (digest BLOB PRIMARY KEY, probabilities BLOB) WITHOUT ROWID;
"""


def teacher(recipe: Recipe, trust: bool = False) -> RunFolder | Bundle | None:
    """The teacher of a recipe. Raises MaskgateError, before anything is imported, if it is a run
    that needs code that the recipe does not name itself, and `trust` is false. The stored
    probabilities of a run need none."""
    source = teachers.open_teacher(recipe, trust)
    if not isinstance(source, RunFolder) or recipe.soft_labels is not None:
        return source
    if source.is_system:
        for model in source.single_models():
            check_trusted(model, model.recipe())
    else:
        source = trust_if_known(source, recipe.model.factories)
        check_trusted(source, source.recipe())
    return source


def check_attributes(recipe: Recipe, trust: bool = False) -> None:
    """Raise MaskgateError if the teacher does not predict all attributes that the recipe's head
    predicts: of the others it knows nothing, and would teach that all values are as likely."""
    source = teacher(recipe, trust)
    if source is None:
        return
    learned = heads.attributes(recipe.model.head)
    if missing := [name for name in learned if name not in _attributes(source)]:
        names = listed(missing).replace("_", " ")
        raise MaskgateError(
            f"teacher={recipe.teacher}: does not predict {names}, which the recipe's head does;"
            " give a teacher that predicts it, or another model.head"
        )


def _attributes(source: RunFolder | Bundle) -> Collection[str]:
    """The attributes that a teacher predicts."""
    if isinstance(source, Bundle):
        return {name for model in leaves(source.manifest.model) for name in model.attributes}
    if source.is_system:
        return known_attributes(source.metrics())
    return heads.attributes(source.recipe().model.head)


def check(recipe: Recipe, prepared: TrainingData, folds: Sequence[FoldData]) -> None:
    """Raise MaskgateError if no model of the run that is the teacher may teach one of the folds, or
    if it has no out-of-fold probabilities of a fold's training photos."""
    source = teacher(recipe, trust=True)  # no code is run here
    if not isinstance(source, RunFolder):
        return
    if recipe.soft_labels is None:
        if source.is_system and not prepared.validates:
            raise MaskgateError(
                f"teacher={source.path}: where nobody is validated, a system teaches by its"
                " out-of-fold probabilities; set soft_labels=out_of_fold"
            )
        for model in source.single_models():
            for data in folds:
                warm_start.usable_folds(model, prepared, data, "teacher")
        return
    missing = _without_soft_labels(source, prepared.table)
    for data in folds:
        if missing[data.train].all():
            raise MaskgateError(
                f"teacher={source.path}: has no out-of-fold probabilities of the photos that fold"
                f" {data.fold} trains on; give a run with folds.kind: kfold on these photos"
            )


def warnings(recipe: Recipe, prepared: TrainingData) -> list[str]:
    """Sentences on what nobody can tell about the teacher, on photos that it says nothing about,
    and on the second-order leak of out-of-fold probabilities."""
    source = teacher(recipe, trust=True)
    if isinstance(source, Bundle) and prepared.validates:
        return [
            f"teacher={recipe.teacher} does not say what photos it was trained on: if validation"
            " people are among them, scores are too high"
        ]
    if not isinstance(source, RunFolder) or recipe.soft_labels is None:
        return []
    sentences = []
    if prepared.validates:
        sentences.append(
            f"teacher={recipe.teacher}: out of fold, those who teach a fold were trained on the"
            " people that it validates, so that scores are too high; leave out soft_labels to"
            " measure the student"
        )
    is_used = (prepared.table["left_out"] == "").to_numpy(dtype=np.bool_)
    if count := int((_without_soft_labels(source, prepared.table) & is_used).sum()):
        sentences.append(
            f"teacher={recipe.teacher} has no out-of-fold probabilities of {count} photos: they are"
            " trained on by their labels alone"
        )
    return sentences


def of_fold(
    recipe: Recipe, prepared: TrainingData, data: FoldData, options: TrainOptions
) -> SoftLabels | None:
    """The soft labels (N, 18) of the rows of a fold's table, NaN for those that it does not train
    on or of which the teacher has none; None without a teacher.

    What a model predicts is kept in the cache: other processes, folds and runs read it. Raises
    MaskgateError.
    """
    source = teacher(recipe, options.trust)
    if source is None:
        return None
    rows = data.train
    if recipe.training.validation_epochs:
        rows = np.union1d(rows, data.afterwards)
    soft_labels = np.full((len(data.table), labels.COUNT), np.nan, dtype=np.float32)
    if isinstance(source, RunFolder) and recipe.soft_labels is not None:
        soft_labels[rows] = _out_of_fold(source, data.table)[rows]
    elif isinstance(source, RunFolder) and source.is_system:
        classifier = loading.of_run(
            source,
            options.folder,
            tta=(),
            folds=lambda model: [warm_start.source_fold(model, prepared, data, "teacher")],
        )
        soft_labels[rows] = _cached(
            classifier, prepared, data.table, rows=rows, folder=options.folder
        )
    elif isinstance(source, RunFolder):
        soft_labels[rows] = _of_run(source, prepared, data, rows=rows, folder=options.folder)
    else:
        classifier = bundles.classifier(source, cache=options.folder)
        soft_labels[rows] = _cached(
            classifier, prepared, data.table, rows=rows, folder=options.folder
        )
    return soft_labels


def _out_of_fold(run: RunFolder, table: pd.DataFrame) -> SoftLabels:
    """The probabilities (N, 18) that a run has stored out of fold of the photos of a table, by
    their content; NaN for those of which it has none."""
    photos, probabilities = tables.oof(run)
    by_digest = pd.DataFrame(probabilities, index=photos["digest"])
    by_digest = by_digest[~by_digest.index.duplicated()]  # copies are in the same fold
    return by_digest.reindex(table["digest"]).to_numpy(dtype=np.float32)


def _without_soft_labels(run: RunFolder, table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which photos of a table (N,) a run has no out-of-fold probabilities of."""
    return np.isnan(_out_of_fold(run, table)[:, 0])


def _of_run(
    run: RunFolder, prepared: TrainingData, data: FoldData, *, rows: Rows, folder: Path
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
            log(f"teacher: soft labels for {len(row_of)} photos")
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
