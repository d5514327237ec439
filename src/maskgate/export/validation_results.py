"""Validation results for a bundle: scores, accuracies by group, and statistics of the validation
photos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.bundle import drift_measures
from maskgate.bundle.manifest import Calibration, Distribution
from maskgate.core.progress import say, track
from maskgate.ensemble.calibration import calibrate
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics, validation_photos
from maskgate.export.models import ModelRun
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.results import known_attributes

_BATCH: Final = 256


def scores(run: RunFolder) -> dict[str, Any]:
    """`scores` as the run's metrics.json holds them, and `groups`: the accuracies of each mask
    state, gender and age band, and of both genders of each band. Nothing of a run without
    validation people."""
    results = run.metrics()
    if not results.validated:
        return {}
    attributes = known_attributes(results)
    table, probabilities = tables.oof(run)

    def subset(rows: npt.NDArray[np.bool_]) -> dict[str, Any]:
        scores = metrics.subset_scores(probabilities, table, rows, attributes)
        # No macro F1 over classes that cannot occur in the group.
        return {key: scores[key] for key in ("photos", "people", "accuracy") if key in scores}

    groups: dict[str, Any] = {}
    for name, values in labels.ATTRIBUTES.items():
        for code, value in enumerate(values):
            rows = (table[name] == code).to_numpy()
            groups[f"{name}: {value}"] = subset(rows)
    for gender, band in np.ndindex(len(labels.GENDERS), len(labels.AGE_BANDS)):
        rows = ((table["gender"] == gender) & (table["age_band"] == band)).to_numpy()
        title = f"{labels.GENDERS[gender]}, {labels.AGE_BANDS[band]}"
        groups[title] = subset(rows)
    return {"scores": results, "groups": groups}


def statistics(
    run: RunFolder,
    models: Sequence[ModelRun],
    root: Path | None,
    cache: Path,
    calibration: Calibration | None = None,
) -> dict[str, dict[str, Distribution]]:
    """`reference`: how the measures of `bundle.drift_measures` are distributed over the validation
    photos, as the first of the `models` sees them, with the run's out-of-fold confidence, after the
    `calibration` of its bundle.

    Nothing, and a warning, where the photos are gone from the run's data folder. Raises
    MaskgateError where they are not in a `root` that is given.
    """
    results = run.metrics()
    if not results.validated:
        say(f"warning: {run.path} has no validation people, so the bundle has no scores")
        return {}
    attributes = known_attributes(results)
    table, probabilities = tables.oof(run)
    if calibration is not None:
        learned = {"temperatures": calibration.temperatures}
        probabilities = calibrate(probabilities, (), learned).astype(np.float32)
    try:
        photos = validation_photos.read(models[0].run, cache, table, root)
    except MaskgateError as error:
        if root is not None:
            raise
        say(f"warning: no reference statistics, so drift cannot be detected: {error}")
        return {}
    rows = []
    batches = [np.arange(len(table))[at : at + _BATCH] for at in range(0, len(table), _BATCH)]
    for batch in track(batches, "measuring photos", len(table), size=_BATCH):
        for row, picture in zip(batch, photos.inputs(batch), strict=True):
            face = {} if photos.faces is None else drift_measures.of_face(photos.faces[row])
            confidence = drift_measures.of_probabilities(probabilities[row], attributes)
            rows.append(drift_measures.of_picture(picture) | face | confidence)
    return {"reference": drift_measures.distributions(rows)}
