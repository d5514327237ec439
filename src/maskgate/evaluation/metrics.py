"""Scores with intervals, from probabilities (N, 18) and a photo table.

Macro F1 is the plain mean of the F1 of every class, absent ones counting 0, as the
competition scored it. Intervals are 95% percentile intervals of a bootstrap over people, see
`bootstrap`.
"""

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import confusions, finite
from maskgate.core.score import Score
from maskgate.evaluation.bootstrap import Floats, Resamples

RESAMPLES: Final = 1000
LEVEL: Final = 0.95
FEW: Final = 10  # people: of fewer a bootstrap tells too narrow an interval
ALL_CLASSES: Final = "macro F1"


def evaluate(
    probabilities: npt.NDArray[np.floating],
    table: pd.DataFrame,
    resamples: int = RESAMPLES,
    seed: int = 0,
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> dict[str, Any]:
    """All scores of probabilities (N, 18) against the table's labels, ready for JSON.

    A photo counts in the `attributes` of the model for which it has a label; only fully
    labelled ones count in the 18 classes. Every figure is `{"value", "low", "high"}`; a
    confusion is three matrices of counts and, as its `share`, three of shares of the true
    class. What is not known is left out:
    `attributes` holds only those known, and without a fully labelled photo there is no
    `macro_f1`. `score` is what the run is judged by, named in `score_of`: macro F1 over the 18
    classes, else the mean macro F1 of the attributes known. Raises MaskgateError where a
    probability is not finite.
    """
    finite.check(probabilities, "what is to be scored")
    weights = Resamples(table, resamples, seed)
    table = narrowed(table, attributes)
    report: dict[str, Any] = {
        "photos": len(table),
        "people": weights.people,
        "fully_labelled": int((table["label"] != labels.UNKNOWN).sum()),
        "interval": f"{LEVEL:.0%} Bayesian bootstrap over people, {resamples} resamples",
    }
    parts = labels.marginals(probabilities)
    report["attributes"] = {
        name: _scores(weights, name, table, parts[name].argmax(1))
        for name, values in labels.ATTRIBUTES.items()
        if (table[name] != labels.UNKNOWN).any()
    }
    if report["fully_labelled"]:
        report |= _scores(weights, "label", table, probabilities.argmax(1))
        return report | {"score": report["macro_f1"], "score_of": judged_by(table)}
    score = _interval(*judged(probabilities, table, weights))
    return report | {"score": score, "score_of": judged_by(table)}


def judged_by(table: pd.DataFrame) -> str:
    """What `judged` takes of photos with the labels of this table, in words."""
    if (table["label"] != labels.UNKNOWN).any():
        return ALL_CLASSES
    known = [name for name in labels.ATTRIBUTES if (table[name] != labels.UNKNOWN).any()]
    return f"macro F1, mean of {', '.join(known)}".replace("_", " ")


def beside(
    probabilities: npt.NDArray[np.floating],
    other: npt.NDArray[np.floating],
    table: pd.DataFrame,
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> dict[str, Any]:
    """The `score` of `other` (N, 18), as `evaluate` has it, and the `difference` that the score of
    `probabilities` less it makes, both on the same resamples of people."""
    weights = Resamples(table, RESAMPLES, seed=0)
    table = narrowed(table, attributes)
    here, drawn = judged(probabilities, table, weights)
    other_here, other_drawn = judged(other, table, weights)
    return {
        "score": _interval(other_here, other_drawn),
        "difference": _interval(here - other_here, drawn - other_drawn),
    }


def judged(
    probabilities: npt.NDArray[np.floating], table: pd.DataFrame, weights: Resamples
) -> tuple[Floats, Floats]:
    """What a run is judged by, on all people () and in each resample (R,): macro F1 over the 18
    classes, or where no photo of the `narrowed` table knows all attributes the mean of those known.

    What two of them differ by is the `interval` of the differences. Raises MaskgateError where a
    probability is not finite.
    """
    finite.check(probabilities, "what is to be scored")
    told = {"label": probabilities}
    if not (table["label"] != labels.UNKNOWN).any():
        told = labels.marginals(probabilities)
    here, drawn = [], []
    for name, part in told.items():
        truth, predicted = table[name].to_numpy(), part.argmax(1)
        if (truth != labels.UNKNOWN).any():
            here.append(confusions.macro_f1(confusions.confusion(truth, predicted, part.shape[1])))
            drawn.append(confusions.macro_f1(weights.confusions(name, truth, predicted)))
    return np.mean(here, axis=0), np.mean(drawn, axis=0)


def interval(value: Floats, drawn: Floats) -> Score:
    """A value and the 95% interval of its resamples (R,)."""
    return read_score(_interval(value, drawn))


def apart(
    probabilities: npt.NDArray[np.floating],
    table: pd.DataFrame,
    part: npt.NDArray[np.bool_],
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> dict[str, Any]:
    """The main scores of the photos in `part` (N,) alone, as in `evaluate`: `photos`, `people`,
    `score`, `score_of` and the `accuracy` of each attribute; only the counts where nothing is
    known of them, or they are fewer than FEW people: too few to tell how sure a score is.

    Classes that no photo of the part has count 0 in a macro F1, as ever.
    """
    told: dict[str, Any] = {
        "photos": int(part.sum()),
        "people": int(table.loc[part, "person"].nunique()),
    }
    known = narrowed(table, attributes).loc[part, list(labels.ATTRIBUTES)] != labels.UNKNOWN
    if told["people"] < FEW or not known.to_numpy().any():
        return told
    whole = evaluate(probabilities[part], table[part].reset_index(drop=True), attributes=attributes)
    accuracies = {name: each["accuracy"] for name, each in whole["attributes"].items()}
    return told | {key: whole[key] for key in ("score", "score_of")} | {"accuracy": accuracies}


def by_face(
    probabilities: npt.NDArray[np.floating],
    table: pd.DataFrame,
    found: npt.NDArray[np.bool_],
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> dict[str, Any]:
    """Scores of the photos in which a face was `found` (N,), and of the missed, as in `apart`."""
    return {
        "found": apart(probabilities, table, found, attributes),
        "missed": apart(probabilities, table, ~found, attributes),
    }


def narrowed(table: pd.DataFrame, attributes: Collection[str]) -> pd.DataFrame:
    """The table as one sees it who knows only these attributes: all other labels are unknown."""
    hidden = {name: np.int8(labels.UNKNOWN) for name in labels.ATTRIBUTES if name not in attributes}
    return table.assign(**hidden, label=np.int8(labels.UNKNOWN)) if hidden else table


def _scores(
    weights: Resamples, of: str, table: pd.DataFrame, predicted: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Scores of the predicted codes (N,) of an attribute, or of `label`."""
    truth, names = table[of].to_numpy(), labels.ATTRIBUTES.get(of, labels.CLASSES)
    here = confusions.confusion(truth, predicted, len(names))
    drawn = weights.confusions(of, truth, predicted)
    found: dict[str, Any] = {
        name: _interval(measure(here), measure(drawn))
        for name, measure in (("macro_f1", confusions.macro_f1), ("accuracy", confusions.accuracy))
    }
    per_class = {
        name: _intervals(measure(here), measure(drawn))
        for name, measure in (
            ("f1", confusions.f1),
            ("precision", confusions.precision),
            ("recall", confusions.recall),
        )
    }
    support = here.sum(1).astype(int)
    people = [len(np.unique(weights.person[truth == c])) for c in range(len(names))]
    found["classes"] = [
        {"name": name, "photos": int(support[c]), "people": people[c]}
        | {key: per_class[key][c] for key in per_class}
        for c, name in enumerate(names)
    ]
    share = _matrices(_row_shares(here), _row_shares(drawn))
    found["confusion"] = _matrices(here, drawn) | {"share": share}
    return found


def _row_shares(confusion: Floats) -> Floats:
    total = confusion.sum(-1, keepdims=True)
    return np.divide(confusion, total, out=np.zeros_like(confusion), where=total > 0)


def _matrices(value: Floats, drawn: Floats) -> dict[str, Any]:
    low, high = _ends(value, drawn)
    return {"value": value.tolist(), "low": low.tolist(), "high": high.tolist()}


def _ends(value: Floats, drawn: Floats) -> tuple[Floats, Floats]:
    """The percentiles of the resamples, which people borrowed for small groups may draw to one
    side; the value itself always lies between the ends."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return np.minimum(low, value), np.maximum(high, value)


def _interval(value: Floats, drawn: Floats) -> dict[str, float]:
    low, high = _ends(value, drawn)
    return {"value": float(value), "low": float(low), "high": float(high)}


def _intervals(value: Floats, drawn: Floats) -> list[dict[str, float]]:
    return [_interval(value[c], drawn[:, c]) for c in range(len(value))]


def read_score(told: dict[str, float]) -> Score:
    """The Score in a `{"value", "low", "high"}` of metrics.json."""
    return Score(told["value"], told["low"], told["high"])
