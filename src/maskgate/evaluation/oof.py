"""A finished run's validated photos looked at anew: another test-time augmentation, no training."""

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
from maskgate.runs import Run, tables
from maskgate.runs.trust import check_trusted

Probabilities = npt.NDArray[np.float32]


def oof_with(
    run: Run, tta: Sequence[Component], cache: Path | None = None
) -> tuple[pd.DataFrame, Probabilities]:
    """What `runs.tables.oof` gives of a single model, with the test-time augmentation `tta` in
    place of the recipe's: the photo table of the validated photos and their probabilities (N, 18).

    Each photo is predicted by the network of its fold, which never saw its person. What is found is
    kept in the run's folder, fold by fold, and not made again. Raises MaskgateError where the run
    validated nobody, its weights were trained on the validation photos afterwards, or the photos
    are gone or changed.
    """
    recipe = run.recipe()
    geometry = recipe.photo.geometry
    own, wanted = (tta_views(each, geometry) for each in (recipe.tta, tta))
    _check(run)
    if tta_digest(wanted) == tta_digest(own):
        return tables.oof(run)
    path = run.oof_file_of(tta_digest(wanted))
    if not _is_kept(run, path):
        _check_weights(run, recipe)
        check_trusted(run, recipe)
        with FileLock(run.path / ".lock"):
            if not _is_kept(run, path):  # another process may have made it meanwhile
                _make(run, wanted, path=path, folder=cache or files.cache_folder())
    return tables.oof(run, path)


def check(run: Run) -> None:
    """Raise MaskgateError where a run's networks can predict nothing out of fold: it validated
    nobody, or its weights were trained on the validation photos afterwards."""
    _check(run)
    if not run.is_system:
        _check_weights(run, run.recipe())


def _is_kept(run: Run, path: Path) -> bool:
    """Whether the predictions are there, and the run tells of them: a process that was killed may
    have left some that it does not."""
    return path.exists() and run.files.holds(path)


def _check(run: Run) -> None:
    if not run.metrics().validated:
        raise MaskgateError(
            f"{run.path}: validated nobody, so there are no out-of-fold probabilities; give a run"
            " with folds"
        )


def _check_weights(run: Run, recipe: Recipe) -> None:
    if recipe.training.validation_epochs:
        raise MaskgateError(
            f"{run.path}: its weights were trained on the validation photos afterwards, so nothing"
            " out of fold can be made with them; train it with training.validation_epochs=0"
        )


def _make(run: Run, wanted: list[TtaView], path: Path, folder: Path) -> None:
    """Predict every fold that is not there yet, then put them together at `path`."""
    told, _ = tables.oof(run)
    told = told[["photo", "person", "label", "fold"]]
    parts = {int(fold): run.fold(int(fold)) / path.name for fold in told["fold"].unique()}
    missing = [fold for fold, part in parts.items() if not _is_whole(part)]
    if missing:
        steps = _steps(run, told, folds=missing, wanted=wanted, folder=folder)
        what = f"predicting {run.path.name} out of fold"
        steps = track(steps, what, len(missing) * len(wanted))
        for fold in missing:
            mean = sum(islice(steps, len(wanted)), start=np.zeros(())) / len(wanted)
            tables.write_probabilities(parts[fold], told[told["fold"] == fold], mean)
    read = [tables.read_probabilities(part) for part in parts.values()]
    table = pd.concat([rows for rows, _ in read], ignore_index=True)
    tables.write_probabilities(path, table, np.concatenate([found for _, found in read]))
    run.files.add(path)
    for part in parts.values():
        part.unlink()


def _is_whole(part: Path) -> bool:
    """Whether a fold's predictions are there, and can be read."""
    try:
        tables.read_probabilities(part)
    except MaskgateError:
        return False
    return True


def _steps(
    run: Run,
    told: pd.DataFrame,
    folds: list[int],
    wanted: list[TtaView],
    folder: Path,
) -> Iterator[Probabilities]:
    """What the network of each fold says of its photos, view by view: (V, 18) each."""
    photos = validation_photos.read(run, folder, told)

    def restored(fold: int) -> Backend:
        return TorchBackend(torch_backend.restore(run, fold))

    yield from by_fold(photos, folds, wanted, restored)


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
    size = photos.recipe.training.validation_batch_size
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
    return np.concatenate([network(pictures.numpy()) for pictures, _ in batches])
