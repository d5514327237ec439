"""What the scores of a run decide: what it is best and worst at, and where the worst is wrong.

Nothing is concluded from values alone. One score is above another only where its whole interval is:
for two scores on the same people that is stricter than an interval of their difference at the same
level. Parts of the photos are worse only where the interval of the difference, corrected for all
parts, says so (see `slices`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core.score import Score
from maskgate.evaluation import metrics, slices
from maskgate.evaluation.bootstrap import Resamples
from maskgate.runs.records.results import Attribute, Results, Slice


@dataclass(frozen=True)
class Part:
    """An attribute with its macro F1, or a class of it with its F1."""

    name: str
    score: Score

    def is_above(self, other: "Part") -> bool:
        """Whether the whole interval is above the other's."""
        return self.score.low > other.score.high


@dataclass(frozen=True)
class Place:
    """Photos in which an attribute is wrong more often than in the others: the slices `names` of
    one `kind`.

    `errors` is the share of the attribute's errors that these photos have, and `photos` their share
    of its photos.
    """

    kind: str
    names: tuple[str, ...]
    errors: Score
    photos: float


@dataclass(frozen=True)
class Weakness:
    """What the scores decide of the errors of an attribute.

    `absent` are its classes without photos, whose F1 counts as 0. `common` is its most frequent
    class, and its share of the photos, where accuracy is not shown to be above that share. `places`
    are those in which it is worse, most errors first; None in a run of an earlier version, which
    has no slices.
    """

    attribute: Attribute
    accuracy: Score
    absent: tuple[str, ...]
    common: tuple[str, float] | None
    places: list[Place] | None


@dataclass(frozen=True)
class Conclusions:
    """Attributes, or of a model of one attribute its classes: all `parts`, the `strong` ones, which
    are above another and below none, the `weak` ones, which are below another and above none, and
    the `weaknesses` of the weak attributes. `score_of` says what their scores are."""

    score_of: str
    parts: list[Part]
    strong: list[Part]
    weak: list[Part]
    weaknesses: list[Weakness]


def conclude(
    results: Results, table: pd.DataFrame, probabilities: npt.NDArray[np.floating]
) -> Conclusions:
    """What is decided by the results of a validated run: its photo table (N rows), and their
    probabilities (N, 18)."""
    parts = [Part(name, each.macro_f1.as_score()) for name, each in results.attributes.items()]
    by_class = len(parts) == 1
    if by_class:
        (scores,) = results.attributes.values()
        parts = [Part(each.name, each.f1.as_score()) for each in scores.classes if each.photos]
    strong = [part for part in parts if _is_first(part, parts)]
    weak = [part for part in parts if _is_first(part, parts, lowest=True)]
    weak_names = {part.name for part in weak}
    weaknesses = [
        _weakness(name, results, table, probabilities)
        for name in results.attributes
        if name in weak_names or (by_class and weak)
    ]
    return Conclusions(
        score_of="F1" if by_class else "macro F1",
        parts=parts,
        strong=strong,
        weak=weak,
        weaknesses=weaknesses,
    )


def _is_first(part: Part, parts: Sequence[Part], lowest: bool = False) -> bool:
    """Whether it is above another part and below none; if `lowest`, the reverse."""
    above = any(part.is_above(other) for other in parts)
    below = any(other.is_above(part) for other in parts)
    return below and not above if lowest else above and not below


def _weakness(
    attribute: Attribute,
    results: Results,
    table: pd.DataFrame,
    probabilities: npt.NDArray[np.floating],
) -> Weakness:
    scores = results.attributes[attribute]
    photos = {each.name: each.photos for each in scores.classes}
    most = max(photos, key=photos.__getitem__)
    share = photos[most] / sum(photos.values())
    accuracy = scores.accuracy.as_score()
    worse = [each for each in results.slices if each.attribute == attribute and each.is_worse]
    return Weakness(
        attribute=attribute,
        accuracy=accuracy,
        absent=tuple(name for name, count in photos.items() if not count),
        common=None if accuracy.low > share else (most, share),
        places=list(_places(attribute, worse, table, probabilities)) if results.slices else None,
    )


def _places(
    attribute: Attribute,
    worse: Sequence[Slice],
    table: pd.DataFrame,
    probabilities: npt.NDArray[np.floating],
) -> Iterator[Place]:
    """The places of the slices that are worse, those in which most is lost first."""
    truth = table[attribute].to_numpy()
    known = truth != labels.UNKNOWN
    wrong = known & (labels.marginals(probabilities)[attribute].argmax(1) != truth)
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    slices_of_photos = slices.kinds(table)
    by_kind = {
        kind: list(each) for kind, each in groupby(worse, lambda slice_score: slice_score.kind)
    }
    for kind in sorted(by_kind, key=lambda name: -sum(each.lost for each in by_kind[name])):
        names = [each.name for each in by_kind[kind]]
        inside = np.isin(np.asarray(slices_of_photos.get(kind, ()), dtype=object), names)
        if not inside.any():  # a system's table may lack the column
            continue
        drawn = weights.sums(np.stack([wrong & inside, wrong], 1).astype(np.float64))
        share = metrics.at_least_exact(
            metrics.interval((wrong & inside).sum() / wrong.sum(), drawn[:, 0] / drawn[:, 1]),
            len(np.unique(weights.person[wrong])),
        )
        ranges = _joined_years(names) if kind == "age" else names
        yield Place(kind, tuple(ranges), share, float((known & inside).sum() / known.sum()))


def _joined_years(names: Sequence[str]) -> list[str]:
    """Groups of ages, those that follow each other as one: `25–29` and `30–34` as `25–34`."""
    ranges: list[list[int]] = []
    for first, last in sorted([int(year) for year in name.split("–")] for name in names):
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1][1] = last
        else:
            ranges.append([first, last])
    return [f"{first}–{last}" for first, last in ranges]
