"""The names of a run's metrics, the same in every tracker; docs/tracking.md lists them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from maskgate import labels
from maskgate.runs.records.results import Figure, Results, Scores

# Columns of the history that say where a row belongs, rather than what was measured.
_PLACE: Final = frozenset({"fold", "epoch"})
_AGE_BANDS: Final = dict(
    zip(labels.AGE_BANDS, ("under_30", "30_to_59", "60_and_over"), strict=True)
)


def of_epoch(row: Mapping[str, Any]) -> dict[str, float]:
    """The metrics in a row of the history, such as `fold_0/train_loss`; those without a value are
    left out."""
    values = {f"fold_{row['fold']}/{key}": float(row[key]) for key in row.keys() - _PLACE}
    return {key: values[key] for key in sorted(values) if math.isfinite(values[key])}


def of_results(results: Results) -> dict[str, float]:
    """The scores of a finished run, each with the ends of its 95% interval: `macro_f1`,
    `macro_f1_low`, `macro_f1_high`, `mask/macro_f1`, `mask/wear/f1`; empty without validation."""
    return dict(_all(results)) if results.validated else {}


def class_name(name: str) -> str:
    """The name of a class, or of an attribute's value, in letters that every tracker takes."""
    return "_".join(_AGE_BANDS.get(word, word) for word in name.split())


def _all(results: Results) -> Iterator[tuple[str, float]]:
    if results.score is not None:
        yield from _figure("score", results.score)
    if (all_classes := results.all_classes) is not None:
        yield from _scores("", "class/", all_classes)
    for attribute, scores in results.attributes.items():
        yield from _scores(f"{attribute}/", f"{attribute}/", scores)
        if scores.calibration is not None:
            yield from _figure(f"{attribute}/calibration_error", scores.calibration.error)
    if results.age is not None and results.age.mean_absolute_error is not None:
        yield from _figure("age/mean_absolute_error", results.age.mean_absolute_error)


def _scores(prefix: str, class_prefix: str, scores: Scores) -> Iterator[tuple[str, float]]:
    yield from _figure(f"{prefix}macro_f1", scores.macro_f1)
    yield from _figure(f"{prefix}accuracy", scores.accuracy)
    for each in scores.classes:
        name = f"{class_prefix}{class_name(each.name)}"
        yield from _figure(f"{name}/f1", each.f1)
        yield from _figure(f"{name}/precision", each.precision)
        yield from _figure(f"{name}/recall", each.recall)


def _figure(name: str, figure: Figure) -> Iterator[tuple[str, float]]:
    values = {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    yield from ((key, value) for key, value in values.items() if math.isfinite(value))
