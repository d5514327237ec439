"""Out-of-fold probabilities of a finished run with another test-time augmentation."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock

from maskgate.config.recipe import Recipe
from maskgate.config.settings import Component
from maskgate.core import files, finite
from maskgate.core.progress import track
from maskgate.errors import MaskgateError
from maskgate.evaluation import validation_photos
from maskgate.evaluation.validation_photos import ValidationPhotos
from maskgate.imaging.tta import TtaView, tta_digest, tta_views
from maskgate.inference.backends import torch as torch_backend
from maskgate.inference.backends.protocol import Backend
from maskgate.inference.backends.torch import TorchBackend
from maskgate.pipeline.loader import Batch, Loader
from maskgate.pipeline.transforms import Augment
from maskgate.runs import RunFolder, tables
from maskgate.runs.trust import check_trusted

Probabilities = npt.NDArray[np.float32]


def oof_with(
    run: RunFolder, tta: Sequence[Component], cache: Path | None = None
) -> tuple[pd.DataFrame, Probabilities]:
    """As `runs.tables.oof` of a single model, with the test-time augmentation `tta` in place of the
    recipe's: the photo table of the validated photos and their probabilities (N, 18).

    Each photo is predicted by the network of its fold, which was not trained on its person. The
    probabilities are kept in the run's folder, fold by fold. Raises MaskgateError where the run
    has no validation people, its weights were trained on the validation photos afterwards, or the
    photos are missing or have changed.
    """
    recipe = run.recipe()
    geometry = recipe.photo.geometry
    views = tta_views(tta, geometry)
    digest = tta_digest(views)
    _check(run)
    if digest == tta_digest(tta_views(recipe.tta, geometry)):
        return tables.oof(run)
    path = run.oof_file_with(digest)
    if not _is_kept(run, path):
        _check_weights(run, recipe)
        check_trusted(run, recipe)
        with FileLock(run.path / ".lock"):
            if not _is_kept(run, path):  # another process may have made it meanwhile
                _predict(run, views, path=path, cache=cache or files.cache_folder())
    return tables.oof(run, path)


def check(run: RunFolder) -> None:
    """Raise MaskgateError where a run's networks can predict nothing out of fold: it has no
    validation people, or its weights were trained on the validation photos afterwards."""
    _check(run)
    if not run.is_system:
        _check_weights(run, run.recipe())


def _is_kept(run: RunFolder, path: Path) -> bool:
    """Whether the predictions exist and the run lists them: a killed process may have left a file
    that is not listed."""
    return path.exists() and run.files.holds(path)


def _check(run: RunFolder) -> None:
    if not run.metrics().validated:
        raise MaskgateError(
            f"{run.path}: has no validation people, so there are no out-of-fold probabilities;"
            " give a run with folds"
        )


def _check_weights(run: RunFolder, recipe: Recipe) -> None:
    if recipe.training.validation_epochs:
        raise MaskgateError(
            f"{run.path}: its weights were trained on the validation photos afterwards, so they"
            " cannot predict them out of fold; train it with training.validation_epochs=0"
        )


def _predict(run: RunFolder, views: list[TtaView], path: Path, cache: Path) -> None:
    """Predict every fold that has no predictions yet, then write those of all folds to `path`."""
    rows, _ = tables.oof(run)
    rows = rows[["photo", "person", "label", "fold"]]
    fold_files = {
        int(fold): run.fold_folder(int(fold)) / path.name for fold in rows["fold"].unique()
    }
    missing = [fold for fold, file in fold_files.items() if not _is_readable(file)]
    if missing:
        steps = _steps(run, rows, folds=missing, views=views, cache=cache)
        description = f"predicting {run.path.name} out of fold"
        steps = track(steps, description, len(missing) * len(views))
        for fold in missing:
            mean = sum(islice(steps, len(views)), start=np.zeros(())) / len(views)
            tables.write_probabilities(fold_files[fold], rows[rows["fold"] == fold], mean)
    parts = [tables.read_probabilities(file) for file in fold_files.values()]
    table = pd.concat([fold_rows for fold_rows, _ in parts], ignore_index=True)
    tables.write_probabilities(path, table, np.concatenate([part for _, part in parts]))
    run.files.add(path)
    for file in fold_files.values():
        file.unlink()


def _is_readable(file: Path) -> bool:
    """Whether a fold's predictions exist and can be read."""
    try:
        tables.read_probabilities(file)
    except MaskgateError:
        return False
    return True


def _steps(
    run: RunFolder, rows: pd.DataFrame, folds: list[int], views: list[TtaView], cache: Path
) -> Iterator[Probabilities]:
    """The probabilities (V, 18) of each fold's photos by its network, one array a view."""
    photos = validation_photos.read(run, cache, rows)

    def restored(fold: int) -> Backend:
        return TorchBackend(torch_backend.restore(run, fold))

    yield from by_fold(photos, folds, views, restored)


def by_fold(
    photos: ValidationPhotos,
    folds: Sequence[int],
    views: Sequence[TtaView],
    backend: Callable[[int], Backend],
) -> Iterator[Probabilities]:
    """The probabilities (V, 18) that the `backend` of each fold gives its validation photos, in
    each of the test-time `views`. Raises MaskgateError where one is not finite."""
    geometry = photos.recipe.photo.geometry
    loader = Loader(photos.store, photos.table, geometry, Augment((), geometry))
    size = photos.recipe.training.photos_per_validation_batch
    for fold in folds:
        network = backend(fold)
        rows = np.flatnonzero(photos.table["fold"] == fold)
        for tta_view in views:
            batches = loader.validation(rows, size, rank=0, ranks=1, tta_view=tta_view)
            probabilities = predict_batches(network, batches)
            finite.check(probabilities, f"{photos.run.path}, fold {fold}")
            yield probabilities


def predict_batches(network: Backend, batches: Iterable[Batch]) -> Probabilities:
    """The probabilities (N, 18) of the photos that a loader gives, in its order."""
    return np.concatenate([network(pictures.numpy()).probabilities for pictures, _ in batches])
