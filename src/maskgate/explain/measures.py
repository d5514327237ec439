"""What a network looks at, in numbers with intervals over people, and in a sentence.

`shares` says how much of the heat is in each region of the input, and how large the region is; the
quotient is 1 if heat is as much as by chance. `changes` says what the score is on changed photos.
Heat shows where a network looks if the method is right; the score on changed photos does not depend
on a method, so the sentence is about these.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import confusions
from maskgate.core.score import Score
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Codes, Floats, Resamples

COVERED: Final = "face covered"
SURROUNDINGS: Final = "surroundings swapped"
SCENERY: Final = "scenery swapped"
CHANGES: Final = (COVERED, SURROUNDINGS, SCENERY)
_LEAST_AREA: Final = 0.01  # of a region of the input, whose heat is measured
_NOTABLE: Final = 0.1  # of the skill, a drop that is mentioned


@dataclass(frozen=True)
class RegionShare:
    """The share of the heat in a region, and of the area, for an attribute and the `answers` that
    are right or wrong; `quotient` is their quotient. `heat` and `quotient` are None where there are
    fewer than `metrics.FEW` people."""

    attribute: str
    answers: str
    region: str
    photos: int
    people: int
    area: float
    heat: Score | None
    quotient: Score | None


@dataclass(frozen=True)
class Change:
    """The score on photos that are changed, and its `drop`: the score of the same photos unchanged
    less this one."""

    photos: int
    people: int
    score: Score
    drop: Score


@dataclass(frozen=True)
class Sensitivity:
    """Macro F1 of an attribute on the photos with a face, and by name of CHANGES what a change does
    to it; `sentence` concludes, and `suspicious` says that the model looks at what cannot be right.

    `chance` is the macro F1 of answers drawn at random with the frequencies of the labels: 1 over
    the number of values, for any frequencies.
    """

    attribute: str
    photos: int
    people: int
    score: Score
    chance: float
    changes: dict[str, Change]
    sentence: str
    suspicious: bool


def region_shares(
    table: pd.DataFrame,
    attribute: str,
    right: npt.NDArray[np.bool_],
    *,
    heat: Mapping[str, Floats],
    area: Mapping[str, Floats],
) -> list[RegionShare]:
    """The shares of photos (N) with a face, of which `heat` and `area` have the shares (N,) by
    region, NaN in maps without heat. Regions that fill hardly any input are left out."""
    rows = []
    for answers, chosen in (("right", right), ("wrong", ~right)):
        for region in heat:
            known = chosen & np.isfinite(heat[region])
            people = table.loc[known, "person"].nunique()
            if not known.any():
                continue
            share = float(area[region][known].mean())
            if share < _LEAST_AREA:
                continue
            measured: tuple[Score | None, Score | None] = (None, None)
            if people >= metrics.FEW:
                measured = _shares(table[known], heat[region][known], area[region][known])
            photos = int(known.sum())
            rows.append(
                RegionShare(
                    attribute,
                    answers,
                    region,
                    photos,
                    people=people,
                    area=share,
                    heat=measured[0],
                    quotient=measured[1],
                )
            )
    return rows


def _shares(table: pd.DataFrame, heat: Floats, area: Floats) -> tuple[Score, Score]:
    drawn = Resamples(table, metrics.RESAMPLES, seed=0).sums(
        np.stack([np.ones(len(heat)), heat, area], 1)
    )
    count, heats, areas = drawn.T
    quotient = np.divide(heats, areas, out=np.ones_like(heats), where=areas > 0)
    value = heat.sum() / area.sum() if area.sum() else 1.0
    heat_score = metrics.interval(np.asarray(heat.mean()), heats / count)
    return heat_score, metrics.interval(np.asarray(value), quotient)


def sensitivity(
    table: pd.DataFrame,
    attribute: str,
    predicted: Codes,
    changed: Mapping[str, tuple[npt.NDArray[np.bool_], Codes]],
) -> Sensitivity | None:
    """What changes do to the score of predictions (N,) for photos (N) with a face. `changed` has by
    name of CHANGES the photos (N,) that could be changed, and the predictions (N,) for them. None
    where fewer than `metrics.FEW` people have a label."""
    truth = table[attribute].to_numpy()
    known = truth != labels.UNKNOWN
    people = int(table.loc[known, "person"].nunique())
    if people < metrics.FEW:
        return None
    drawn = _Drawn.of(table[known], attribute, predicted[known])
    chance = 1 / len(labels.ATTRIBUTES[attribute])
    changes, drops = {}, {}
    for name, (possible, codes) in changed.items():
        rows = known & possible
        count = int(table.loc[rows, "person"].nunique())
        if count < metrics.FEW:
            continue
        before = _Drawn.of(table[rows], attribute, predicted[rows])
        after = _Drawn.of(table[rows], attribute, codes[rows])
        drops[name] = before.less(after)
        changes[name] = Change(int(rows.sum()), count, after.score, drops[name].score)
    skill = _Drawn(drawn.value - chance, drawn.draws - chance)
    suspicious, sentence = _conclusion(attribute, skill.score, drops)
    return Sensitivity(
        attribute,
        int(known.sum()),
        people,
        score=drawn.score,
        chance=chance,
        changes=changes,
        sentence=sentence,
        suspicious=suspicious,
    )


@dataclass(frozen=True)
class _Drawn:
    """A score, or a difference of scores, and its draws (R,) on resamples of people."""

    value: float
    draws: Floats

    @classmethod
    def of(cls, table: pd.DataFrame, attribute: str, predicted: Codes) -> "_Drawn":
        """Macro F1 of predictions (N,) of an attribute."""
        truth, size = table[attribute].to_numpy(), len(labels.ATTRIBUTES[attribute])
        drawn = Resamples(table, metrics.RESAMPLES, seed=0).confusions(attribute, truth, predicted)
        value = confusions.macro_f1(confusions.confusion(truth, predicted, size))
        return cls(float(value), confusions.macro_f1(drawn))

    @property
    def score(self) -> Score:
        return metrics.interval(np.asarray(self.value), self.draws)

    def less(self, other: "_Drawn") -> "_Drawn":
        return _Drawn(self.value - other.value, self.draws - other.draws)


_ELSEWHERE: Final = {SCENERY: "the scenery", SURROUNDINGS: "what is around the face"}
_SWAPPED: Final = {
    SURROUNDINGS: "everything around the face is another person's",
    SCENERY: "the scenery is another person's",
}


def _conclusion(attribute: str, skill: Score, drops: Mapping[str, _Drawn]) -> tuple[bool, str]:
    """Whether the model looks at what cannot be right, and a sentence. `skill` is the score above
    that of chance."""
    name = attribute.replace("_", " ")
    if skill.low <= 0:
        return False, f"{name}: undecided, as the score is not above that of chance."
    if COVERED not in drops:
        return False, f"{name}: undecided, as faces were found of too few people."
    covered, others = drops[COVERED], [key for key in (SCENERY, SURROUNDINGS) if key in drops]
    is_little = covered.value < _NOTABLE * skill.value
    score = f"the score {_fall(covered, is_little)} when the face is covered"
    score += "".join(f", and {_fall(drops[key])} when {_SWAPPED[key]}" for key in others)
    if SCENERY not in drops:
        score += "; the input shows no scenery beside the head"
    for key in others:
        if drops[key].less(covered).score.low > 0:
            is_wrong = key == SCENERY or attribute == "mask"  # hair and clothes tell no mask
            return is_wrong, f"{name}: looks at {_ELSEWHERE[key]}: {score}."
    if not others or any(covered.less(drops[key]).score.low <= 0 for key in others):
        return False, f"{name}: undecided: {score}."
    notable = [key for key in others if _is_notable(drops[key], skill)]
    also = f", and also at {_ELSEWHERE[notable[0]]}" if notable else ""
    return SCENERY in notable, f"{name}: looks at the face{also}: {score}."


def _is_notable(drop: _Drawn, skill: Score) -> bool:
    return drop.score.low > 0 and drop.value > _NOTABLE * skill.value


def _fall(drop: _Drawn, is_little: bool = False) -> str:
    if is_little:
        return f"hardly falls ({drop.value + 0.0:.3f})"
    return f"{'rises' if drop.value < 0 else 'falls'} by {abs(drop.value):.3f}"
