"""Starts a network from another run's backbone, without letting validation people leak in."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from maskgate import config, runs
from maskgate.errors import MaskgateError
from maskgate.model.network import Network
from maskgate.recipe import Model, Recipe
from maskgate.runs import Run


def epochs(recipe: Recipe) -> Recipe:
    """The recipe with the epochs that the run in `training.epochs_from` found to be best (S2).

    The mean of its folds' best epochs, rounded. Raises MaskgateError where it has none.
    """
    if recipe.training.epochs_from is None:
        return recipe
    run = runs.open_model(recipe.training.epochs_from)
    history = run.history()
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
            f" there, but {config.told(error, Recipe)}"
        ) from error


def contents(model: Model) -> list[str]:
    """Hashes of the weights a recipe's model starts from: their paths alone would not do."""
    paths = [Path(model.weights)] if model.weights is not None else []
    if model.init is not None:
        run = runs.open_model(model.init)
        paths += [run.weights_file(fold) for fold in run.folds]
    found = []
    for path in paths:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found


def seen(path: Path, validated: set[str], fold: int) -> set[str]:
    """Contents of the photos that the weights of `from_run` were trained on."""
    run = runs.open_model(path)
    return run.seen(_source(run, validated, fold))


def from_run(network: Network, path: Path, validated: set[str], fold: int) -> None:
    """Fill the network's backbone from the run at `path`.

    Of that run's folds the one with this number is taken first. One whose weights were ever
    trained on a photo of the people now validated on (`validated`: hashes of their photos'
    contents) is not taken; where none is left, MaskgateError.
    """
    run = runs.open_model(path)
    prefix = "backbone."
    found = {
        name.removeprefix(prefix): tensor
        for name, tensor in run.weights(_source(run, validated, fold)).items()
        if name.startswith(prefix)
    }
    wanted = network.backbone.state_dict()
    odd = list(wanted.keys() ^ found.keys())
    odd += [n for n in wanted.keys() & found.keys() if found[n].shape != wanted[n].shape]
    if odd:
        raise MaskgateError(
            f"model.init={run.path}: its backbone {run.recipe().model.backbone} does not fit"
            f" ({len(odd)} tensors differ, first {min(odd)}); use the same backbone"
        )
    network.backbone.load_state_dict(found)


def _source(run: Run, validated: set[str], fold: int) -> int:
    for other in sorted(run.folds, key=lambda other: (other != fold, other)):
        if not validated & run.seen(other):
            return other
    raise MaskgateError(
        f"model.init={run.path}: every model of that run was trained on people of fold {fold}, on"
        f" which this one is to be validated; set folds.file={run.folds_file} to share its folds"
    )
