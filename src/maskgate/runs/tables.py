"""The tables of a run, read with pandas. Reading raises MaskgateError where a table is missing, has
changed since the run ended, or has wrong columns or values."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import files, finite
from maskgate.data import table as photo_table
from maskgate.data.column_values import NEVER, TRAINED
from maskgate.errors import MaskgateError, listed
from maskgate.runs.records import contents, tables
from maskgate.runs.records.faults import damaged
from maskgate.runs.run import RunFolder

Probabilities = npt.NDArray[np.float32]  # (N, 18)


def photos(run: RunFolder) -> pd.DataFrame:
    """The photo table of the main data set, with the labels that scores are computed against, and
    `cluster`, `fold` and `digest`."""
    return tables.parquet(run.files.read(run.photos_file), tables.PHOTOS, run.photos_file)


def extra(run: RunFolder) -> pd.DataFrame:
    """The photos of extra data sets as they were trained on, with `data`, `weight`, `digest`,
    `cluster`, and `not_in`: the folds whose training excluded them."""
    return tables.parquet(run.files.read(run.extra_file), tables.EXTRA, run.extra_file)


def pseudo(run: RunFolder, fold: int) -> tuple[pd.DataFrame, Probabilities]:
    """The unlabelled photos, with their pseudo labels and `use` in a fold, and their probabilities
    (N, 18); see `data.pseudo_labels.choose`."""
    path = run.pseudo_file(fold)
    return tables.probabilities(run.files.read(path), tables.PSEUDO, path, run.files.remedy(path))


def oof(run: RunFolder, path: Path | None = None) -> tuple[pd.DataFrame, Probabilities]:
    """The photo table of the validated photos and their probabilities (N, 18), from the run's
    `oof_file` unless another `path` is given."""
    path = path or run.oof_file
    rows, probabilities = tables.probabilities(run.files.read(path), tables.OOF, path)
    by_name = photos(run).set_index("photo", drop=False)
    if set(rows["photo"]) != set(by_name.index[by_name["fold"] != NEVER]):
        raise damaged(path, f"it holds other photos than {run.photos_file.name} validates")
    return by_name.loc[rows["photo"]].reset_index(drop=True), probabilities


def oof_probabilities(run: RunFolder, photos: Sequence[str]) -> Probabilities:
    """The out-of-fold probabilities (N, 18) of N photos that the run validates, in their order."""
    table, probabilities = oof(run)
    return probabilities[pd.Index(table["photo"]).get_indexer(pd.Index(photos))]


def history(run: RunFolder) -> pd.DataFrame:
    """One row per epoch and fold; all columns are numbers."""
    return tables.history(run.files.read(run.history_file), run.history_file)


def fold_history(run: RunFolder, number: int) -> pd.DataFrame:
    """The history of a single fold."""
    path = run.fold_folder(number) / "history.csv"
    return tables.history(contents.read(path, None), path, run.files.remedy(path))


def fold_oof(
    run: RunFolder, number: int, name: str = "oof.parquet"
) -> tuple[pd.DataFrame, Probabilities]:
    """The rows and probabilities (V, 18) of a single fold's validated photos."""
    path = run.fold_folder(number) / name
    return tables.probabilities(contents.read(path, None), tables.OOF, path, run.files.remedy(path))


def training_digests(run: RunFolder, fold: int) -> set[str]:
    """Digests of all photos that the fold's weights were trained on, directly or through the runs
    that it was started from, labelled or taught by."""
    table, recipe = photos(run), run.recipe()
    trained = table["fold"] != fold
    if recipe.training.validation_epochs:
        trained[:] = True
    digests = _digests(table[trained])
    if recipe.data:
        extra_photos = extra(run)
        used = [fold not in excluded for excluded in extra_photos["not_in"]]
        digests |= _digests(extra_photos[used])
    if recipe.pseudo is not None:
        pseudo_labels, _ = pseudo(run, fold)
        digests |= _digests(pseudo_labels[pseudo_labels["use"] == TRAINED])
    inherits = recipe.model.init is not None or recipe.pseudo is not None
    # Of a teacher, only if it is a run.
    if inherits or (recipe.teacher is not None and run.files.holds(run.inherited_file(fold))):
        digests |= set(run.files.text(run.inherited_file(fold)).split())
    return digests


def _digests(rows: pd.DataFrame) -> set[str]:
    """Digests of the photos, and of the photos that masks were drawn on to make them."""
    return {*rows["digest"], *photo_table.origins(rows)} - {""}


def check_names(run: RunFolder, names: list[str], root: Path) -> None:
    """Raise MaskgateError where names of photos in the run lead outside the `root`."""
    pairs = zip(names, files.outside(names, root), strict=True)
    if outside := [name for name, is_outside in pairs if is_outside]:
        raise MaskgateError(
            f"{run.photos_file}: names photos outside {root} ({listed(outside)}), which training"
            " never writes; get the run again from its source (a report can be written with"
            " --no-photos)"
        )


def write_probabilities(
    path: Path, table: pd.DataFrame, probabilities: npt.NDArray[np.floating]
) -> None:
    """Parquet of `table`'s columns and the 18 probabilities p00…p17 (float32) of its rows. Raises
    MaskgateError where one is not finite."""
    finite.check(probabilities, str(path))
    names = list(labels.PROBABILITY_COLUMNS)
    columns = pd.DataFrame(probabilities.astype(np.float32), columns=names)
    rows = pd.concat([table.reset_index(drop=True), columns], axis=1)
    files.replace(path, lambda temporary: rows.to_parquet(temporary, index=False))


def read_probabilities(path: Path) -> tuple[pd.DataFrame, Probabilities]:
    """The other columns and the probabilities (N, 18) of a file by `write_probabilities`."""
    return tables.probabilities(contents.read(path, None), {}, path)
