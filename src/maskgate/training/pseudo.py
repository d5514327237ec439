"""Pseudo labels: a fold's photos without labels, as a finished run's model of that fold sees them.

A model that has seen somebody would hand what it knows of them on to the fold that validates them,
by way of the labels it gives to others. So every fold has labels of its own, by a model that has
seen none of its people.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels, runs
from maskgate.config.recipe import Recipe
from maskgate.core.progress import say
from maskgate.data import pseudo_labels
from maskgate.data.column_values import BARRED, TRAINED, UNLABELLED, USES
from maskgate.errors import MaskgateError, listed
from maskgate.inference import loading
from maskgate.inference.predictor import Predictor
from maskgate.runs import Run, tables
from maskgate.runs.trust import check_trusted, vouched
from maskgate.training import warm_start
from maskgate.training.fold_data import FoldData, with_pseudo_labels
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData


def check(recipe: Recipe, prepared: TrainingData, folds: Sequence[FoldData]) -> None:
    """Raise MaskgateError for a fold that no model of the run may label photos for."""
    if recipe.pseudo is not None:
        for data in folds:
            _source(recipe, prepared, data, trust=True)  # nothing is run yet


def label(
    recipe: Recipe, prepared: TrainingData, data: FoldData, *, options: TrainOptions, run: Run
) -> None:
    """Label the photos without labels for a fold, and keep the labels in the run: a resumed
    training uses the same. Raises MaskgateError."""
    path = run.pseudo_file(data.fold)
    if recipe.pseudo is None or path.exists():
        return
    table, probabilities = create_labels(recipe, prepared, data, options)
    tables.write_probabilities(path, table, probabilities)
    say(summary_line(data.fold, table))


def with_labels(data: FoldData, run: Run) -> FoldData:
    """The data of a fold with the pseudo labels that the run keeps, if it has any."""
    if not (data.table["source"] == UNLABELLED).any():
        return data
    return with_pseudo_labels(data, tables.pseudo(run, data.fold)[0])


def create_labels(
    recipe: Recipe, prepared: TrainingData, data: FoldData, options: TrainOptions
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """The photos without labels as `pseudo_labels.choose` tells of them, with `digest`, and their
    probabilities (N, 18). Raises MaskgateError."""
    wanted = recipe.pseudo
    assert wanted is not None
    run, fold = _source(recipe, prepared, data, options.trust)
    predictor = Predictor(loading.of_folds(run, [fold], options.folder))
    unlabelled = data.table[data.table["source"] == UNLABELLED]
    names = unlabelled["photo"]
    photos = [prepared.unlabelled_root / name.removeprefix(f"{wanted.photos}:") for name in names]
    say(f"fold {data.fold}: labelling {len(photos)} photos by fold {fold} of {run.path}")
    probabilities, faults = predictor.probabilities(photos)
    if faults:
        what = listed([f"{photos[row]} ({why})" for row, why in faults.items()])
        raise MaskgateError(f"{what}: cannot be read any more; mend it and repeat the command")
    table = pseudo_labels.choose(
        probabilities,
        names.tolist(),
        barred=(unlabelled["left_out"] == BARRED).to_numpy(),
        settings=wanted,
        attributes=predictor.attributes,
    )
    return table.assign(digest=unlabelled["digest"].reset_index(drop=True)), probabilities


def labeller(recipe: Recipe, trust: bool = False) -> Run:
    """The run whose models label photos. Raises MaskgateError, before anything is imported, where
    it brings code that neither the user is known to `trust` nor the recipe names itself."""
    assert recipe.pseudo is not None
    run = vouched(runs.open_model(recipe.pseudo.run, trust), recipe.model.factories)
    check_trusted(run, run.recipe())
    return run


def _source(recipe: Recipe, prepared: TrainingData, data: FoldData, trust: bool) -> tuple[Run, int]:
    run = labeller(recipe, trust)
    return run, warm_start.source_fold(run, prepared, data, "pseudo.run")


# ------------------------------------------------------------------------------ in words


def summary_line(number: int, table: pd.DataFrame) -> str:
    """What became of the photos without labels of a fold, in one line."""
    count = counts(table)
    parts = [f"{count[name]} by {name.replace('_', ' ')}" for name in labels.ATTRIBUTES]
    parts += [f"{count[use]} {use}" for use in USES[1:] if count[use]]
    return (
        f"fold {number}: {count[TRAINED]} of {len(table)} photos without labels are trained on"
        f" ({', '.join(parts)})"
    )


def counts(table: pd.DataFrame) -> dict[str, int]:
    """How many photos there are of each use, and of those trained on how many tell an attribute."""
    found = {use: int((table["use"] == use).sum()) for use in USES}
    trained = table[table["use"] == TRAINED]
    return found | {
        name: int((trained[name] != labels.UNKNOWN).sum()) for name in labels.ATTRIBUTES
    }


def warnings(recipe: Recipe, run: Run, numbers: list[int]) -> list[str]:
    """A sentence where folds were trained without any pseudo label."""
    if recipe.pseudo is None:
        return []
    bare = [n for n in numbers if not counts(tables.pseudo(run, n)[0])[TRAINED]]
    if not bare:
        return []
    return [
        f"no photo of {recipe.pseudo.photos} was sure enough to be trained on in"
        f" {len(bare)} of {len(numbers)} folds: lower pseudo.thresholds, or leave pseudo out"
    ]


def summary(run: Run, numbers: list[int]) -> dict[str, Any]:
    """Photos of each use and attribute, means of the folds, for the report."""
    counted = [counts(tables.pseudo(run, number)[0]) for number in numbers]
    return {key: float(np.mean([each[key] for each in counted])) for key in counted[0]}
