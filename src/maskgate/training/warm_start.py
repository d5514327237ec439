"""Starts a network from another run, without leaking validation people into training."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError
from torch import Tensor, nn

from maskgate import runs
from maskgate.bundle import Bundle
from maskgate.config import settings
from maskgate.config.recipe import Model, Recipe
from maskgate.core import finite
from maskgate.errors import MaskgateError
from maskgate.inference.teachers import open_teacher
from maskgate.model import pretrained
from maskgate.model.network import Network
from maskgate.pipeline import near_duplicates, thumbnails
from maskgate.pipeline.cache import PhotoStore
from maskgate.runs import RunFolder, tables
from maskgate.training.fold_data import FoldData
from maskgate.training.training_data import TrainingData


def with_best_epochs(recipe: Recipe) -> Recipe:
    """The recipe with the best number of epochs of the run in `training.epochs_from` (S2).

    It is the mean of its folds' best epochs, rounded. Raises MaskgateError if it has none.
    """
    if recipe.training.epochs_from is None:
        return recipe
    run = runs.open_model(recipe.training.epochs_from)
    history = tables.history(run)
    if "valid_score" not in history or history["valid_score"].isna().all():
        raise MaskgateError(
            f"training.epochs_from={run.path}: that run has no validation people; give one with"
            " folds"
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
    """Hashes of the weights that a training starts from, that label its photos or teach it: a path
    alone does not identify them."""
    model = recipe.model
    digests = []
    if model.weights is not None:
        path = pretrained.path(model)
        runs.verify(path)
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    teacher = open_teacher(recipe)
    if isinstance(teacher, Bundle):  # its manifest has a hash of every file
        manifest = teacher.manifest.model_dump_json()
        digests.append(hashlib.sha256(manifest.encode()).hexdigest())
    elif teacher is not None and recipe.soft_labels is not None:
        digests.append(teacher.files.digest(teacher.oof_file))
    elif teacher is not None and teacher.is_system:  # how its members are combined
        digests.append(teacher.files.digest(teacher.system_file))
        digests.append(teacher.learned().model_dump_json())
    for _, run in _runs(recipe):
        digests += [run.files.digest(run.weights_file(fold)) for fold in run.folds]
    return digests


def _runs(recipe: Recipe) -> list[tuple[str, RunFolder]]:
    """The runs whose models influence a training, with the recipe's key of each. A teacher by its
    out-of-fold probabilities alone is none of them; see `_taught_contents`."""
    used_runs = []
    if recipe.model.init is not None:
        used_runs.append(("model.init", runs.open_model(recipe.model.init)))
    if recipe.pseudo is not None:
        used_runs.append(("pseudo.run", runs.open_model(recipe.pseudo.run)))
    teacher = open_teacher(recipe)
    if isinstance(teacher, RunFolder) and recipe.soft_labels is None:
        used_runs += [("teacher", model) for model in teacher.single_models()]
    return used_runs


def _out_of_fold_teachers(recipe: Recipe) -> list[RunFolder]:
    """The single models whose out-of-fold probabilities are a recipe's soft labels: the teacher, or
    the members of the system that it is."""
    teacher = open_teacher(recipe)
    if recipe.soft_labels is None or not isinstance(teacher, RunFolder):
        return []
    return teacher.single_models()


def validated_contents(run: RunFolder, prepared: TrainingData, data: FoldData) -> set[str]:
    """Digests of all photos of a fold's validation people, and of their near-duplicates among the
    training photos of `run`.

    Photos that this training has too are not compared: its own search has found their
    near-duplicates.
    """
    contents = data.contents_of_people
    if not run.thumbnails_file.exists():
        return contents
    digests = pd.Series(prepared.store.digests, dtype="str").drop_duplicates()
    rows = digests.index.to_numpy(dtype=np.int64)
    table = _thumbnails(run)
    others = table[~table["digest"].isin(digests)]
    if others.empty:
        return contents
    pairs = near_duplicates.pairs_between(
        digests.tolist(),
        lambda some: prepared.store.thumbnails_of(rows[some]),
        others["digest"].tolist(),
        read_other_thumbnails=lambda: thumbnails.decoded(others, run.thumbnails_file),
        folder=prepared.folder,
    )
    return contents | {other for one, other in pairs if one in contents}


def _thumbnails(run: RunFolder) -> pd.DataFrame:
    return thumbnails.table_of(run.files.read(run.thumbnails_file), run.thumbnails_file)


def missing_thumbnails(recipe: Recipe) -> list[str]:
    """A sentence for each run without thumbnails, which are needed to find near-duplicates."""
    return [
        f"{key}={run.path} has no thumbnails, as it was trained by an earlier version: only"
        " identical files show whether it was trained on validation people"
        for key, run in _runs(recipe)
        if not run.thumbnails_file.exists()
    ]


def keep_thumbnails(recipe: Recipe, store: PhotoStore, run: RunFolder) -> None:
    """Write the thumbnails that `validated_contents` needs, of a run and of the runs it uses."""
    if run.thumbnails_file.exists():
        return
    others = [*(other for _, other in _runs(recipe)), *_out_of_fold_teachers(recipe)]
    kept = [_thumbnails(other) for other in others if other.thumbnails_file.exists()]
    table = thumbnails.encoded(store.digests, store.thumbnails_of)
    thumbnails.write(run.thumbnails_file, [table, *kept])


def inherited_contents(recipe: Recipe, prepared: TrainingData, data: FoldData) -> set[str]:
    """Digests of the training photos of the models that a fold starts from, that label its photos
    or teach it."""
    contents: set[str] = set()
    for key, run in _runs(recipe):
        folds = usable_folds(run, prepared, data, key)
        for fold in folds if key == "teacher" else folds[:1]:
            contents |= tables.training_digests(run, fold)
    return contents | _taught_contents(recipe, data)


def _taught_contents(recipe: Recipe, data: FoldData) -> set[str]:
    """Digests of the training photos of the models whose out-of-fold probabilities teach a fold,
    without the people whom the fold validates.

    Models that taught about one person were trained on others, so on these, too; see
    `soft_labels`. To its own validation people a student is thus as close as a stacked ensemble.
    """
    contents: set[str] = set()
    for model in _out_of_fold_teachers(recipe):
        for fold in model.folds:
            contents |= tables.training_digests(model, fold)
    return contents - data.contents_of_people


def load_weights(network: Network, model: Model, prepared: TrainingData, data: FoldData) -> None:
    """Load the network's backbone, and with `start_head` all after it, from a model of the run in
    `model.init`; see `source_fold`.

    Raises MaskgateError.
    """
    run = runs.open_model(Path(str(model.init)))
    weights = run.weights(source_fold(run, prepared, data, "model.init"))
    for part in ("backbone", "neck", "head") if model.start_head else ("backbone",):
        _load_part(network.get_submodule(part), part, weights, run)


def _load_part(module: nn.Module, part: str, weights: Mapping[str, Tensor], run: RunFolder) -> None:
    prefix = f"{part}."
    tensors = {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }
    expected = module.state_dict()
    finite.check_weights(tensors, finite.non_finite(expected), f"model.init={run.path}")
    different = list(expected.keys() ^ tensors.keys())
    different += [
        n for n in expected.keys() & tensors.keys() if tensors[n].shape != expected[n].shape
    ]
    if different:
        name = run.recipe().model.backbone if part == "backbone" else ""
        raise MaskgateError(
            f"model.init={run.path}: its {f'{part} {name}'.strip()} does not fit"
            f" ({len(different)} tensors differ, first {min(different)}); use the same {part}"
        )
    module.load_state_dict(tensors)


def source_fold(run: RunFolder, prepared: TrainingData, data: FoldData, key: str) -> int:
    """The first of `usable_folds`. Raises MaskgateError."""
    return usable_folds(run, prepared, data, key)[0]


def usable_folds(run: RunFolder, prepared: TrainingData, data: FoldData, key: str) -> list[int]:
    """The folds of `run` whose models may be used in training the fold of these data.

    The fold with the same number comes first. A model whose weights were ever trained on a photo
    of the fold's validation people, or on a near-duplicate, is not used. Raises MaskgateError with
    the recipe's `key` if none is left.
    """
    validated = validated_contents(run, prepared, data)
    folds = sorted(run.folds, key=lambda fold: (fold != data.fold, fold))
    usable = [fold for fold in folds if not validated & tables.training_digests(run, fold)]
    if usable:
        return usable
    raise MaskgateError(
        f"{key}={run.path}: every model of that run was trained on validation people of fold"
        f" {data.fold} (on the same files, or near-duplicates of them); set"
        f" folds.file={run.folds_file} to share its folds, or give another run"
    )
