"""The ranked table of labels that are probably wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core import files
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.label_errors import checks, reasons, same_people, swaps
from maskgate.label_errors.checks import Check
from maskgate.label_errors.evidence import Evidence, of_validation
from maskgate.label_errors.opinion_models import of_model
from maskgate.label_errors.opinion_tables import of_csv
from maskgate.label_errors.pooling import Rows
from maskgate.runs import RunFolder, is_bundle, tables

LEAST: Final = 0.01  # probability of a label in the table
# From this probability on, a swap explains what is wrong with the two photos.
MAY_BE_SWAPPED: Final = 0.1
COLUMNS: Final = (
    "person", "photo", "attribute", "label", "predicted_label", "self_confidence", "label_quality",
    "probability", "reason",
)  # fmt: skip
SWAP_LABELS: Final = ("incorrect, not_wear", "not_wear, incorrect")


@dataclass(frozen=True)
class Summary:
    """How one check went: the `number` of labels, of what, the estimated `share` of wrong ones, and
    the `calibration_error` and `recall` on planted errors; see `estimate.Calibration`."""

    what: str
    number: int
    share: float
    calibration_error: float
    recall: float


@dataclass(frozen=True)
class Suspects:
    """The `table`, most probably wrong first, with COLUMNS; and a `summary` of each check."""

    table: pd.DataFrame
    summaries: tuple[Summary, ...]


def of_run(run: RunFolder, opinions: Sequence[Path], cache: Path, trust: bool = False) -> Suspects:
    """The suspects among the photos that a run has validated, by its out-of-fold probabilities and
    by `opinions`: CSVs, bundles and runs. Predictions of models are kept in the folder `cache`.

    Raises MaskgateError where the run has no validation people, or an opinion cannot be used.
    """
    table, evidence = of_validation(run)
    root = Path(run.status().root)
    tables.check_names(run, table["photo"].tolist(), root)
    photos = Photos(root, table)
    sources = [evidence]
    for path in opinions:
        if path.is_dir() or is_bundle(path):
            sources.append(of_model(path, photos, cache, trust))
        else:
            sources.append(of_csv(path, photos))
    return find(table, sources, run.status().twins)


def find(
    table: pd.DataFrame, sources: Sequence[Evidence], twins: Sequence[Sequence[str]] = ()
) -> Suspects:
    """The suspects among N photos, whose `sources` are a run and any opinions.

    `twins` are pairs of people who share near-duplicates. Raises MaskgateError where no attribute
    has enough labels.
    """
    pairs = _photo_pairs(table, twins)
    by_name = {
        "gender": checks.gender(table, sources, pairs),
        "age band": checks.age_band(table, sources, pairs),
        "swapped photos": swaps.swapped(table, sources),
        "mask": checks.mask(table, sources),
    }
    done = {name: check for name, check in by_name.items() if check is not None}
    if not done:
        raise MaskgateError(
            f"no attribute has labels of {checks.FEW} people and two values, the minimum to"
            " fit a model of label errors; give a run on more photos"
        )
    swap, masks = done.get("swapped photos"), done.get("mask")
    explained = set[str]() if swap is None else _photos_of_swaps(table, swap)
    parts = [
        _rows(check, table, sources, explained if check is masks else set(), is_swap=check is swap)
        for check in done.values()
    ]
    ranked = pd.concat(parts, ignore_index=True).sort_values(
        ["probability", "label_quality", "person"], ascending=[False, True, True], ignore_index=True
    )
    summaries = [
        Summary(
            what=name,
            number=len(check.table),
            share=check.estimate.share,
            calibration_error=check.estimate.calibration.error,
            recall=check.estimate.calibration.recall,
        )
        for name, check in done.items()
    ]
    return Suspects(ranked, tuple(summaries))


def write(path: Path, table: pd.DataFrame) -> None:
    """The table as CSV."""
    files.replace_text(path, table.to_csv(index=False, float_format="%.4g"))


def _photo_pairs(table: pd.DataFrame, twins: Sequence[Sequence[str]]) -> Rows:
    """All pairs (P, 2) of rows of photos of two people who are twins."""
    rows_of = table.groupby("person", sort=False).indices
    people = list(map(str, rows_of))
    rows = list(rows_of.values())
    pairs = [
        (one, other)
        for a, b in same_people.partners(twins, people)
        for one in rows[a]
        for other in rows[b]
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _photos_of_swaps(table: pd.DataFrame, swap: Check) -> set[str]:
    """The photos of people whose photos may well be swapped."""
    may_be = np.append(swap.estimate.probability >= MAY_BE_SWAPPED, False)  # for group -1
    return set(table["photo"][may_be[swap.group]])


def _rows(
    check: Check,
    table: pd.DataFrame,
    sources: Sequence[Evidence],
    left_out: set[str],
    is_swap: bool,
) -> pd.DataFrame:
    """The rows of the table from one check, without photos that are `left_out`."""
    from cleanlab.rank import get_label_quality_scores

    units = check.table
    label, predicted = units["label"].to_numpy(), units["predicted"].to_numpy()
    words = SWAP_LABELS if is_swap else labels.ATTRIBUTES[check.attribute]
    quality = get_label_quality_scores(label, check.probabilities, method="normalized_margin")
    columns: dict[str, Any] = {
        "person": units["person"],
        "photo": units["photo"],
        "attribute": check.attribute,
        "label": np.array(words)[label],
        "predicted_label": np.array(words)[predicted],
        "self_confidence": check.probabilities[np.arange(len(label)), label],
        "label_quality": quality,
        "probability": check.estimate.probability,
    }
    keep = (check.estimate.probability >= LEAST) & ~units["photo"].isin(left_out).to_numpy()
    places = np.flatnonzero(keep)
    if is_swap:
        sentences = reasons.of_swaps(check, table, sources, places)
    else:
        sentences = reasons.of_labels(check, sources, places)
    return pd.DataFrame(columns)[keep].assign(reason=sentences)[list(COLUMNS)]
