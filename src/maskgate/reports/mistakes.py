"""The photos that a run predicted wrongly, the worst first.

A photo is a mistake if a labelled attribute was predicted differently. Mistakes are ranked by the
probability of the correct answer, lowest first. It is summed over all classes that agree with the
known labels, which also covers partial labels.
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
from maskgate.core.progress import say, track
from maskgate.data import contents, layouts
from maskgate.data.label_map import NO_MAP, of_settings
from maskgate.imaging import pixels
from maskgate.reports import pages
from maskgate.runs import RunFolder

MAX_MISTAKES: Final = 24
MAX_PER_PERSON: Final = 2  # so that one mislabelled person does not fill the page
MAX_OF_KIND: Final = 4
_SIDE: Final = 200  # pixels of a picture on the page


def find(table: pd.DataFrame, probabilities: npt.NDArray[np.floating]) -> pd.DataFrame:
    """The mistakes among a photo table's rows with probabilities (N, 18), worst first.

    Columns: `photo`, `person`, `fold`; for each attribute, in words, the true label `true_<name>`
    (empty if unknown) and the prediction `<name>`; `probability` of the prediction and
    `true_probability` of the true label, both over the labelled attributes.
    """
    truth = {name: table[name].to_numpy() for name in labels.ATTRIBUTES}
    predicted = {name: part.argmax(1) for name, part in labels.marginals(probabilities).items()}
    # Only the prediction of labelled attributes can be wrong.
    prediction = {
        name: np.where(truth[name] == labels.UNKNOWN, labels.UNKNOWN, predicted[name])
        for name in truth
    }
    columns: dict[str, Any] = {name: table[name] for name in ("photo", "person", "fold")}
    for name in truth:
        columns[f"true_{name}"] = _words(name, truth[name])
        columns[name] = _words(name, predicted[name])
    columns["probability"] = _probability_of(probabilities, prediction)
    columns["true_probability"] = _probability_of(probabilities, truth)
    wrong = np.logical_or.reduce([truth[name] != prediction[name] for name in truth])
    mistakes = pd.DataFrame(columns)[wrong]
    order = ["true_probability", "probability", "photo"]
    return mistakes.sort_values(order, ascending=[True, False, True], ignore_index=True)


def _words(name: str, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.str_]:
    return np.array([*labels.ATTRIBUTES[name], ""])[codes]  # UNKNOWN, -1, is the last


def _probability_of(
    probabilities: npt.NDArray[np.floating], codes: dict[str, npt.NDArray[np.integer]]
) -> npt.NDArray[np.float64]:
    """Summed probability (N,) of the classes that agree with the known codes."""
    agreeing = labels.agrees(*(codes[name].astype(np.int8) for name in labels.ATTRIBUTES))
    return (probabilities.astype(np.float64) * agreeing).sum(1).clip(max=1)


def write(path: Path, mistakes: pd.DataFrame) -> None:
    """All mistakes as CSV."""
    files.replace_text(path, mistakes.to_csv(index=False, float_format="%.6g"))


def worst(mistakes: pd.DataFrame) -> pd.DataFrame:
    """The first MAX_MISTAKES of them, with at most MAX_PER_PERSON of one person."""
    return mistakes.groupby("person", sort=False).head(MAX_PER_PERSON).head(MAX_MISTAKES)


def examples(mistakes: pd.DataFrame) -> pd.DataFrame:
    """Mistakes of every kind, worst first: the `worst` of all, and the first MAX_OF_KIND of each
    wrong value of an attribute for a true one in photos of one mask state, with at most
    MAX_PER_PERSON of one person in each."""
    parts = [worst(mistakes)]
    for name in labels.ATTRIBUTES:
        of_kind = list({f"true_{name}": None, name: None, "true_mask": None})
        wrong = mistakes[is_wrong(mistakes, name)]
        parts.append(
            wrong.groupby([*of_kind, "person"], sort=False)
            .head(MAX_PER_PERSON)
            .groupby(of_kind, sort=False)
            .head(MAX_OF_KIND)
        )
    chosen = pd.concat(parts).index.unique()
    return mistakes[mistakes.index.isin(chosen)]


def is_wrong(mistakes: pd.DataFrame, name: str) -> "pd.Series[bool]":
    """Whether the attribute of that name is labelled and predicted differently."""
    truth = mistakes[f"true_{name}"]
    return (truth != "") & (truth != mistakes[name])


def root(run: RunFolder, data: Path | None) -> Path:
    """The folder of the run's photos: that of `data`, by default where the run was trained.

    `data` is read with the columns and words of the run's recipe; for a system, by its own names.
    Raises MaskgateError where `data` cannot be read.
    """
    if data is None:
        return Path(run.status().root)
    names = NO_MAP if run.is_system else of_settings(run.recipe().labels)
    return layouts.read(data, names).root


def cards(
    shown_mistakes: pd.DataFrame, root: Path | None, digests: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The page's entry for each mistake, and the error for each photo in `root` that fails.

    Without `root` no photo is read. `picture` is empty if there is none. A photo is shown only if
    its content has the digest (hex) in the run: in a run from a stranger, `root` may be one of the
    user's folders, whose photos must not appear on the page.
    """
    rows, faults = [], []
    rows_to_show = shown_mistakes.itertuples(index=False)
    if root is not None:
        rows_to_show = track(rows_to_show, "photos for the page", len(shown_mistakes))
    for values in rows_to_show:
        row: dict[str, Any] = dict(zip(shown_mistakes.columns, values, strict=True))
        picture = ""
        if root is not None:
            try:
                photo = _photo(root / row["photo"], digests.get(row["photo"]))
                picture = pages.picture(photo, _SIDE)
            except pixels.PhotoError as error:
                faults.append(f"{root / row['photo']}: {error}")
        rows.append(row | {"picture": picture, "file": Path(row["photo"]).name})
    return rows, faults


def warn(faults: list[str], root: Path | None) -> None:
    """Say in one sentence that photos for a page are not in `root`, if there are such `faults`."""
    if faults:
        photos = "1 photo is" if len(faults) == 1 else f"{len(faults)} photos are"
        say(
            f"warning: {photos} not on the page, because {root} does not have them as the run was"
            " trained on them; name the folder or CSV that has with --data, or leave photos out"
            " with --no-photos"
        )


def _photo(path: Path, digest: str | None) -> Image.Image:
    """The photo with that digest. Raises PhotoError, with the same message if there is no file, so
    that no page reveals which files exist."""
    try:
        is_same = path.is_file() and contents.file_digest(path).hex() == digest
    except OSError:
        is_same = False
    if not is_same:
        raise pixels.PhotoError("no such file, or not the photo that the run was trained on")
    return pixels.decode(path)
