"""Starts a network from another run's backbone, without letting validation people leak in."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from maskgate import runs
from maskgate.config import settings
from maskgate.config.recipe import Recipe
from maskgate.core import finite
from maskgate.errors import MaskgateError
from maskgate.model.network import Network
from maskgate.pipeline import thumbnails, twins
from maskgate.pipeline.cache import PhotoStore
from maskgate.runs import Run, tables
from maskgate.training.fold_data import FoldData
from maskgate.training.training_data import TrainingData


def with_best_epochs(recipe: Recipe) -> Recipe:
    """The recipe with the epochs that the run in `training.epochs_from` found to be best (S2).

    The mean of its folds' best epochs, rounded. Raises MaskgateError where it has none.
    """
    if recipe.training.epochs_from is None:
        return recipe
    run = runs.open_model(recipe.training.epochs_from)
    history = tables.history(run)
    if "valid_score" not in history or history["valid_score"].isna().all():
        raise MaskgateError(
            f"training.epochs_from={run.path}: that run validated nobody; give one with folds"
        )
    best = history.loc[history.groupby("fold")["valid_score"].idxmax(), "epoch"]
    changed = recipe.model_dump()
    changed["training"]["epochs"] = max(1, round(best.mean()))
    try:
        return Recipe.model_validate(changed)
    except ValidationError as error:
        raise MaskgateError(
            f"training.epochs_from={run.path}: {changed['training']['epochs']} epochs were best"
            f" there, but {settings.describe_errors(error, Recipe)}"
        ) from error


def weight_digests(recipe: Recipe) -> list[str]:
    """Hashes of the weights that a training starts from or that label its photos: their paths
    alone would not do."""
    model = recipe.model
    found = []
    if model.weights is not None:
        runs.verify(Path(model.weights))
        with Path(model.weights).open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    for _, run in _runs(recipe):
        found += [run.files.digest(run.weights_file(fold)) for fold in run.folds]
    return found


def _runs(recipe: Recipe) -> list[tuple[str, Run]]:
    """The runs whose models have a say in a training, and the keys that name them."""
    found = []
    if recipe.model.init is not None:
        found.append(("model.init", runs.open_model(recipe.model.init)))
    if recipe.pseudo is not None:
        found.append(("pseudo.run", runs.open_model(recipe.pseudo.run)))
    return found


def validated_contents(run: Run, prepared: TrainingData, data: FoldData) -> set[str]:
    """Contents of the photos of all whom a fold validates, and of the near-duplicates of these
    among what `run` has seen.

    Contents that are among the photos here are not compared: their own search has joined them.
    """
    own = data.contents_of_people
    if not run.thumbnails_file.exists():
        return own
    here = pd.Series(prepared.store.digests, dtype="str").drop_duplicates()
    rows = here.index.to_numpy(dtype=np.int64)
    table = _thumbnails(run)
    others = table[~table["digest"].isin(here)]
    if others.empty:
        return own
    pairs = twins.copies(
        here.tolist(),
        lambda some: prepared.store.thumbnails_of(rows[some]),
        others["digest"].tolist(),
        read_other_thumbnails=lambda: thumbnails.decoded(others, run.thumbnails_file),
        folder=prepared.folder,
    )
    return own | {other for one, other in pairs if one in own}


def _thumbnails(run: Run) -> pd.DataFrame:
    return thumbnails.table_of(run.files.read(run.thumbnails_file), run.thumbnails_file)


def missing_thumbnails(recipe: Recipe) -> list[str]:
    """A sentence for each run that keeps no thumbnails to know near-duplicates by."""
    return [
        f"{key}={run.path} keeps no thumbnails, as it was trained by an earlier version: only"
        " identical files tell whether it has seen who is validated"
        for key, run in _runs(recipe)
        if not run.thumbnails_file.exists()
    ]


def keep_thumbnails(recipe: Recipe, store: PhotoStore, run: Run) -> None:
    """Write what `validated` needs of a run, and of those it inherits from."""
    if run.thumbnails_file.exists():
        return
    others = [other for _, other in _runs(recipe)]
    kept = [_thumbnails(other) for other in others if other.thumbnails_file.exists()]
    own = thumbnails.encoded(store.digests, store.thumbnails_of)
    thumbnails.write(run.thumbnails_file, [own, *kept])


def inherited_contents(recipe: Recipe, prepared: TrainingData, data: FoldData) -> set[str]:
    """Contents of the photos that the models which a fold starts from, or which label its photos,
    were trained on."""
    seen: set[str] = set()
    for key, run in _runs(recipe):
        seen |= tables.seen(run, source_fold(run, prepared, data, key))
    return seen


def load_backbone(network: Network, path: Path, prepared: TrainingData, data: FoldData) -> None:
    """Fill the network's backbone from the run at `path`, for a fold; see `source`.

    Raises MaskgateError.
    """
    run = runs.open_model(path)
    prefix = "backbone."
    found = {
        name.removeprefix(prefix): tensor
        for name, tensor in run.weights(source_fold(run, prepared, data, "model.init")).items()
        if name.startswith(prefix)
    }
    wanted = network.backbone.state_dict()
    finite.check_weights(found, finite.non_finite(wanted), f"model.init={run.path}")
    odd = list(wanted.keys() ^ found.keys())
    odd += [n for n in wanted.keys() & found.keys() if found[n].shape != wanted[n].shape]
    if odd:
        raise MaskgateError(
            f"model.init={run.path}: its backbone {run.recipe().model.backbone} does not fit"
            f" ({len(odd)} tensors differ, first {min(odd)}); use the same backbone"
        )
    network.backbone.load_state_dict(found)


def source_fold(run: Run, prepared: TrainingData, data: FoldData, key: str) -> int:
    """The fold of `run` whose model may have a say in the fold of these data.

    The one with the same number is taken first. One whose weights were ever trained on a photo of
    the people now validated on, or on a near-duplicate of it, is not taken; where none is left,
    MaskgateError, which tells the recipe's `key`.
    """
    theirs = validated_contents(run, prepared, data)
    for other in sorted(run.folds, key=lambda other: (other != data.fold, other)):
        if not theirs & tables.seen(run, other):
            return other
    raise MaskgateError(
        f"{key}={run.path}: every model of that run was trained on people of fold {data.fold}, on"
        " which this one is to be validated (on the same files, or near-duplicates of them); set"
        f" folds.file={run.folds_file} to share its folds, or give another run"
    )
