"""Who is let in or stopped wrongly, of labelled photos, by the rules of a door.

One rule is that of a threshold: another look, where it is unsure whether the person may pass. The
other is that of costs (`door.costs`). The trade-off of both mistakes, for every limit on the
probability that a person may pass, is the curve that is called DET (Martin et al., The DET curve in
assessment of detection task performance, Eurospeech 1997).
"""

from dataclasses import asdict
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.bundle.passing import Outcome, Passing, Rates, Tradeoff
from maskgate.core.score import Score
from maskgate.door.costs import CHOICES, Costs
from maskgate.door.readings import Policy, may_pass, passing_state
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Resamples
from maskgate.evaluation.thresholds import rounded
from maskgate.runs.records.results import Figure

EXAMPLE: Final = Costs(let_in=10, stopped=1, look=0.2)
_POINTS: Final = 40
_LOOK, _STOP, _GO = (CHOICES.index(each) for each in ("look", "stop", "go"))
Choices = npt.NDArray[np.int64]


def passing(
    probabilities: npt.NDArray[np.floating],
    table: pd.DataFrame,
    policy: Policy,
    *,
    threshold: float,
    costs: Costs = EXAMPLE,
) -> Passing | None:
    """What a door does with the photos of a table (N rows) whose mask is known, by the
    probabilities (N, 18); None where none of them may pass, or all."""
    known = (table["mask"] != labels.UNKNOWN).to_numpy()
    rows = table[known].reset_index(drop=True)
    masks = labels.marginals(probabilities[known].astype(np.float64))["mask"]
    may = rows["mask"].to_numpy() == passing_state(policy)
    if may.all() or not may.any():
        return None
    p = may_pass(masks, policy)
    chosen = np.stack([by_threshold(p, threshold), costs.choices(p)])
    groups = {}
    for name in ("gender", "age_band"):
        for code, value in enumerate(labels.ATTRIBUTES[name]):
            part = (rows[name] == code).to_numpy()
            if part.any():
                groups[f"{name}: {value}"] = outcome(chosen[:, part], may[part], rows[part])
    return Passing(
        policy=policy,
        threshold=threshold,
        costs=asdict(costs),  # type: ignore[arg-type]
        all=outcome(chosen, may, rows),
        tradeoff=tradeoff(p, may),
        groups=groups,
    )


def by_threshold(p: npt.NDArray[np.floating], threshold: float) -> Choices:
    """What is done (N,), as places in CHOICES, with people who may pass with probabilities `p`
    (N,): another look where neither answer is as probable as the threshold."""
    choices = np.where(p > 0.5, _GO, _STOP)
    return np.where(np.maximum(p, 1 - p) < threshold, _LOOK, choices)


def outcome(chosen: Choices, may: npt.NDArray[np.bool_], table: pd.DataFrame) -> Outcome:
    """The rates of two rules, `chosen` (2, N), for photos of people who `may` (N,) pass or not."""
    photos, people = len(table), table["person"].to_numpy()
    count = len(set(people))
    if min(len(set(people[may])), len(set(people[~may]))) < metrics.FEW:
        return Outcome(photos=photos, people=count)
    weights = Resamples(table.reset_index(drop=True), metrics.RESAMPLES, seed=0)
    threshold, costs = (rates(each, may, weights) for each in chosen)
    return Outcome(photos=photos, people=count, threshold=threshold, costs=costs)


def rates(chosen: Choices, may: npt.NDArray[np.bool_], weights: Resamples) -> Rates:
    """The rates of one rule, `chosen` (N,), with intervals over people."""
    return Rates(
        let_in=_share(chosen == _GO, ~may, weights),
        stopped=_share(chosen == _STOP, may, weights),
        another_look=_share(chosen == _LOOK, np.ones_like(may), weights),
    )


def tradeoff(p: npt.NDArray[np.floating], may: npt.NDArray[np.bool_]) -> Tradeoff:
    """The share of both mistakes for limits on the probabilities `p` (N,), some of whom `may`
    pass, and some not."""
    steps = np.linspace(0, 1, _POINTS)
    limits = np.unique(np.concatenate([np.quantile(each, steps) for each in (p[may], p[~may])]))
    let_in = 1 - np.searchsorted(np.sort(p[~may]), limits) / (~may).sum()
    stopped = np.searchsorted(np.sort(p[may]), limits) / may.sum()
    return Tradeoff(
        limit=rounded(limits.clip(0, 1)), let_in=rounded(let_in), stopped=rounded(stopped)
    )


def _share(
    chosen: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_], weights: Resamples
) -> Figure:
    columns = np.stack([chosen & among, among], 1).astype(np.float64)
    drawn_chosen, drawn_among = weights.sums(columns).T
    value = columns[:, 0].sum() / columns[:, 1].sum()
    score: Score = metrics.interval(value, drawn_chosen / drawn_among)
    people = len(np.unique(weights.person[among]))
    return Figure.from_score(metrics.at_least_exact(score, people))
