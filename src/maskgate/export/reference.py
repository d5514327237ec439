"""What a bundle tells of its model's validation: scores, scores by group, and what the validation
photos are like."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from maskgate import labels
from maskgate.bundle import measures
from maskgate.bundle.manifest import Distribution
from maskgate.core.progress import say, track
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics, validation_photos
from maskgate.export.models import ModelRun
from maskgate.runs import Run, tables
from maskgate.runs.records.results import known_attributes

_BATCH: Final = 256


def scores(run: Run) -> dict[str, Any]:
    """`scores` as the run's metrics.json holds them, and `groups`: the same of the photos of each
    mask state, gender and age band, and of both genders of each band. Nothing of a run that
    validated nobody."""
    results = run.metrics()
    if not results.validated:
        return {}
    attributes = known_attributes(results)
    table, probabilities = tables.oof(run)
    groups: dict[str, Any] = {}
    for name, values in labels.ATTRIBUTES.items():
        for code, value in enumerate(values):
            rows = (table[name] == code).to_numpy()
            groups[f"{name}: {value}"] = metrics.subset_scores(
                probabilities, table, rows, attributes
            )
    for gender, band in np.ndindex(len(labels.GENDERS), len(labels.AGE_BANDS)):
        rows = ((table["gender"] == gender) & (table["age_band"] == band)).to_numpy()
        title = f"{labels.GENDERS[gender]}, {labels.AGE_BANDS[band]}"
        groups[title] = metrics.subset_scores(probabilities, table, rows, attributes)
    return {"scores": results, "groups": groups}


def statistics(
    run: Run, models: Sequence[ModelRun], root: Path | None, cache: Path
) -> dict[str, dict[str, Distribution]]:
    """`reference`: how the measures of `bundle.measures` are distributed over the validation
    photos, as the first of the `models` sees them, with the run's out-of-fold confidence.

    Nothing, and a warning, where the photos are gone from the run's data folder or `root`.
    """
    results = run.metrics()
    if not results.validated:
        say(f"warning: {run.path} validated nobody, so the bundle has no scores and no reference")
        return {}
    attributes = known_attributes(results)
    table, probabilities = tables.oof(run)
    try:
        photos = validation_photos.read(models[0].run, cache, table, root)
    except MaskgateError as error:
        say(f"warning: the bundle has no reference statistics, which drift is noticed by: {error}")
        return {}
    rows = []
    batches = [np.arange(len(table))[at : at + _BATCH] for at in range(0, len(table), _BATCH)]
    for batch in track(batches, f"measuring photos (× {_BATCH})", len(batches)):
        for row, picture in zip(batch, photos.inputs(batch), strict=True):
            face = {} if photos.faces is None else measures.of_face(photos.faces[row])
            confidence = measures.of_probabilities(probabilities[row], attributes)
            rows.append(measures.of_picture(picture) | face | confidence)
    return {"reference": measures.distributions(rows)}
