"""The competition's submission file: `ImageID,ans`, in the order of `info.csv` or of names."""

import csv
import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskgate import labels
from maskgate.core import files
from maskgate.data import eval_table
from maskgate.errors import MaskgateError, listed
from maskgate.inference.predictor import Predictor
from maskgate.inference.resume_cache import ResumeCache


@dataclass(frozen=True)
class SubmissionSummary:
    """The rows written, the speed on photos that were not in the cache (with reading; 0 where all
    were), and the number of networks."""

    rows: int
    photos_per_second: float
    networks: int

    def __str__(self) -> str:
        networks = f"{self.networks} network{'' if self.networks == 1 else 's'}"
        speed = f"{self.photos_per_second:.3g} photos/s" if self.photos_per_second else "all kept"
        return f"{self.rows} rows, {speed} with {networks}"


def submit(
    predictor: Predictor, model: str, data: Path | Sequence[Path], out: Path
) -> SubmissionSummary:
    """Predict the photos that `eval_table.find` gives for `data`, such as a folder with an
    `info.csv`, and write `out`.

    `model` is the predictor's name in messages. Raises MaskgateError that names all unreadable
    photos; then nothing is written.
    """
    files.check_target(out)
    tests = eval_table.find([data] if isinstance(data, Path) else data)
    if missing := [name for name in labels.ATTRIBUTES if name not in predictor.attributes]:
        names = listed(missing).replace("_", " ")
        raise MaskgateError(
            f"{model}: does not predict {names}; give a run that predicts all three attributes, or"
            " add runs that predict the missing ones"
        )
    began = time.perf_counter()
    cache = ResumeCache(out, predictor.digest)
    photos = [tests.folder / name for name in tests.photos]
    probabilities, faults = predictor.probabilities(photos, cache)
    seconds = time.perf_counter() - began
    if faults:
        unreadable = [f"{tests.image_ids[row]} ({reason})" for row, reason in faults.items()]
        raise MaskgateError(
            f"{tests.folder}: {len(faults)} of {len(photos)} photos cannot be read:"
            f" {listed(unreadable)}; fix them: a submission needs a prediction for each"
        )
    files.replace_text(out, _csv(tests.image_ids, probabilities.argmax(1).tolist()))
    cache.delete()
    predicted = len(photos) - cache.reused
    return SubmissionSummary(len(photos), predicted / max(seconds, 1e-9), predictor.count)


def _csv(image_ids: Iterable[str], classes: Iterable[int]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ImageID", "ans"])
    writer.writerows(zip(image_ids, classes, strict=True))
    return text.getvalue()
