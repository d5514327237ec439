"""What a source, a run or an opinion, says about the attributes of photos."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder, tables
from maskgate.runs.records import tables as records
from maskgate.runs.records.results import known_attributes

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What one source says about N photos: of each attribute that it knows, the `probabilities` of
    its values (N, 3) or (N, 2), NaN for a photo about which it says nothing; and `ages` (N,) in
    years, NaN likewise."""

    name: str
    probabilities: Mapping[str, Floats]
    ages: Floats

    def take(self, rows: npt.NDArray[np.integer]) -> "Evidence":
        """The evidence about some of the photos."""
        parts = {name: values[rows] for name, values in self.probabilities.items()}
        return Evidence(self.name, parts, self.ages[rows])


def of_classes(
    name: str,
    probabilities: npt.NDArray[np.floating],
    attributes: list[str],
    ages: npt.NDArray[np.floating] | None = None,
) -> Evidence:
    """The evidence of a model that predicts these attributes: probabilities (N, 18), ages (N,)."""
    marginals = labels.marginals(probabilities)
    years = np.full(len(probabilities), np.nan) if ages is None else ages.astype(np.float64)
    return Evidence(name, {each: marginals[each].astype(np.float64) for each in attributes}, years)


def of_validation(run: RunFolder) -> tuple[pd.DataFrame, Evidence]:
    """The photo table (N rows) of a run's validated photos, and its out-of-fold evidence.

    Ages of a system are the means of its members'. Raises MaskgateError where the run has no
    validation people.
    """
    results = run.metrics()
    if not results.validated:
        raise MaskgateError(
            f"{run.path}: has no validation people, so there are no out-of-fold probabilities;"
            " give a run with folds"
        )
    table, probabilities = tables.oof(run)
    ages = _ages(run, table)
    return table, of_classes("the run", probabilities, known_attributes(results), ages)


def _ages(run: RunFolder, table: pd.DataFrame) -> Floats | None:
    """The predicted ages in years (N,), None where no network predicts them."""
    if run.is_system:
        by_member = [_ages(member, table) for member in run.members()]
        known = [ages for ages in by_member if ages is not None]
        return np.mean(known, axis=0) if known else None
    rows, _ = records.probabilities(run.files.read(run.oof_file), records.OOF, run.oof_file)
    if "predicted_age" not in rows:
        return None
    return rows.set_index("photo")["predicted_age"].reindex(table["photo"]).to_numpy(np.float64)
