"""The outside opinion of a model: a bundle or a run that never saw the people."""

import hashlib
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.core import default_model, files
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.evaluation import held_out
from maskgate.inference import loading
from maskgate.inference.resume_cache import ResumeCache
from maskgate.label_errors.evidence import Evidence, of_classes
from maskgate.runs import is_bundle, open_run

Numbers = npt.NDArray[np.floating]


def of_model(path: Path, photos: Photos, cache: Path, trust: bool = False) -> Evidence:
    """What the model at `path`, a bundle or a run, predicts for the N `photos`, whose table has a
    `digest`. Predictions are kept in the folder `cache`.

    Raises MaskgateError where a run was trained on one of the photos: it would repeat their labels.
    """
    if not is_bundle(path):
        try:
            held_out.check_untrained(open_run(path, trust=trust), photos)
        except MaskgateError as error:
            raise MaskgateError(
                f"{error}, so it repeats their labels; give a model that never saw them"
            ) from error
    predictor = loading.load(path, cache, trust=trust)
    table = photos.table
    settings = [predictor.digest, *table["digest"]]
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
    kept = cache / f"opinion-{key}.npz"
    arrays: tuple[Numbers, Numbers] | None = _kept(kept, len(table))
    if arrays is None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        resume = ResumeCache(kept, key)
        paths = [photos.root / name for name in table["photo"]]
        predictions = predictor.predict(paths, cache=resume)
        ages = predictions.ages
        if ages is None:
            ages = np.full(len(table), np.nan, dtype=np.float32)
        arrays = predictions.probabilities, ages
        _keep(kept, predictions.probabilities, ages)
        resume.delete()
    probabilities, ages = arrays
    name = "the default model" if path == default_model.FOLDER else path.name
    return of_classes(name, probabilities, [*predictor.attributes], ages)


def _keep(path: Path, probabilities: Numbers, ages: Numbers) -> None:
    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:  # to a path, NumPy adds a suffix
            np.savez(file, probabilities=probabilities, ages=ages)

    files.replace(path, save)


def _kept(path: Path, count: int) -> tuple[Numbers, Numbers] | None:
    """The kept probabilities (N, 18) and ages (N,); None where the file is missing or damaged."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            probabilities, ages = file["probabilities"], file["ages"]
    except Exception:  # of damaged content, NumPy and zipfile raise what they like
        return None
    shapes = probabilities.shape, ages.shape
    return (probabilities, ages) if shapes == ((count, labels.COUNT), (count,)) else None
