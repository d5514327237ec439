"""The photos a run got wrong, the most confidently wrong first.

A photo is a mistake where an attribute it knows was predicted otherwise. It ranks by the
probability its truth was given, lowest first: the sum over all classes that agree with what
is known, so that partial labels need no rule of their own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from maskgate import labels
from maskgate.core import files
from maskgate.data import contents
from maskgate.imaging import pixels
from maskgate.reports import pages

SHOWN: Final = 24
OF_ONE_PERSON: Final = 2  # so that one mislabelled person does not fill the page
_SIDE: Final = 240  # pixels of a picture on the page


def find(table: pd.DataFrame, probabilities: npt.NDArray[np.floating]) -> pd.DataFrame:
    """The mistakes among a photo table's rows with probabilities (N, 18), worst first.

    Columns: `photo`, `person`, `fold`; of each attribute in words the truth as `true_<name>`
    (empty where unknown) and what was predicted as `<name>`; `probability` of the prediction
    and `true_probability` of the truth, both of the attributes known taken together.
    """
    truth = {name: table[name].to_numpy() for name in labels.ATTRIBUTES}
    predicted = {name: part.argmax(1) for name, part in labels.marginals(probabilities).items()}
    # What was predicted of the attributes known: the answer that can be right or wrong.
    answer = {
        name: np.where(truth[name] == labels.UNKNOWN, labels.UNKNOWN, predicted[name])
        for name in truth
    }
    columns: dict[str, Any] = {name: table[name] for name in ("photo", "person", "fold")}
    for name in truth:
        columns[f"true_{name}"] = _words(name, truth[name])
        columns[name] = _words(name, predicted[name])
    columns["probability"] = _agreeing(probabilities, answer)
    columns["true_probability"] = _agreeing(probabilities, truth)
    wrong = np.logical_or.reduce([truth[name] != answer[name] for name in truth])
    found = pd.DataFrame(columns)[wrong]
    order = ["true_probability", "probability", "photo"]
    return found.sort_values(order, ascending=[True, False, True], ignore_index=True)


def _words(name: str, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.str_]:
    return np.array([*labels.ATTRIBUTES[name], ""])[codes]  # UNKNOWN, -1, is the last


def _agreeing(
    probabilities: npt.NDArray[np.floating], codes: dict[str, npt.NDArray[np.integer]]
) -> npt.NDArray[np.float64]:
    """Summed probability (N,) of the classes that agree with the codes known."""
    agreeing = labels.agrees(*(codes[name].astype(np.int8) for name in labels.ATTRIBUTES))
    return (probabilities.astype(np.float64) * agreeing).sum(1).clip(max=1)


def write(path: Path, mistakes: pd.DataFrame) -> None:
    """All mistakes as CSV."""
    files.replace_text(path, mistakes.to_csv(index=False, float_format="%.6g"))


def worst(mistakes: pd.DataFrame) -> pd.DataFrame:
    """The first SHOWN of them with no more than OF_ONE_PERSON of one person."""
    return mistakes.groupby("person", sort=False).head(OF_ONE_PERSON).head(SHOWN)


def cards(
    shown: pd.DataFrame, root: Path | None, digests: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """What the page shows of each mistake, and a reason for each photo in `root` it cannot show.

    Without a `root` no photo is read; `picture` is empty where there is none. Only a photo whose
    content has the digest (hex) that the run tells of it is shown: in a run from elsewhere, `root`
    may be a folder of the user's, and the photos in it none of the run's business.
    """
    made, faults = [], []
    for values in shown.itertuples(index=False):
        row: dict[str, Any] = dict(zip(shown.columns, values, strict=True))
        picture = ""
        if root is not None:
            try:
                photo = _photo(root / row["photo"], digests.get(row["photo"]))
                picture = pages.picture(photo, _SIDE)
            except pixels.PhotoError as error:
                faults.append(f"{root / row['photo']}: {error}")
        made.append(row | {"picture": picture, "file": Path(row["photo"]).name})
    return made, faults


def _photo(path: Path, digest: str | None) -> Image.Image:
    """The photo of that content. Raises PhotoError, in the same words where there is no file, so
    that no page tells which files there are."""
    try:
        same = path.is_file() and contents.file_digest(path).hex() == digest
    except OSError:
        same = False
    if not same:
        raise pixels.PhotoError("no such file, or not the photo that the run was trained on")
    return pixels.decode(path)
