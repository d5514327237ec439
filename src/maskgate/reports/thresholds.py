"""What thresholds and costs are worth on an operator's own photos: tables, and a page of them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import bundle
from maskgate.bundle.passing import Passing
from maskgate.bundle.thresholds import Selection, Threshold
from maskgate.core import files
from maskgate.core.progress import say
from maskgate.data import checks, layouts
from maskgate.data.label_map import NO_MAP, LabelMap
from maskgate.data.table import Photos
from maskgate.door.costs import Costs
from maskgate.door.readings import Policy
from maskgate.door.verdict import UNSURE_BELOW
from maskgate.errors import MaskgateError, listed
from maskgate.evaluation import held_out, metrics, passing, thresholds
from maskgate.export.card import passing as passing_tables
from maskgate.export.card import thresholds as threshold_tables
from maskgate.export.card.markup import percent, plain
from maskgate.export.card.page import page
from maskgate.export.card.words import ATTRIBUTES
from maskgate.inference import loading
from maskgate.runs import open_run
from maskgate.runs.records.results import Attribute

_OF_MODEL: Final = "With the model's thresholds"
_FITTED: Final = "Thresholds fitted to these photos"
_PASSING: Final = "Letting in and stopping"


@dataclass(frozen=True)
class Options:
    """The `data` to measure on, with stated `errors` by attribute, and the `policy` and `costs` of
    the door. `model` is a run or a bundle, None for the default model."""

    model: Path | None
    data: Path
    errors: Mapping[Attribute, float]
    policy: Policy
    costs: Costs
    skip_faulty: bool = False
    cache: Path | None = None
    trust: bool = False
    detector_file: Path | None = None
    label_map: LabelMap = NO_MAP


@dataclass(frozen=True)
class Measured:
    """What the model's own thresholds, `lowest` by attribute, do with `photos` of `people`, in all
    and by group, thresholds `fitted` to them for stated errors, and what a door does: `passing`,
    None if everybody may pass, or nobody."""

    photos: int
    people: int
    lowest: Mapping[Attribute, float]
    selections: Mapping[Attribute, Mapping[str, Selection]]
    fitted: Mapping[Attribute, Threshold]
    passing: Passing | None


def measure(options: Options) -> Measured:
    """Predict the photos and measure. Raises MaskgateError, among others where a run was trained on
    one of them, and where there are too few people."""
    model, data = options.model, options.data
    predictor = loading.load(
        model, options.cache, trust=options.trust, detector_file=options.detector_file
    )
    photos = layouts.read(data, options.label_map, options.cache)
    checks.refuse(photos.problems, data, skip=options.skip_faulty)
    _check_untrained(model, photos, options.trust)
    paths = [photos.root / name for name in photos.table["photo"]]
    probabilities, faults = predictor.probabilities(paths)
    if faults and not options.skip_faulty:
        reasons = [f"{paths[place]} ({reason})" for place, reason in faults.items()]
        raise MaskgateError(
            f"{len(faults)} of {len(paths)} photos cannot be read: {listed(reasons)}; fix them, or"
            " leave them out with --skip-faulty"
        )
    is_read = np.isfinite(probabilities).all(1)
    readable = photos.take(np.flatnonzero(is_read)).table
    rows = metrics.keep_labels(readable.reset_index(drop=True), predictor.attributes)
    lowest = {**UNSURE_BELOW, **predictor.thresholds}
    return of_probabilities(
        probabilities[is_read],
        rows.assign(fold=0, cluster=rows["person"]),
        {name: lowest[name] for name in options.errors if name in lowest},
        options=options,
    )


def of_probabilities(
    probabilities: npt.NDArray[np.floating],
    photos: pd.DataFrame,
    lowest: Mapping[Attribute, float],
    *,
    options: Options,
) -> Measured:
    """The same from the probabilities (N, 18) of the photos of a table (N rows), of which those
    labels are known that the model predicts."""
    selections: dict[Attribute, dict[str, Selection]] = {}
    for name, value in lowest.items():
        each = thresholds.answers(name, probabilities, photos)
        if len(each.confidence):
            confidences = np.full(len(each.confidence), value)
            by_group = thresholds.by_group(each, confidences)
            selections[name] = {"all": thresholds.selection(each, confidences), **by_group}
    return Measured(
        photos=len(photos),
        people=int(photos["person"].nunique()),
        lowest=lowest,
        selections=selections,
        fitted=thresholds.fit(probabilities, photos, options.errors),
        passing=passing.passing(
            probabilities,
            photos,
            options.policy,
            threshold=lowest.get("mask", UNSURE_BELOW["mask"]),
            costs=options.costs,
        ),
    )


def markdown(measured: Measured, title: str) -> str:
    """The tables as Markdown."""
    lines = [
        f"# Thresholds: {plain(title)}", "",
        f"On {measured.photos:,} photos of {measured.people:,} people. In brackets: 95% intervals"
        " over people. A dash: too few people, or no sure answer.",
    ]  # fmt: skip
    for heading, section in (
        (_OF_MODEL, _of_model(measured)),
        (_FITTED, _fitted(measured)),
        (_PASSING, passing_tables.section([measured.passing] if measured.passing else [])),
    ):
        body = list(section)
        if body:
            lines += ["", f"## {heading}", "", *body]
    return "\n".join(lines) + "\n"


def plain_text(measured: Measured, title: str) -> str:
    """The same without the escapes of Markdown, for a terminal."""
    return re.sub(r"\\(.)", r"\1", markdown(measured, title))


def write(path: Path, measured: Measured, title: str) -> None:
    """Write the page with tables and curves. Raises MaskgateError."""
    diagrams = {_FITTED: threshold_tables.diagrams(measured.fitted)} if measured.fitted else {}
    if measured.passing is not None:
        diagrams[_PASSING] = passing_tables.diagrams([measured.passing])
    text = markdown(measured, title)
    files.replace_text(path, page(f"Thresholds: {title}", text, diagrams))


def summary(measured: Measured) -> Iterator[str]:
    """What was fitted, in one line for each attribute; of the mask with the option of a door."""
    for name, each in measured.fitted.items():
        if each.confidence is None:
            yield (
                f"{ATTRIBUTES[name]}: no threshold has an error of {100 * each.target:g}% on these"
                " photos"
            )
            continue
        option = f": --unsure-below {each.confidence:.4f}" if name == "mask" else ""
        error, another_look = each.all.error, each.all.another_look
        detail = ""
        if error is not None and another_look is not None:
            detail = f" (error {percent(error, 2)}, another look {percent(another_look, 2)})"
        yield (
            f"{ATTRIBUTES[name]}: for an error of {100 * each.target:g}%, unsure below"
            f" {each.confidence:.4f}{detail}{option}"
        )


def _of_model(measured: Measured) -> Iterator[str]:
    for number, (name, groups) in enumerate(measured.selections.items()):
        if number:
            yield ""
        yield f"Answers on the {ATTRIBUTES[name]}, unsure below {measured.lowest[name]:.3f}:"
        yield ""
        yield from threshold_tables.selections(groups)


def _fitted(measured: Measured) -> Iterator[str]:
    if not measured.fitted:
        return
    yield "Each person is scored with thresholds that were fitted to others of them."
    yield ""
    yield from threshold_tables.fitted(measured.fitted)


def _check_untrained(model: Path | None, photos: Photos, trust: bool) -> None:
    """Raise MaskgateError where a run was trained on one of the photos; of a bundle that cannot be
    known, and is said."""
    if model is not None and not bundle.is_bundle(model):
        held_out.check_untrained(open_run(model, trust=trust), photos)
        say(f"{model}: the probabilities of a run are not calibrated; those of its bundle are")
        return
    say("photos that the model was trained on would look too good; a bundle does not list them")
