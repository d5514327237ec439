"""Compare runs: paired differences of out-of-fold scores.

All runs are scored on the same resamples of people (`bootstrap.Resamples`), so that people who are
hard for every model do not widen the interval of the difference. `differences` computes that
interval, and corrects it where several groups of runs are compared with one reference. The
resamples are those of the runs' own scores, so that a run has one interval wherever it is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.core.progress import track
from maskgate.core.score import Score
from maskgate.errors import listed
from maskgate.evaluation import groups, metrics
from maskgate.evaluation.bootstrap import Floats, Resamples
from maskgate.evaluation.differences import Difference, Scored, differences
from maskgate.evaluation.groups import RunGroup, ScoredRun

SCORE: Final = "score"
FEWEST: Final = (
    4  # people of every class that a verdict needs; with fewer it depends on who they are
)
_NUMBERS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Comparison:
    """A group of runs against the reference; `differences`, the group's scores less the
    reference's, by measure."""

    reference: RunGroup
    group: RunGroup
    differences: dict[str, Difference]
    scarce: dict[str, int]  # people of each class that has some, but fewer than FEWEST

    @property
    def score(self) -> Score:
        """The difference of the score, its interval corrected for the other comparisons."""
        return self.score_difference.corrected

    @property
    def score_difference(self) -> Difference:
        """The difference of the score."""
        return self.differences[SCORE]

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the score's corrected interval excludes zero and every class
        has at least FEWEST people, else `undecided`."""
        if self.scarce:
            return "undecided"
        score = self.score
        return "better" if score.low > 0 else "worse" if score.high < 0 else "undecided"

    @property
    def scope(self) -> str:
        """What the result holds for: `these recipes` where both groups have several seeds, else
        `these two models`."""
        counts = [len(group.runs) for group in (self.reference, self.group)]
        if min(counts) > 1:
            return "these recipes"
        models = sum(counts)
        return f"these {_NUMBERS[models - 2] if models - 2 < len(_NUMBERS) else models} models"


@dataclass(frozen=True)
class Comparisons:
    """All groups of runs, the first being the reference, and the differences of their scores."""

    groups: list[RunGroup]
    scores: list[dict[str, Scored]]  # of each group, by measure
    comparisons: list[Comparison]  # of every group but the first
    score_of: str
    photos: int
    people: int
    truth: str
    resamples: int

    @property
    def measures(self) -> dict[str, str]:
        """The title of each measure: the score, then macro F1 of each attribute."""
        names = {name: name.replace("_", " ") for name in self.scores[0]}
        return names | {SCORE: self.score_of}

    @property
    def notes(self) -> list[str]:
        """What limits the verdicts, a sentence each."""
        notes = []
        if scarce := next((each.scarce for each in self.comparisons if each.scarce), None):
            notes.append(too_few_people(scarce))
        if any(each.scope != "these recipes" for each in self.comparisons):
            notes.append(
                "A recipe with one seed is a single model. To compare recipes, train each with"
                " several seeds."
            )
        if len(self.comparisons) > 1:
            notes.append(
                f"The intervals are corrected for {len(self.comparisons)} comparisons: if nothing"
                " differs, the chance that any of them is called better or worse is one in twenty."
            )
        selected = [
            group.name
            for group in self.groups
            if any(scored_run.selected for scored_run in group.runs)
        ]
        if selected:
            notes.append(
                "The epoch was selected on the validation photos, which inflates the score, in"
                f" {', '.join(selected)}."
            )
        return notes


def too_few_people(scarce: Mapping[str, int]) -> str:
    """Why there is no verdict where classes have so few people, `scarce` by name."""
    counts = listed([f"{name} ({count})" for name, count in scarce.items()], 3)
    return (
        f"Too few people for a verdict: {counts}. Where a class has fewer than {FEWEST} people, the"
        " score depends on who they are; the intervals are still given."
    )


def compare(paths: Sequence[Path], resamples: int = metrics.RESAMPLES) -> Comparisons:
    """Compare the runs at `paths`, run folders or folders of them; the first is the reference.

    Runs of one recipe form a group. Raises MaskgateError where they cannot be compared; see
    `groups.read_groups`.
    """
    scored_groups = score(groups.read_groups(paths), resamples)
    return scored_groups.compared(range(len(scored_groups.groups)))


@dataclass(frozen=True)
class ScoredGroups:
    """Groups of runs that can be compared, and their scores on the same resamples of people."""

    groups: list[RunGroup]
    scores: list[dict[str, Scored]]  # of each group, by measure
    scarce: dict[str, int]  # people of each class that has some, but fewer than FEWEST
    photos: int
    people: int
    resamples: int

    def compared(self, places: Sequence[int]) -> Comparisons:
        """The comparison of the groups at these places, the first being the reference."""
        run_groups = [self.groups[place] for place in places]
        scores = [self.scores[place] for place in places]
        names = [group.name for group in run_groups]
        by_measure = {
            measure: differences(
                dict(zip(names, (group_scores[measure] for group_scores in scores), strict=True))
            )
            for measure in scores[0]
        }
        first = run_groups[0].runs[0]
        return Comparisons(
            groups=run_groups,
            scores=scores,
            comparisons=[
                Comparison(
                    run_groups[0],
                    group,
                    {measure: by_group[group.name] for measure, by_group in by_measure.items()},
                    self.scarce,
                )
                for group in run_groups[1:]
            ],
            score_of=first.results.score_of,
            photos=self.photos,
            people=self.people,
            truth=first.truth,
            resamples=self.resamples,
        )


def score(run_groups: list[RunGroup], resamples: int = metrics.RESAMPLES) -> ScoredGroups:
    """Score groups of runs, as `groups.read_groups` reads them, on the same resamples."""
    first = run_groups[0].runs[0]
    weights = Resamples(first.table, resamples, seed=0)
    scored_runs = [scored_run for group in run_groups for scored_run in group.runs]
    attributes = [
        name
        for name in labels.ATTRIBUTES
        if all(name in scored_run.results.attributes for scored_run in scored_runs)
    ]
    by_run = {
        scored_run.run.path: _scores(scored_run, attributes, weights)
        for scored_run in track(scored_runs, "scoring runs", len(scored_runs))
    }
    return ScoredGroups(
        groups=run_groups,
        scores=[
            _group_scores([by_run[scored_run.run.path] for scored_run in group.runs])
            for group in run_groups
        ],
        scarce=_scarce(metrics.keep_labels(first.table, attributes)),
        photos=len(first.table),
        people=weights.people,
        resamples=resamples,
    )


def _scarce(table: pd.DataFrame) -> dict[str, int]:
    """The number of people of each class of the score that has some, but fewer than FEWEST."""
    classes: dict[str, tuple[str, ...]] = {"label": labels.CLASSES}
    if not (table["label"] != labels.UNKNOWN).any():
        classes = labels.ATTRIBUTES
    return {
        value: count
        for name, values in classes.items()
        for code, value in enumerate(values)
        if 0 < (count := table.loc[table[name] == code, "person"].nunique()) < FEWEST
    }


def _scores(
    scored_run: ScoredRun, names: list[str], weights: Resamples
) -> dict[str, tuple[float, Floats]]:
    """By measure a run's value and its resamples (R,), as `metrics.evaluate` scores."""
    parts = labels.marginals(scored_run.probabilities)
    table = metrics.keep_labels(scored_run.table, names)
    scores = {
        SCORE: metrics.main_score(scored_run.probabilities, table, weights),
        **{name: metrics.macro_f1(name, table, parts[name], weights) for name in names},
    }
    return {name: (float(value), drawn) for name, (value, drawn) in scores.items()}


def _group_scores(runs: list[dict[str, tuple[float, Floats]]]) -> dict[str, Scored]:
    return {
        name: Scored(
            np.array([run[name][0] for run in runs]), np.stack([run[name][1] for run in runs])
        )
        for name in runs[0]
    }
