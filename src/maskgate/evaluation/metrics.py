"""Scores with intervals, from probabilities (N, 18) and a photo table.

Macro F1 is the unweighted mean of the F1 of every class, absent ones counting 0, as the
competition scored it. Intervals are 95% percentile intervals of a bootstrap over people, see
`bootstrap`.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import confusions, finite
from maskgate.core.score import Score
from maskgate.evaluation import bootstrap, calibration
from maskgate.evaluation.bootstrap import Floats, Resamples
from maskgate.runs.records.results import Figure

RESAMPLES: Final = 1000
LEVEL: Final = bootstrap.LEVEL
FEW: Final = 10  # people: of fewer a bootstrap gives too narrow an interval
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
    class; a `calibration` is the error and bins of `evaluation.calibration`. What is not known is
    left out: `attributes` holds only those that have labels, and without a fully labelled photo
    there is no `macro_f1`. `score` is the main score, which `score_of` names: macro F1 over the 18
    classes, else the mean macro F1 of the attributes that have labels. Raises MaskgateError where
    a probability is not finite.
    """
    finite.check(probabilities, "the probabilities to score")
    weights = Resamples(table, resamples, seed)
    table = keep_labels(table, attributes)
    report: dict[str, Any] = {
        "photos": len(table),
        "people": weights.people,
        "fully_labelled": int((table["label"] != labels.UNKNOWN).sum()),
        "interval": f"{LEVEL:.0%} Bayesian bootstrap over people, {resamples} resamples",
    }
    parts = labels.marginals(probabilities)
    report["attributes"] = {
        name: _scores(weights, name, table, parts[name].argmax(1))
        | {"calibration": reliability(weights, table[name].to_numpy(), parts[name])}
        for name, values in labels.ATTRIBUTES.items()
        if (table[name] != labels.UNKNOWN).any()
    }
    if report["fully_labelled"]:
        report |= _scores(weights, "label", table, probabilities.argmax(1))
        return report | {"score": report["macro_f1"], "score_of": main_score_name(table)}
    score = _interval(*main_score(probabilities, table, weights))
    return report | {"score": score, "score_of": main_score_name(table)}


def main_score_name(table: pd.DataFrame) -> str:
    """What `main_score` is for photos with the labels of this table, in words."""
    if (table["label"] != labels.UNKNOWN).any():
        return ALL_CLASSES
    known = [name for name in labels.ATTRIBUTES if (table[name] != labels.UNKNOWN).any()]
    return f"macro F1, mean of {', '.join(known)}".replace("_", " ")


