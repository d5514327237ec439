"""The tables of a run, read with pandas; each is checked, and raises MaskgateError where it is
missing, has changed since the run ended, or does not hold what it should."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import files, finite
from maskgate.data.column_values import NEVER, TRAINED
from maskgate.errors import MaskgateError, listed
from maskgate.runs.records import contents, tables
from maskgate.runs.records.faults import damaged
from maskgate.runs.run import Run

Probabilities = npt.NDArray[np.float32]  # (N, 18)


def photos(run: Run) -> pd.DataFrame:
    """The photo table of the data validated on, labelled with the truth that the scores are taken
    against, with `cluster`, `fold` and `digest`."""
    return tables.parquet(run.files.read(run.photos_file), tables.PHOTOS, run.photos_file)


def more(run: Run) -> pd.DataFrame:
    """The photos of further data sets as they were trained on, with `data`, `weight`, `digest`,
    `cluster`, and `not_in`: the folds whose training they were kept out of."""
    return tables.parquet(run.files.read(run.more_file), tables.MORE, run.more_file)


def pseudo(run: Run, fold: int) -> tuple[pd.DataFrame, Probabilities]:
    """The photos without labels, with what became of them in a fold (`use`), what they were
    labelled as, and their probabilities (N, 18); see `data.pseudo_labels.choose`."""
    path = run.pseudo_file(fold)
    return tables.probabilities(run.files.read(path), tables.PSEUDO, path, run.files.remedy(path))


def oof(run: Run, path: Path | None = None) -> tuple[pd.DataFrame, Probabilities]:
    """The photo table of the validated photos and their probabilities (N, 18), those in the run's
    `oof_file` unless another is given."""
    path = path or run.oof_file
    rows, probabilities = tables.probabilities(run.files.read(path), tables.OOF, path)
    by_name = photos(run).set_index("photo", drop=False)
    if set(rows["photo"]) != set(by_name.index[by_name["fold"] != NEVER]):
        raise damaged(path, f"it holds other photos than {run.photos_file.name} validates")
    return by_name.loc[rows["photo"]].reset_index(drop=True), probabilities


def history(run: Run) -> pd.DataFrame:
    """A row for each epoch of each fold; all columns are numbers."""
    return tables.history(run.files.read(run.history_file), run.history_file)


def fold_history(run: Run, number: int) -> pd.DataFrame:
    """The history of a fold, of which the run's is put together."""
    path = run.fold(number) / "history.csv"
    return tables.history(contents.read(path, None), path, run.files.remedy(path))


def fold_oof(
    run: Run, number: int, name: str = "oof.parquet"
) -> tuple[pd.DataFrame, Probabilities]:
    """The rows and probabilities (V, 18) of a fold's validated photos, of which the run's are put
    together."""
    path = run.fold(number) / name
    return tables.probabilities(contents.read(path, None), tables.OOF, path, run.files.remedy(path))


def seen(run: Run, fold: int) -> set[str]:
    """Digests of all photos the fold's weights were ever trained on, by way of others too."""
    table, recipe = photos(run), run.recipe()
    trained = table["fold"] != fold
    if recipe.training.validation_epochs:
        trained[:] = True
    digests = _digests(table[trained])
    if recipe.data:
        further = more(run)
        digests |= _digests(further[[fold not in kept_out for kept_out in further["not_in"]]])
    if recipe.pseudo is not None:
        labelled, _ = pseudo(run, fold)
        digests |= _digests(labelled[labelled["use"] == TRAINED])
    if recipe.model.init is not None or recipe.pseudo is not None:
        digests |= set(run.files.text(run.inherited_file(fold)).split())
    return digests


def _digests(rows: pd.DataFrame) -> set[str]:
    """Digests of the photos, and of those that they were drawn on."""
    below = rows.get("drawn_from", pd.Series(dtype="str")).dropna()
    return {*rows["digest"], *below} - {""}


def check_names(run: Run, names: list[str], root: Path) -> None:
    """Raise MaskgateError where names of photos, as the run holds them, leave the `root`."""
    leave = zip(names, files.outside(names, root), strict=True)
    if out := [name for name, leaves in leave if leaves]:
        raise MaskgateError(
            f"{run.photos_file}: names photos that lie outside {root} ({listed(out)}), which"
            " no training does; get the run again from where it comes (a report can be written"
            " with --no-photos)"
        )


def write_probabilities(
    path: Path, table: pd.DataFrame, probabilities: npt.NDArray[np.floating]
) -> None:
    """Parquet of `table`'s columns and the 18 probabilities p00…p17 (float32) of its rows. Raises
    MaskgateError where one is not finite."""
    finite.check(probabilities, str(path))
    names = list(labels.PROBABILITY_COLUMNS)
    columns = pd.DataFrame(probabilities.astype(np.float32), columns=names)
    whole = pd.concat([table.reset_index(drop=True), columns], axis=1)
    files.replace(path, lambda beside: whole.to_parquet(beside, index=False))


def read_probabilities(path: Path) -> tuple[pd.DataFrame, Probabilities]:
    """The other columns and the probabilities (N, 18) of such a file."""
    return tables.probabilities(contents.read(path, None), {}, path)
