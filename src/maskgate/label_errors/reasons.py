"""Why a label is probably wrong, in a sentence."""

from collections.abc import Iterator, Sequence
from pathlib import PurePath

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.errors import listed
from maskgate.label_errors import swaps
from maskgate.label_errors.checks import FAR, Check
from maskgate.label_errors.evidence import Evidence
from maskgate.label_errors.pooling import Rows


def of_labels(check: Check, sources: Sequence[Evidence], places: Rows) -> list[str]:
    """The sentences (S,) for the labels at `places` (S,) of a check."""
    rows_of = _rows_by_group(check.group, places)
    return [_of_label(check, int(place), rows_of[int(place)], sources) for place in places]


def _rows_by_group(group: Rows, places: Rows) -> dict[int, Rows]:
    rows = np.flatnonzero(np.isin(group, places))
    grouped = pd.Series(rows).groupby(group[rows]).indices
    return {int(place): rows[inner] for place, inner in grouped.items()}  # type: ignore[call-overload]


def _of_label(check: Check, place: int, rows: Rows, sources: Sequence[Evidence]) -> str:
    unit, values = check.table.iloc[place], labels.ATTRIBUTES[check.attribute]
    label, age, predicted_age = int(unit["label"]), unit["age"], unit["predicted_age"]
    text = f"labelled {values[label].replace('_', ' ')}"
    if np.isfinite(age):
        text += f" ({age:g} years)"
    facts = list(_votes(check.attribute, label, rows, sources))
    if np.isfinite(predicted_age) and abs(predicted_age - age) >= FAR:
        facts.append(f"looks {'older' if predicted_age > age else 'younger'}, about"
                     f" {predicted_age:.0f} years")  # fmt: skip
    if others := check.conflicts[place]:
        same = [name for name in others if name == unit["person"]]
        if same:
            facts.append("other photos of the same person have another label")
        else:
            facts.append(f"{listed(others)} has near-duplicate photos and another label")
    text += f", but {'; '.join(facts)}" if facts else ", which the sources doubt"
    return text[0].upper() + text[1:]


def _votes(attribute: str, label: int, rows: Rows, sources: Sequence[Evidence]) -> Iterator[str]:
    """What each source that disagrees says about the photos in `rows`."""
    for source in sources:
        if attribute not in source.probabilities:
            continue
        probabilities = source.probabilities[attribute][rows]
        known = probabilities[np.isfinite(probabilities[:, 0])]
        if not len(known):
            continue
        counts = np.bincount(known.argmax(1), minlength=known.shape[1])
        counts[label] = 0
        against = int(counts.argmax())
        if counts.sum() > len(known) / 2:
            word = labels.ATTRIBUTES[attribute][against].replace("_", " ")
            where = "" if len(known) == 1 else f" in {counts[against]} of {len(known)} photos"
            yield f"{source.name} says {word}{where}"


def of_swaps(
    check: Check, table: pd.DataFrame, sources: Sequence[Evidence], places: Rows
) -> list[str]:
    """The sentences (S,) for people whose photos may be swapped."""
    rows_of = _rows_by_group(check.group, places)
    return [_of_swap(table, sources, rows_of[int(place)]) for place in places]


def _of_swap(table: pd.DataFrame, sources: Sequence[Evidence], rows: Rows) -> str:
    stem_of = {PurePath(table["photo"].iloc[row]).stem.lower(): row for row in rows}
    facts = []
    for source in sources:
        if "mask" not in source.probabilities:
            continue
        states = source.probabilities["mask"][[stem_of[swaps.INCORRECT], stem_of[swaps.BARE]]]
        if not np.isfinite(states).all():
            continue
        first, second = (labels.MASKS[code].replace("_", " ") for code in states.argmax(1))
        facts.append(f"{source.name} says {first} and {second}")
    return f"{swaps.INCORRECT} and {swaps.BARE} may be swapped: {'; '.join(facts)}"
