"""The calibration of a bundle: temperatures fitted to a run's out-of-fold probabilities.

Each photo of these was predicted by the network of its fold. A bundle of k folds averages k
networks, and their mean is less confident than each of them (Rahaman and Thiery, Uncertainty
quantification and deep ensembles, NeurIPS 2021). No labelled photo of a run is new to all of its
networks, so the temperatures cannot be fitted to the mean, whose calibrated probabilities may be
slightly underconfident. On 2,479 faces of another data set, the mean of five networks was less
confident than one by .005 in the age band and .003 in the gender, and after calibration .007 and
.012 below the share that was right. A bundle of one network has no such gap.

A temperature changes the likeliest value of no attribute, and the likeliest of the 18 classes only
where attributes are not independent, as in a mean of networks: of those faces, in 2.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.bundle.manifest import Calibration
from maskgate.config.settings import Component
from maskgate.core.progress import say
from maskgate.ensemble.combining import CALIBRATIONS, EnsembleSpec
from maskgate.ensemble.learning import calibration, combinations
from maskgate.ensemble.votes import Floats, MemberProbabilities
from maskgate.errors import MaskgateError
from maskgate.evaluation import ensemble, metrics
from maskgate.evaluation.bootstrap import Resamples
from maskgate.export.models import ModelRun
from maskgate.runs import RunFolder, tables

_CALIBRATE: Final = Component(name="calibrate")


@dataclass(frozen=True, eq=False)
class Fit:
    """A calibration, and the run's out-of-fold probabilities (N, 18) after it, in the order of
    `tables.oof`: each person's by temperatures that were fitted to others."""

    calibration: Calibration
    probabilities: Floats


def fit(run: RunFolder, singles: list[ModelRun], cache: Path | None = None) -> Fit | None:
    """The calibration of a run, of which `singles` are the single models.

    None without validation people, where the run itself is calibrated, and with a warning where its
    folds predict new photos by a hard vote, or its people are too few to leave some out. A
    temperature changes the likeliest value of no attribute.
    """
    if not run.metrics().validated or _is_calibrated(run):
        return None
    if (single := hard_vote(singles)) is not None:
        say(
            f"warning: not calibrated: the folds of {single.title} predict new photos by a hard"
            " vote, to which their own probabilities say nothing"
        )
        return None
    table, probabilities = tables.oof(run)
    member = MemberProbabilities(probabilities, ensemble.attributes(run))
    learned = calibration.learn(probabilities, [member], table)
    try:
        before, after = _nested(run, member, table, cache)
    except MaskgateError as error:
        say(f"warning: not calibrated: {error}")
        return None
    known = metrics.keep_labels(table, member.attributes)
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    fitted = Calibration.model_validate(
        {
            **learned,
            "photos": len(table),
            "people": weights.people,
            "before": _reliability(before, known, weights),
            "after": _reliability(after, known, weights),
        }
    )
    return Fit(fitted, after)


def hard_vote(singles: list[ModelRun]) -> ModelRun | None:
    """The first model whose folds predict new photos by a hard vote, if there is one."""
    for single in singles:
        if single.recipe.folds.vote == "hard_vote" and len(single.run.folds) > 1:
            return single
    return None


def line(fitted: Calibration) -> str:
    """The temperatures, and the expected calibration errors before and after, in one line."""
    parts = [
        f"{name.replace('_', ' ')} {fitted.before[name].error.value:.3f} → {after.error}"
        f" (temperature {fitted.temperatures[name]:.2f})"
        for name, after in fitted.after.items()
    ]
    return f"expected calibration error: {', '.join(parts)}"


def _is_calibrated(run: RunFolder) -> bool:
    """Whether one of a system's adjustments calibrates it."""
    return run.is_system and any(each.name in CALIBRATIONS for each in run.system().adjust)


def _nested(
    run: RunFolder, member: MemberProbabilities, table: pd.DataFrame, cache: Path | None
) -> tuple[Floats, Floats]:
    """The probabilities (N, 18) before and after calibration in the order of the table: those of
    each group of people by temperatures that were fitted to the others.

    Where the run's combination is fitted, so is that, anew for each group.
    """
    spec = EnsembleSpec(Component(name="soft_vote"), (_CALIBRATE,))
    if not (run.is_system and EnsembleSpec.from_system(run.system()).learns):
        before, after = combinations.out_of_fold(spec, [member], table)
        return before, after
    system = run.system()
    rows, members = ensemble.member_probabilities(ensemble.member_runs(run), cache)
    spec = EnsembleSpec(system.combine, (*system.adjust, _CALIBRATE))
    place = pd.Index(rows["photo"]).get_indexer(pd.Index(table["photo"]))
    *_, before, after = combinations.out_of_fold(spec, members, rows)
    return before[place], after[place]


def _reliability(
    probabilities: Floats, table: pd.DataFrame, weights: Resamples
) -> dict[str, object]:
    """How reliable probabilities (N, 18) are in each attribute that the table labels."""
    parts = labels.marginals(probabilities.astype(np.float64))
    return {
        name: metrics.reliability(weights, table[name].to_numpy(), parts[name])
        for name in labels.ATTRIBUTES
        if (table[name] != labels.UNKNOWN).any()
    }
