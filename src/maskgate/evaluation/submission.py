"""The competition's answer file: `ImageID,ans`, in the row order of `info.csv`."""

import time
from dataclasses import dataclass
from pathlib import Path

from maskgate import labels
from maskgate.core import files
from maskgate.data import layouts
from maskgate.errors import MaskgateError, listed
from maskgate.inference.predictor import Predictor
from maskgate.inference.resume_cache import ResumeCache


@dataclass(frozen=True)
class Submitted:
    """How many rows were written, how many networks answered, and how fast those photos that were
    not answered before, reading them included; 0 where all were."""

    rows: int
    photos_per_second: float
    networks: int

    def __str__(self) -> str:
        networks = f"{self.networks} network{'' if self.networks == 1 else 's'}"
        speed = f"{self.photos_per_second:.3g} photos/s" if self.photos_per_second else "all kept"
        return f"{self.rows} rows, {speed} with {networks}"


def submit(predictor: Predictor, model: str, data: Path, out: Path) -> Submitted:
    """Answer every photo of `info.csv`, each by itself, and write `out`.

    `model` is what messages call the predictor. Raises MaskgateError that names all unreadable
    photos; then nothing is written.
    """
    files.check_target(out)
    images, rows = layouts.read_eval(data)
    if missing := [name for name in labels.ATTRIBUTES if name not in predictor.attributes]:
        told = listed(missing).replace("_", " ")
        raise MaskgateError(
            f"{model}: knows nothing of {told}; give a run that knows all, a system's, or runs that"
            " know the rest beside it"
        )
    began = time.perf_counter()
    cache = ResumeCache(out, predictor.digest)
    photos = [images / name for name in rows["photo"]]
    probabilities, faults = predictor.probabilities(photos, cache)
    seconds = time.perf_counter() - began
    if faults:
        told = listed([f"{rows['ImageID'].iloc[row]} ({why})" for row, why in faults.items()])
        raise MaskgateError(
            f"{images}: {len(faults)} of {len(rows)} photos cannot be read: {told}; mend them,"
            " for a submission needs an answer to each"
        )
    answers = rows[["ImageID"]].assign(ans=probabilities.argmax(1))
    files.replace(out, lambda beside: answers.to_csv(beside, index=False))
    cache.forget()
    made = len(answers) - cache.found
    return Submitted(len(answers), made / max(seconds, 1e-9), predictor.count)
