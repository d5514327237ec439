"""The competition's answer file: `ImageID,ans`, in the row order of `info.csv`."""

from pathlib import Path

from maskgate import files, labels, predict
from maskgate.data import layouts
from maskgate.errors import MaskgateError, listed


def submit(model: Path, data: Path, out: Path, cache: Path | None = None) -> int:
    """Predict every photo of `info.csv` and write `out`; the number of rows.

    Each photo is predicted by itself. Raises MaskgateError that names all unreadable photos;
    then nothing is written.
    """
    files.check_target(out)
    images, rows = layouts.read_eval(data)
    predictor = predict.load(model, cache)
    if missing := [name for name in labels.ATTRIBUTES if name not in predictor.knows]:
        told = listed(missing).replace("_", " ")
        raise MaskgateError(
            f"{model}: knows nothing of {told}; give a run that knows all, or a system's"
        )
    probabilities, faults = predictor.probabilities([images / name for name in rows["ImageID"]])
    if faults:
        told = listed([f"{rows['ImageID'].iloc[row]} ({why})" for row, why in faults.items()])
        raise MaskgateError(
            f"{images}: {len(faults)} of {len(rows)} photos cannot be read: {told}; mend them,"
            " for a submission needs an answer to each"
        )
    answers = rows[["ImageID"]].assign(ans=probabilities.argmax(1))
    files.replace(out, lambda beside: answers.to_csv(beside, index=False))
    return len(answers)
