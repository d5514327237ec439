"""Scores of a model on people whom it was not trained on, in all and by group."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.bundle import held_out
from maskgate.bundle.held_out import WORN, GroupScores, HeldOutScores, Measure
from maskgate.core import confusions, finite
from maskgate.core.progress import track
from maskgate.core.score import Score
from maskgate.data.contents import file_digest
from maskgate.data.table import Photos, origins
from maskgate.errors import MaskgateError, disk_error
from maskgate.evaluation import calibration, metrics, thresholds
from maskgate.evaluation.bootstrap import Floats, Resamples
from maskgate.inference.predictions import Predictions
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.results import Figure

_WEAR, _INCORRECT, _NOT_WEAR = range(len(labels.MASKS))
_RECALLS: Final[tuple[Measure, ...]] = ("wear_recall", "incorrect_recall", "not_wear_recall")
_ACCURACIES: Final[dict[str, Measure]] = {
    "mask": "mask_accuracy",
    "gender": "gender_accuracy",
    "age_band": "age_band_accuracy",
}
_CALIBRATION_ERRORS: Final[dict[str, Measure]] = {
    "mask": "mask_calibration_error",
    "gender": "gender_calibration_error",
    "age_band": "age_band_calibration_error",
}
_ACCEPTED: Final[dict[str, tuple[Measure, Measure]]] = {
    "mask": ("mask_accepted_error", "mask_another_look"),
    "gender": ("gender_accepted_error", "gender_another_look"),
    "age_band": ("age_band_accepted_error", "age_band_another_look"),
}


def scores(predictions: Predictions, table: pd.DataFrame) -> GroupScores:
    """The scores of predictions for the N photos of a photo table, one row each.

    A measure is left out where the labels do not allow it: macro F1 unless all 18 classes occur,
    balanced recall unless all mask states do, the share not called worn where any mask is worn, the
    error of the age unless both know it in years.
    All are left out of fewer people than `metrics.FEW`. Intervals are those of `metrics`; where a
    share is 0 or 1, so that all resamples may agree, they are at least those of Clopper and Pearson
    (Biometrika 1934) for as many people. Those of calibration errors are of `calibration`, those
    of answers above and below a threshold of `thresholds`. Raises MaskgateError where a probability
    is not finite.
    """
    finite.check(predictions.probabilities, "the probabilities to score")
    people = int(table["person"].nunique())
    if people < metrics.FEW:
        return GroupScores(photos=len(table), people=people)
    known = metrics.keep_labels(table, predictions.attributes)
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    drawn = _drawn_scores(predictions, known, weights)
    measures = {
        name: Figure.from_score(_at_least_exact(metrics.interval(*values), name, known))
        for name, values in drawn.items()
    }
    errors = calibration.errors(predictions.probabilities, known, weights)
    for name, error in errors.items():
        measures[_CALIBRATION_ERRORS[name]] = Figure.from_score(error)
    for name, lowest in predictions.thresholds.items():
        each = thresholds.answers(name, predictions.probabilities, known)
        if len(each.confidence):
            pair = thresholds.accepted_error(each, np.full(len(each.confidence), lowest))
            for measure, score in zip(_ACCEPTED[name], pair, strict=True):
                if score is not None:
                    measures[measure] = Figure.from_score(score)
    return GroupScores(photos=len(table), people=people, measures=measures)


def by_group(
    predictions: Predictions, table: pd.DataFrame, kinds: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, GroupScores]]:
    """The `scores` of each group of each of the `kinds`: the names of the photos' groups (N,),
    empty where a photo is in none. Groups keep the order in which they are sorted."""
    groups = [(kind, group) for kind, names in kinds.items() for group in sorted(set(names) - {""})]
    by_kind: dict[str, dict[str, GroupScores]] = {kind: {} for kind in kinds}
    for kind, group in track(groups, "scoring groups", len(groups)):
        rows = np.flatnonzero(np.asarray(kinds[kind], dtype=object) == group)
        part = table.iloc[rows].reset_index(drop=True)
        by_kind[kind][group] = scores(_take(predictions, rows), part)
    return by_kind


def incorrect_at_worn(
    mask: npt.NDArray[np.floating], truth: npt.NDArray[np.integer], weights: Resamples
) -> tuple[Floats, Floats]:
    """The recall of masks worn incorrectly () where that of masks worn is `WORN`, and in each
    resample (R,): one point of a ROC curve.

    `mask` (N, 3) are the probabilities. A mask counts as worn where that has at least a certain
    probability, the highest that confirms the share `WORN` of those worn; else the likelier of the
    other two states is predicted. The probability is chosen anew in each resample.
    """
    worn, incorrect = (np.flatnonzero(truth == code) for code in (_WEAR, _INCORRECT))
    worn = worn[np.argsort(-mask[worn, _WEAR], kind="stable")]
    is_likelier = mask[incorrect, _INCORRECT] >= mask[incorrect, _NOT_WEAR]

    def recall(of_worn: Floats, of_incorrect: Floats) -> Floats:
        confirmed = of_worn.cumsum(1)
        enough = (confirmed >= WORN * confirmed[:, -1:] - 1e-9).argmax(1)
        lowest = mask[worn, _WEAR][enough]
        is_right = is_likelier & (mask[incorrect, _WEAR] < lowest[:, None])
        return (of_incorrect * is_right).sum(1) / of_incorrect.sum(1)

    value = recall(np.ones((1, len(worn))), np.ones((1, len(incorrect))))[0]
    rows = np.concatenate([worn, incorrect])
    parts = [recall(part[:, : len(worn)], part[:, len(worn) :]) for part in weights.of_photos(rows)]
    return value, np.concatenate(parts)


def check_untrained(run: RunFolder, photos: Photos) -> None:
    """Raise MaskgateError where the networks of a run were trained on one of the photos, or on the
    photo that its mask was drawn on."""
    digests = set(origins(photos.table))
    names = photos.table["photo"]
    for name in track(names, "comparing with the training photos", len(names)):
        try:
            digests.add(file_digest(photos.root / name).hex())
        except OSError as error:
            raise disk_error(error, photos.root / name) from error
    for single in _single_runs(run):
        for fold in single.folds:
            if tables.training_digests(single, fold) & digests:
                raise MaskgateError(f"{run.path}: was trained on photos of {photos.root}")


def read_of_run(path: Path, run: RunFolder) -> HeldOutScores:
    """The scores in a file of `benchmarks/default_model.py`. Raises MaskgateError where it is
    damaged, or does not score this run."""
    scores = held_out.read(path)
    if scores.weights is None:
        raise MaskgateError(
            f"{path}: scores of a bundle, without the run that it was exported from; give that to"
            " benchmarks/default_model.py as --run"
        )
    if scores.weights != weights_digest(run):
        raise MaskgateError(f"{path}: scores of another run than {run.path}; score this one")
    return scores


def weights_digest(run: RunFolder) -> str:
    """A SHA-256 of the weights of all networks of a run, and of how a system combines them."""
    parts = [
        single.files.digest(single.weights_file(fold))
        for single in _single_runs(run)
        for fold in single.folds
    ]
    if run.is_system:
        system = run.system()
        weights = [member.weight for member in system.members]
        parts.append(repr((system.combine, system.adjust, weights)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _single_runs(run: RunFolder) -> list[RunFolder]:
    if not run.is_system:
        return [run]
    return [single for member in run.members() for single in _single_runs(member)]


def _drawn_scores(
    predictions: Predictions, table: pd.DataFrame, weights: Resamples
) -> dict[Measure, tuple[Floats, Floats]]:
    """Each measure that the labels of the table allow: its value (), and in the resamples (R,)."""
    measures: dict[Measure, tuple[Floats, Floats]] = {}
    probabilities = labels.marginals(predictions.probabilities)
    if set(table["label"]) >= set(range(labels.COUNT)):
        pair = _confusions(weights, "label", table, predictions.probabilities)
        measures["macro_f1"] = confusions.macro_f1(pair[0]), confusions.macro_f1(pair[1])
    for name, measure in _ACCURACIES.items():
        present = sorted(set(table[name]) - {labels.UNKNOWN})
        if not present:
            continue
        confusion, drawn = _confusions(weights, name, table, probabilities[name])
        measures[measure] = confusions.accuracy(confusion), confusions.accuracy(drawn)
        if name == "mask":
            recall, drawn_recall = confusions.recall(confusion), confusions.recall(drawn)
            measures |= {_RECALLS[code]: (recall[code], drawn_recall[:, code]) for code in present}
            if _WEAR not in present and labels.UNKNOWN not in set(table[name]):
                is_other = (probabilities[name].argmax(1) != _WEAR).astype(np.float64)
                measures["not_called_worn"] = is_other.mean(), weights.means(is_other)
            if len(present) == len(labels.MASKS):
                measures["balanced_recall"] = recall.mean(), drawn_recall.mean(1)
            if {_WEAR, _INCORRECT} <= set(present):
                truth = table["mask"].to_numpy()
                measures["incorrect_at_worn"] = incorrect_at_worn(
                    probabilities[name], truth, weights
                )
    if predictions.ages is not None:
        error = np.abs(predictions.ages - table["age"].to_numpy(dtype=np.float64))
        if np.isfinite(error).any():
            measures["age_error"] = np.nanmean(error), weights.means(error)
    return measures


def _at_least_exact(score: Score, name: Measure, table: pd.DataFrame) -> Score:
    """The score of a measure, with at least Clopper and Pearson's interval where it is 0 or 1."""
    if name in ("macro_f1", "age_error"):
        return score
    attribute = name.removesuffix("_accuracy")
    if name == "not_called_worn":
        people = table["person"].nunique()
    elif attribute in labels.ATTRIBUTES:
        people = table.loc[table[attribute] != labels.UNKNOWN, "person"].nunique()
    else:  # of the state whose recall it is, or of the rarest one
        codes = [_INCORRECT] if name == "incorrect_at_worn" else list(range(len(labels.MASKS)))
        codes = [_RECALLS.index(name)] if name in _RECALLS else codes
        people = min(table.loc[table["mask"] == code, "person"].nunique() for code in codes)
    return metrics.at_least_exact(score, people)


def _confusions(
    weights: Resamples, name: str, table: pd.DataFrame, probabilities: npt.NDArray[np.floating]
) -> tuple[Floats, Floats]:
    """The confusion (C, C) of an attribute or of `label`, and those in the resamples (R, C, C)."""
    truth, predicted = table[name].to_numpy(), probabilities.argmax(1)
    confusion = confusions.confusion(truth, predicted, probabilities.shape[1])
    return confusion, weights.confusions(name, truth, predicted)


def _take(predictions: Predictions, rows: npt.NDArray[np.integer]) -> Predictions:
    """Some rows of predictions."""
    ages = None if predictions.ages is None else predictions.ages[rows]
    names = [predictions.photos[row] for row in rows]
    return Predictions(
        names,
        predictions.probabilities[rows],
        predictions.attributes,
        ages=ages,
        thresholds=predictions.thresholds,
    )
