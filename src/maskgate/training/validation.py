"""Scores the validation photos of a fold."""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels, metrics

Probabilities = npt.NDArray[np.float32]


def scores(
    probabilities: Probabilities, rows: pd.DataFrame, knows: Collection[str]
) -> dict[str, float]:
    """An epoch's scores of probabilities (V, 18) against the table's rows (V), for the history.

    `valid_score` is what epochs are selected by: macro F1 over the 18 classes, or where no
    photo knows all three attributes, or the model only those it `knows`, the mean macro F1 of
    the attributes known. Others are NaN.
    """
    rows = metrics.narrowed(rows, knows)
    targets = labels.agrees(*(rows[name].to_numpy() for name in labels.ATTRIBUTES))
    agreeing = (probabilities.astype(np.float64) * targets).sum(1).clip(1e-12)
    found = {"valid_loss": float(-np.log(agreeing).mean())}
    truths = {"": (rows["label"], probabilities)}
    for name, part in labels.marginals(probabilities).items():
        truths[f"{name}_"] = (rows[name], part)
    for name, (truth, part) in truths.items():
        known = bool((truth != labels.UNKNOWN).any())
        counts = metrics.confusion(truth, part.argmax(1), part.shape[1])
        for key, measure in (("macro_f1", metrics.macro_f1), ("accuracy", metrics.accuracy)):
            found[f"valid_{name}{key}"] = float(measure(counts)) if known else float("nan")
    score = found["valid_macro_f1"]
    if np.isnan(score):
        score = float(np.nanmean([found[f"valid_{name}_macro_f1"] for name in labels.ATTRIBUTES]))
    return found | {"valid_score": score}


def told(row: dict[str, Any]) -> str:
    """A row of the history in one line."""
    line = f"fold {row['fold']}, epoch {row['epoch']}: training loss {row['train_loss']:.3f}"
    if "valid_score" in row:
        line += f", validation loss {row['valid_loss']:.3f}, macro F1 {row['valid_score']:.3f}"
    return line
