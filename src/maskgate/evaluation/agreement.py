"""Agreement of the predictions for one person's photos.

Gender and age band are the same in all photos of a person, so predictions that differ cannot all be
right. Where they agree and are wrong, more photos of the person do not help; where they differ, the
mean of their probabilities may. The mask differs from photo to photo and has no agreement.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core.score import Score
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Floats, Resamples

ATTRIBUTES: Final = ("gender", "age_band")
"""The attributes that are the same in all photos of a person."""
MOST: Final = 3
"""People of whom so many photos or more differ are counted together."""


@dataclass(frozen=True)
class Differing:
    """People of whom `photos` photos (MOST: or more) are predicted to be another value than most
    of their photos: their `share` of all people, and the share of them that is `right` by the mean
    probability of their photos; None of fewer than FEW people."""

    photos: int
    people: int
    share: Score
    right: Score | None


@dataclass(frozen=True)
class Agreement:
    """Of `people` with two or more photos, from `fewest` to `most`, with a known attribute.

    `by_photo` is the share of photos predicted correctly, the mean over people; `together` is the
    share of people that the mean probability of their photos predicts correctly.
    """

    people: int
    fewest: int
    most: int
    by_photo: Score
    together: Score
    gain: Score
    """`together` less `by_photo`, on the same resamples."""
    differing: list[Differing]


def evaluate(
    probabilities: npt.NDArray[np.floating],
    table: pd.DataFrame,
    attributes: Collection[str] = tuple(labels.ATTRIBUTES),
) -> dict[str, Agreement]:
    """The agreement of probabilities (N, 18) in those of the `attributes` that are the same in all
    photos of a person. An attribute is left out if fewer than FEW people have two photos or more
    that are all labelled with the same value."""
    parts = labels.marginals(probabilities)
    agreements = {}
    for name in ATTRIBUTES:
        if name in attributes and len(people := _people(parts[name], table, name)) >= metrics.FEW:
            agreements[name] = _agreement(people)
    return agreements


def _people(part: npt.NDArray[np.floating], table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A row for each person with two photos or more, all with the same label: their labels, the
    number of `photos`, of those `differing` from most, the share `by_photo` that is right, and
    whether they are right `together`."""
    known = (table[name] != labels.UNKNOWN).to_numpy()
    rows, part = table[known].reset_index(drop=True), part[known].astype(np.float64)
    person, _ = pd.factorize(rows["person"])
    truth, answers = rows[name].to_numpy(), np.eye(part.shape[1])[part.argmax(1)]
    people = rows.groupby(person)[["person", "mask", "gender", "age_band"]].first()
    people["mask"] = labels.UNKNOWN  # it differs between their photos
    votes, summed = (pd.DataFrame(each).groupby(person).sum() for each in (answers, part))
    people["photos"] = rows.groupby(person).size()
    people["differing"] = people["photos"] - votes.max(axis=1)
    right = pd.Series(part.argmax(1) == truth)
    people["by_photo"] = right.groupby(person).mean()
    people["together"] = summed.to_numpy().argmax(1) == people[name].to_numpy()
    one_label = rows.groupby(person)[name].nunique() == 1
    return people[one_label & (people["photos"] > 1)].reset_index(drop=True)


def _agreement(people: pd.DataFrame) -> Agreement:
    weights = Resamples(people, metrics.RESAMPLES, seed=0)
    together = people["together"].to_numpy(np.float64)
    by_photo = people["by_photo"].to_numpy(np.float64)
    differing = people["differing"].to_numpy().clip(max=MOST)
    drawn_together, drawn_by_photo = weights.means(together), weights.means(by_photo)
    return Agreement(
        people=len(people),
        fewest=int(people["photos"].min()),
        most=int(people["photos"].max()),
        by_photo=_share(by_photo, drawn_by_photo),
        together=_share(together, drawn_together),
        gain=metrics.interval(together.mean() - by_photo.mean(), drawn_together - drawn_by_photo),
        differing=[
            _differing(count, differing == count, together, weights)
            for count in sorted({0, *differing.astype(int).tolist()})
        ],
    )


def _differing(
    photos: int, member: npt.NDArray[np.bool_], together: Floats, weights: Resamples
) -> Differing:
    """The people (P,) who are `member` of the group."""
    share, of_group = member.astype(np.float64), np.where(member, together, np.nan)
    people, right = int(member.sum()), None
    if people >= metrics.FEW:
        right = _share(together[member], weights.means(of_group))
    return Differing(photos, people, _share(share, weights.means(share)), right)


def _share(values: Floats, drawn: Floats) -> Score:
    return metrics.at_least_exact(metrics.interval(values.mean(), drawn), len(values))