def paired_comparison(
    probabilities: npt.NDArray[np.floating],
    other: npt.NDArray[np.floating],
    table: pd.DataFrame,
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> dict[str, Any]:
    """The `score` of `other` (N, 18), as in `evaluate`, and the `difference`: the score of
    `probabilities` less that of `other`, on the same resamples of people."""
    weights = Resamples(table, RESAMPLES, seed=0)
    table = keep_labels(table, attributes)
    score, drawn = main_score(probabilities, table, weights)
    other_score, other_drawn = main_score(other, table, weights)
    return {
        "score": _interval(other_score, other_drawn),
        "difference": _interval(score - other_score, drawn - other_drawn),
    }


def main_score(
    probabilities: npt.NDArray[np.floating], table: pd.DataFrame, weights: Resamples
) -> tuple[Floats, Floats]:
    """The main score on all people () and in each resample (R,): macro F1 over the 18 classes, or
    where no photo has all labels the mean macro F1 of the attributes that have some.

    `table` has only the labels that the model predicts, see `keep_labels`. For a difference of two
    scores, give the differences of both to `interval`. Raises MaskgateError where a probability is
    not finite.
    """
    finite.check(probabilities, "the probabilities to score")
    parts = {"label": probabilities}
    if not (table["label"] != labels.UNKNOWN).any():
        parts = labels.marginals(probabilities)
    scored = [
        macro_f1(name, table, part, weights)
        for name, part in parts.items()
        if (table[name] != labels.UNKNOWN).any()
    ]
    scores, drawn = zip(*scored, strict=True)
    return np.mean(scores, axis=0), np.mean(drawn, axis=0)


def macro_f1(
    name: str, table: pd.DataFrame, probabilities: npt.NDArray[np.floating], weights: Resamples
) -> tuple[Floats, Floats]:
    """Macro F1 of an attribute, or of `label`, from the probabilities (N, values) of its values: on
    all people () and in each resample (R,)."""
    truth, predicted = table[name].to_numpy(), probabilities.argmax(1)
    confusion = confusions.confusion(truth, predicted, probabilities.shape[1])
    drawn = weights.confusions(name, truth, predicted)
    return confusions.macro_f1(confusion), confusions.macro_f1(drawn)


def interval(value: Floats, drawn: Floats) -> Score:
    """A value and the 95% interval of its resamples (R,)."""
    return read_score(_interval(value, drawn))


def at_least_exact(score: Score, people: int) -> Score:
    """A share of `people` with at least the interval of Clopper and Pearson (Biometrika 1934) where
    it is 0 or 1, so that all resamples agree."""
    possible = float(((1 - LEVEL) / 2) ** (1 / people))
    if score.value == 1:
        return replace(score, low=min(score.low, possible))
    return replace(score, high=max(score.high, 1 - possible)) if score.value == 0 else score


def subset_scores(
    probabilities: npt.NDArray[np.floating],
    table: pd.DataFrame,
    subset: npt.NDArray[np.bool_],
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> dict[str, Any]:
    """The scores of the photos in `subset` (N,) alone, as in `evaluate`: `photos`, `people`,
    `score`, `score_of` and the `accuracy` of each attribute. Only the counts where no label is
    known, or there are fewer than FEW people: too few for an interval.

    As in every macro F1, classes that no photo of the subset has count 0.
    """
    counts: dict[str, Any] = {
        "photos": int(subset.sum()),
        "people": int(table.loc[subset, "person"].nunique()),
    }
    known = keep_labels(table, attributes).loc[subset, list(labels.ATTRIBUTES)] != labels.UNKNOWN
    if counts["people"] < FEW or not known.to_numpy().any():
        return counts
    rows = table[subset].reset_index(drop=True)
    scores = evaluate(probabilities[subset], rows, attributes=attributes)
    accuracy = {name: each["accuracy"] for name, each in scores["attributes"].items()}
    main = {"score": scores["score"], "score_of": scores["score_of"]}
    return counts | main | {"accuracy": accuracy}


def by_face(
    probabilities: npt.NDArray[np.floating],
    table: pd.DataFrame,
    has_face: npt.NDArray[np.bool_],
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> dict[str, Any]:
    """Scores of the photos in which a face was found (`has_face`, (N,)), and of the others, as in
    `subset_scores`."""
    return {
        "found": subset_scores(probabilities, table, has_face, attributes),
        "missed": subset_scores(probabilities, table, ~has_face, attributes),
    }


def keep_labels(table: pd.DataFrame, attributes: Collection[str]) -> pd.DataFrame:
    """The table with the labels of these attributes alone: all others are UNKNOWN."""
    hidden = {name: np.int8(labels.UNKNOWN) for name in labels.ATTRIBUTES if name not in attributes}
    return table.assign(**hidden, label=np.int8(labels.UNKNOWN)) if hidden else table


def _scores(
    weights: Resamples, of: str, table: pd.DataFrame, predicted: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Scores of the predicted codes (N,) of an attribute, or of `label`."""
    truth, names = table[of].to_numpy(), labels.ATTRIBUTES.get(of, labels.CLASSES)
    confusion = confusions.confusion(truth, predicted, len(names))
    drawn = weights.confusions(of, truth, predicted)
    scores: dict[str, Any] = {
        name: _interval(measure(confusion), measure(drawn))
        for name, measure in (("macro_f1", confusions.macro_f1), ("accuracy", confusions.accuracy))
    }
    per_class = {
        name: _intervals(measure(confusion), measure(drawn))
        for name, measure in (
            ("f1", confusions.f1),
            ("precision", confusions.precision),
            ("recall", confusions.recall),
        )
    }
    support = confusion.sum(1).astype(int)
    people = [len(np.unique(weights.person[truth == c])) for c in range(len(names))]
    scores["classes"] = [
        {"name": name, "photos": int(support[c]), "people": people[c]}
        | {key: per_class[key][c] for key in per_class}
        for c, name in enumerate(names)
    ]
    share = _matrices(_row_shares(confusion), _row_shares(drawn))
    scores["confusion"] = _matrices(confusion, drawn) | {"share": share}
    return scores


def reliability(
    weights: Resamples, truth: npt.NDArray[np.integer], probabilities: npt.NDArray[np.floating]
) -> dict[str, Any]:
    """The expected calibration `error` of the probabilities (N, values) of an attribute with codes
    (N,), and the `bins` of its reliability diagram, ready for JSON."""
    diagram = calibration.reliability(truth, probabilities, weights)
    bins = zip(diagram.photos, diagram.confidence, diagram.accuracy, diagram.drawn.T, strict=True)
    return {
        "error": Figure.from_score(diagram.error).model_dump(),
        "bins": [
            {
                "photos": int(photos),
                "confidence": float(confidence),
                "accuracy": _interval(accuracy, drawn),
            }
            for photos, confidence, accuracy, drawn in bins
        ],
    }


def _row_shares(confusion: Floats) -> Floats:
    total = confusion.sum(-1, keepdims=True)
    return np.divide(confusion, total, out=np.zeros_like(confusion), where=total > 0)


def _matrices(value: Floats, drawn: Floats) -> dict[str, Any]:
    low, high = _ends(value, drawn)
    return {"value": value.tolist(), "low": low.tolist(), "high": high.tolist()}


def _ends(value: Floats, drawn: Floats) -> tuple[Floats, Floats]:
    """The percentiles of the resamples. People borrowed for small groups may shift them, so the
    interval is widened to include the value itself."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return np.minimum(low, value), np.maximum(high, value)


def _interval(value: Floats, drawn: Floats) -> dict[str, float]:
    low, high = _ends(value, drawn)
    return {"value": float(value), "low": float(low), "high": float(high)}


def _intervals(value: Floats, drawn: Floats) -> list[dict[str, float]]:
    return [_interval(value[c], drawn[:, c]) for c in range(len(value))]


def read_score(figure: dict[str, float]) -> Score:
    """The Score in a `{"value", "low", "high"}` of metrics.json."""
    return Score(figure["value"], figure["low"], figure["high"])
