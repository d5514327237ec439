"""Scores of slices: parts of the validation photos, such as ages 20 to 24 or dark photos (Chung et
al., Slice Finder, ICDE 2019).

A slice is compared with all other photos by the difference of their accuracies, for each attribute.
Among many slices some are worse by chance, so the intervals of the differences are corrected for
all of them at once, by `differences.stretch`: in 95 of 100 data sets all true differences lie in
theirs. Nobody is borrowed for small groups (see `bootstrap`): intervals are widened by Student's t
for the people of the slice, and slices of fewer than `metrics.FEW` people are left out. Where all
of a slice is right or wrong, its interval is at least that of Clopper and Pearson (Biometrika 1934)
for as many people.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core.score import Score
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Floats, Resamples
from maskgate.evaluation.differences import DrawnDifference, stretch
from maskgate.runs.records.results import Attribute, Figure, Slice

YEARS: Final = 5  # of a slice of ages
_MEASURES: Final = {
    "brightness": ("darkest", "darker", "brighter", "brightest"),
    "sharpness": ("most blurred", "blurred", "sharp", "sharpest"),
    "face width": ("smallest", "smaller", "larger", "largest"),
}


def kinds(table: pd.DataFrame) -> dict[str, list[str]]:
    """The slice (N,) of each photo of a photo table by kind, "" where it is in none.

    Ages are in groups of YEARS, none of which is in two age bands. Of the optional columns
    `brightness`, `sharpness` and the face's `left` and `right` each quarter is a slice; `faces` is
    the number of detected faces, and `kind` that of the mask.
    """
    slices = {
        "age": [_years(age) for age in table["age"]],
        "gender": _names(table["gender"], labels.GENDERS),
        "mask": _names(table["mask"], labels.MASKS),
    }
    if "kind" in table:
        slices["kind of mask"] = table["kind"].fillna("").str.replace("_", " ").tolist()
    measures = {name: table[name] for name in ("brightness", "sharpness") if name in table}
    if "faces" in table:
        measures["face width"] = table["right"] - table["left"]
        slices["face"] = np.where(table["faces"] > 0, "found", "not found").tolist()
    for name, values in measures.items():
        slices[name] = quarters(values.to_numpy(np.float64), _MEASURES[name])
    return slices


def quarters(values: Floats, words: Sequence[str]) -> list[str]:
    """The slices (N,) of values (N,): four of about the same size, called by `words` and their
    limits, and numbered; "" where a value is NaN."""
    known = values[np.isfinite(values)]
    if not len(known):
        return [""] * len(values)
    limits = np.quantile(known, (0.25, 0.5, 0.75))
    first, second, third = (f"{limit:.0f}" for limit in limits)
    ranges = (f"below {first}", f"{first} to {second}", f"{second} to {third}", f"from {third}")
    pairs = enumerate(zip(words, ranges, strict=True), 1)
    names = [f"{number}. {word}, {limit}" for number, (word, limit) in pairs]
    places = np.searchsorted(limits, values, side="right")
    return [
        names[place] if np.isfinite(value) else ""
        for place, value in zip(places, values, strict=True)
    ]


def scores(
    probabilities: npt.NDArray[np.floating],
    table: pd.DataFrame,
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> list[Slice]:
    """The scores of probabilities (N, 18) in all slices of a photo table (N rows), by attribute and
    kind, for the `attributes` that the model predicts; [] if there are no two slices to compare.

    `accuracy` is that of the slice; `difference` is this less the accuracy of all other photos,
    with an interval that is corrected for all slices and attributes.
    """
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    people = weights.person
    parts = labels.marginals(probabilities)
    columns: list[_Column] = []
    for attribute in labels.ATTRIBUTES:
        known = (table[attribute] != labels.UNKNOWN).to_numpy()
        if attribute not in attributes or not known.any():
            continue
        right = parts[attribute].argmax(1) == table[attribute].to_numpy()
        for kind, name, member in _members(table):
            inside, outside = member & known, ~member & known
            counts = [len(np.unique(people[rows])) for rows in (inside, outside)]
            if min(counts) >= metrics.FEW:
                columns.append(
                    _Column(
                        kind,
                        name,
                        attribute,
                        inside=inside,
                        outside=outside,
                        right=right,
                        people=counts[0],
                    )
                )
    if not columns:
        return []
    drawn = [column.drawn(weights) for column in columns]
    factor = stretch([difference.distance for _, difference in drawn])
    return [
        column.score(accuracy, difference.interval(factor))
        for column, (accuracy, difference) in zip(columns, drawn, strict=True)
    ]


def _members(table: pd.DataFrame) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    """Kind, name and photos (N,) of each slice."""
    for kind, names in kinds(table).items():
        column = np.asarray(names, dtype=object)
        for name in sorted(set(names) - {""}):
            yield kind, name, column == name


def _years(age: float) -> str:
    """The slice of an age, whose first and last year are in one age band."""
    if not np.isfinite(age):
        return ""
    first = int(age) // YEARS * YEARS
    return f"{first}–{first + YEARS - 1}"


def _names(codes: "pd.Series[Any]", names: Sequence[str]) -> list[str]:
    return ["" if code == labels.UNKNOWN else names[code].replace("_", " ") for code in codes]


@dataclass(frozen=True)
class _Column:
    """A slice and an attribute: the photos (N,) `inside` and `outside` whose label is known, and
    those that are `right`."""

    kind: str
    name: str
    attribute: str
    inside: npt.NDArray[np.bool_]
    outside: npt.NDArray[np.bool_]
    right: npt.NDArray[np.bool_]
    people: int

    def drawn(self, weights: Resamples) -> tuple[Score, DrawnDifference]:
        """The accuracy of the slice, and how much it differs from that of the others."""
        masks = [self.inside, self.outside, self.inside & self.right, self.outside & self.right]
        sums = weights.sums(np.stack(masks, 1).astype(np.float64))
        inside, outside, right_inside, right_outside = sums.T
        accuracy = right_inside / inside
        draws = accuracy - right_outside / outside
        inner, outer = self.right[self.inside].mean(), self.right[self.outside].mean()
        return (
            metrics.at_least_exact(metrics.interval(inner, accuracy), self.people),
            DrawnDifference.widened(
                float(inner - outer), draws, self.people - 1, of_people=float(draws.var())
            ),
        )

    def score(self, accuracy: Score, difference: Score) -> Slice:
        """Its record."""
        if accuracy.value in (0, 1):  # all resamples of the slice agree
            low, high = (end - accuracy.value for end in (accuracy.low, accuracy.high))
            low, high = min(difference.low, difference.value + low), difference.value + high
            difference = Score(difference.value, low, max(difference.high, high))
        return Slice(
            kind=self.kind,
            name=self.name,
            attribute=cast(Attribute, self.attribute),
            photos=int(self.inside.sum()),
            people=self.people,
            accuracy=Figure.from_score(accuracy),
            difference=Figure.from_score(difference),
        )
