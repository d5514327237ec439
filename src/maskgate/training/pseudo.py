"""Pseudo labels: labels for a fold's unlabelled photos, predicted by a finished run's model.

A fold's pseudo labels never come from a model that was trained on its validation people: what that
model learned about them would leak through the labels. So every fold has its own pseudo labels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels, runs
from maskgate.config.recipe import Recipe
from maskgate.core.progress import log
from maskgate.data import pseudo_labels
from maskgate.data.column_values import BARRED, TRAINED, UNLABELLED, USES
from maskgate.errors import MaskgateError, listed
from maskgate.inference import loading
from maskgate.inference.predictor import Predictor
from maskgate.runs import RunFolder, tables
from maskgate.runs.trust import check_trusted, trust_if_known
from maskgate.training import warm_start
from maskgate.training.fold_data import FoldData, with_pseudo_labels
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData


def check(recipe: Recipe, prepared: TrainingData, folds: Sequence[FoldData]) -> None:
    """Raise MaskgateError if no model of the run may label photos for one of the folds."""
    if recipe.pseudo is not None:
        for data in folds:
            _source(recipe, prepared, data, trust=True)  # no code is run here


def label(
    recipe: Recipe, prepared: TrainingData, data: FoldData, *, options: TrainOptions, run: RunFolder
) -> None:
    """Label a fold's unlabelled photos, and save the labels in the run for a resumed training.
    Raises MaskgateError."""
    path = run.pseudo_file(data.fold)
    if recipe.pseudo is None or path.exists():
        return
    table, probabilities = create_labels(recipe, prepared, data, options)
    tables.write_probabilities(path, table, probabilities)
    log(summary_line(data.fold, table))


def with_labels(data: FoldData, run: RunFolder) -> FoldData:
    """The data of a fold with the pseudo labels saved in the run, if any."""
    if not (data.table["source"] == UNLABELLED).any():
        return data
    return with_pseudo_labels(data, tables.pseudo(run, data.fold)[0])


def create_labels(
    recipe: Recipe, prepared: TrainingData, data: FoldData, options: TrainOptions
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """The table of `pseudo_labels.choose` for the unlabelled photos, with `digest`, and their
    probabilities (N, 18). Raises MaskgateError."""
    settings = recipe.pseudo
    assert settings is not None
    run, fold = _source(recipe, prepared, data, options.trust)
    predictor = Predictor(loading.of_folds(run, [fold], options.folder))
    unlabelled = data.table[data.table["source"] == UNLABELLED]
    names = unlabelled["photo"]
    photos = [prepared.unlabelled_root / name.removeprefix(f"{settings.photos}:") for name in names]
    log(f"fold {data.fold}: labelling {len(photos)} photos by fold {fold} of {run.path}")
    probabilities, faults = predictor.probabilities(photos)
    if faults:
        unreadable = listed([f"{photos[row]} ({reason})" for row, reason in faults.items()])
        raise MaskgateError(f"{unreadable}: cannot be read any more; fix it and repeat the command")
    table = pseudo_labels.choose(
        probabilities,
        names.tolist(),
        barred=(unlabelled["left_out"] == BARRED).to_numpy(),
        settings=settings,
        attributes=predictor.attributes,
    )
    return table.assign(digest=unlabelled["digest"].reset_index(drop=True)), probabilities


def labeller(recipe: Recipe, trust: bool = False) -> RunFolder:
    """The run whose models label photos. Raises MaskgateError, before anything is imported, if it
    needs code that the recipe does not name itself, and `trust` is false."""
    assert recipe.pseudo is not None
    run = trust_if_known(runs.open_model(recipe.pseudo.run, trust), recipe.model.factories)
    check_trusted(run, run.recipe())
    return run


def _source(
    recipe: Recipe, prepared: TrainingData, data: FoldData, trust: bool
) -> tuple[RunFolder, int]:
    run = labeller(recipe, trust)
    return run, warm_start.source_fold(run, prepared, data, "pseudo.run")


# ------------------------------------------------------------------------------ in words


def summary_line(number: int, table: pd.DataFrame) -> str:
    """How a fold uses its unlabelled photos, in one line."""
    count = counts(table)
    parts = [f"{count[name]} by {name.replace('_', ' ')}" for name in labels.ATTRIBUTES]
    parts += [f"{count[use]} {use}" for use in USES[1:] if count[use]]
    return (
        f"fold {number}: {count[TRAINED]} of {len(table)} photos without labels are trained on"
        f" ({', '.join(parts)})"
    )


def counts(table: pd.DataFrame) -> dict[str, int]:
    """How many photos have each use, and how many trained ones have a label of each attribute."""
    by_use = {use: int((table["use"] == use).sum()) for use in USES}
    trained = table[table["use"] == TRAINED]
    return by_use | {
        name: int((trained[name] != labels.UNKNOWN).sum()) for name in labels.ATTRIBUTES
    }


def warnings(recipe: Recipe, run: RunFolder, numbers: list[int]) -> list[str]:
    """A sentence if folds were trained without any pseudo label."""
    if recipe.pseudo is None:
        return []
    without_labels = [n for n in numbers if not counts(tables.pseudo(run, n)[0])[TRAINED]]
    if not without_labels:
        return []
    return [
        f"no photo of {recipe.pseudo.photos} was sure enough to be trained on in"
        f" {len(without_labels)} of {len(numbers)} folds: lower pseudo.thresholds, or leave pseudo"
        " out"
    ]


def summary(run: RunFolder, numbers: list[int]) -> dict[str, Any]:
    """`counts` for the report, as means over the folds."""
    counts_of_folds = [counts(tables.pseudo(run, number)[0]) for number in numbers]
    return {
        key: float(np.mean([each[key] for each in counts_of_folds])) for key in counts_of_folds[0]
    }
