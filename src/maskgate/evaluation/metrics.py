"""Scores with intervals, from probabilities (N, 18) and a photo table.

Macro F1 is the unweighted mean of the F1 of every class, absent ones counting 0, as the
competition scored it. Intervals are 95% percentile intervals of a bootstrap over people, see
`bootstrap`. Where a share is 0 or 1, all resamples may agree; then its interval is at least that of
Clopper and Pearson (Biometrika 1934) for as many people.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import confusions, finite
from maskgate.core.score import Score
from maskgate.evaluation import bootstrap, calibration
from maskgate.evaluation.bootstrap import Codes, Floats, Resamples
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
    marginals = labels.marginals(probabilities)
    report["attributes"] = {
        name: _scores(weights, name, table, marginals[name].argmax(1))
        | {"calibration": reliability(weights, table[name].to_numpy(), marginals[name])}
        for name, values in labels.ATTRIBUTES.items()
        if (table[name] != labels.UNKNOWN).any()
    }
    if report["fully_labelled"]:
        report |= _scores(weights, "label", table, probabilities.argmax(1))
        return report | {"score": report["macro_f1"], "score_of": main_score_name(table)}
    parts = [each["macro_f1"] for each in report["attributes"].values()]
    score = _mean_interval(_interval(*main_score(probabilities, table, weights)), parts)
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
    """A share of `people` with at least the interval of Clopper and Pearson where it is 0 or 1."""
    low, high = _at_least_exact(score.value, score.low, score.high, people)
    return replace(score, low=float(low), high=float(high))


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
    known = truth != labels.UNKNOWN
    person = weights.person[known]
    people = _people(person, truth[known], len(names))
    people_predicted = _people(person, predicted[known], len(names))
    per_class = {
        name: _intervals(measure(confusion), measure(drawn), shown_by)
        for name, measure, shown_by in (
            ("f1", confusions.f1, people),
            ("precision", confusions.precision, people_predicted),
            ("recall", confusions.recall, people),
        )
    }
    all_people = len(np.unique(person))
    macro_f1 = _interval(confusions.macro_f1(confusion), confusions.macro_f1(drawn))
    scores: dict[str, Any] = {
        "macro_f1": _mean_interval(macro_f1, per_class["f1"]),
        "accuracy": _interval(
            confusions.accuracy(confusion), confusions.accuracy(drawn), all_people
        ),
    }
    support = confusion.sum(1).astype(int)
    scores["classes"] = [
        {"name": name, "photos": int(support[c]), "people": int(people[c])}
        | {key: per_class[key][c] for key in per_class}
        for c, name in enumerate(names)
    ]
    share = _matrices(_row_shares(confusion), _row_shares(drawn), people[:, None])
    scores["confusion"] = _matrices(confusion, drawn) | {"share": share}
    return scores


def _people(person: Codes, codes: Codes, count: int) -> Codes:
    """How many people have photos of each code (count,), from the person and code of photos."""
    pairs = np.unique(np.stack([codes.astype(np.int64), person]), axis=1)
    return np.bincount(pairs[0], minlength=count)


def reliability(
    weights: Resamples, truth: npt.NDArray[np.integer], probabilities: npt.NDArray[np.floating]
) -> dict[str, Any]:
    """The expected calibration `error` of the probabilities (N, values) of an attribute with codes
    (N,), and the `bins` of its reliability diagram, ready for JSON."""
    diagram = calibration.reliability(truth, probabilities, weights)
    bins = zip(
        diagram.photos,
        diagram.confidence,
        diagram.accuracy,
        diagram.drawn.T,
        diagram.people,
        strict=True,
    )
    return {
        "error": Figure.from_score(diagram.error).model_dump(),
        "bins": [
            {
                "photos": int(photos),
                "confidence": float(confidence),
                "accuracy": _interval(accuracy, drawn, people),
            }
            for photos, confidence, accuracy, drawn, people in bins
        ],
    }


def _row_shares(confusion: Floats) -> Floats:
    total = confusion.sum(-1, keepdims=True)
    return np.divide(confusion, total, out=np.zeros_like(confusion), where=total > 0)


def _matrices(value: Floats, drawn: Floats, people: npt.ArrayLike = 0) -> dict[str, Any]:
    low, high = _ends(value, drawn, people)
    return {"value": value.tolist(), "low": low.tolist(), "high": high.tolist()}


def _ends(value: Floats, drawn: Floats, people: npt.ArrayLike = 0) -> tuple[Floats, Floats]:
    """The percentiles of the resamples. People borrowed for small groups may shift them, so the
    interval is widened to include the value itself. Of shares, give the number of `people`."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return _at_least_exact(value, np.minimum(low, value), np.maximum(high, value), people)


def _at_least_exact(
    value: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, people: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """The ends as in `at_least_exact`, of many shares at once; they stay where there are no
    people."""
    count = np.asarray(people, np.float64)
    possible = np.where(count > 0, ((1 - LEVEL) / 2) ** (1 / np.maximum(count, 1)), 1.0)
    return (
        np.where(np.equal(value, 1), np.minimum(low, possible), low),
        np.where(np.equal(value, 0), np.maximum(high, 1 - possible), high),
    )


def _interval(value: Floats, drawn: Floats, people: int = 0) -> dict[str, float]:
    low, high = _ends(value, drawn, people)
    return {"value": float(value), "low": float(low), "high": float(high)}


def _intervals(value: Floats, drawn: Floats, people: Codes) -> list[dict[str, float]]:
    return [_interval(value[c], drawn[:, c], people[c]) for c in range(len(value))]


def _mean_interval(mean: dict[str, float], parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """The interval of a mean of these parts. If all are 0 or all are 1, no resample tells how sure
    that is, and its ends are the means of theirs, which is wider than it need be."""
    if mean["value"] not in (0, 1) or not parts:
        return mean
    return mean | {end: float(np.mean([each[end] for each in parts])) for end in ("low", "high")}


def read_score(figure: dict[str, float]) -> Score:
    """The Score in a `{"value", "low", "high"}` of metrics.json."""
    return Score(figure["value"], figure["low"], figure["high"])
