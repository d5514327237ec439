"""The gallery of a report: mistakes that can be filtered, with or without their photos."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.evaluation import metrics
from maskgate.reports import mistakes
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.results import known_attributes


def context(
    run: RunFolder, table: pd.DataFrame, probabilities: npt.NDArray[np.floating], root: Path | None
) -> dict[str, Any]:
    """What the page needs of the mistakes among a photo table's rows with probabilities (N, 18):
    their number, cards for examples of them, the errors of photos that cannot be shown, and for
    the filters the values and the number of mistakes of every kind.

    Writes the `mistakes_file`. Without `root`, the folder of the photos, no photo is read.
    """
    if root is not None:
        tables.check_names(run, table["photo"].tolist(), root)
    digests = dict(zip(table["photo"], table.get("digest", table["photo"]), strict=True))
    attributes = known_attributes(run.metrics())
    table_of_mistakes = mistakes.find(metrics.keep_labels(table, attributes), probabilities)
    mistakes.write(run.mistakes_file, table_of_mistakes)
    cards, faults = mistakes.cards(mistakes.examples(table_of_mistakes), root, digests)
    return {
        "count": len(table_of_mistakes),
        "cards": cards,
        "faults": faults,
        "file": run.mistakes_file.name,
        "filters": filters(table_of_mistakes),
    }


def filters(table_of_mistakes: pd.DataFrame) -> dict[str, Any]:
    """Ready for JSON: the `values` of each attribute in which there are mistakes, the `masks` and
    `folds` of the photos, and the number of `photos` of every kind of mistake, in `columns`."""
    columns = ["fold", *(f"true_{name}" for name in labels.ATTRIBUTES), *labels.ATTRIBUTES]
    counts = table_of_mistakes.groupby(columns).size()
    masks = set(table_of_mistakes["true_mask"])
    return {
        "values": {
            name: list(values)
            for name, values in labels.ATTRIBUTES.items()
            if mistakes.is_wrong(table_of_mistakes, name).any()
        },
        "masks": [value for value in labels.MASKS if value in masks],
        "folds": [str(fold) for fold in sorted(set(table_of_mistakes["fold"]))],
        "columns": columns,
        "rows": [[str(value) for value in kind] for kind in counts.index],
        "photos": counts.tolist(),
    }
