"""The thresholds of a bundle, fitted to a run's out-of-fold probabilities.

These are calibrated as the bundle's will be. Each photo was predicted by the network of its fold;
the mean of several networks in a bundle is less confident (see `export.calibration`), so that it
sends more photos for another look than is stated here.
"""

from collections.abc import Mapping
from typing import get_args

from maskgate.bundle.passing import Passing
from maskgate.bundle.thresholds import Threshold
from maskgate.core.progress import say
from maskgate.door.readings import Policy
from maskgate.door.verdict import UNSURE_BELOW
from maskgate.errors import MaskgateError, listed
from maskgate.evaluation import passing, thresholds
from maskgate.export.calibration import Fit, hard_vote
from maskgate.export.models import ModelRun
from maskgate.runs import RunFolder, tables
from maskgate.runs.records.results import Attribute, known_attributes


def check(run: RunFolder, errors: Mapping[Attribute, float]) -> None:
    """Raise MaskgateError where the run does not predict one of the attributes."""
    predicted = known_attributes(run.metrics())
    if unknown := [name for name in errors if name not in predicted]:
        raise MaskgateError(
            f"--error {unknown[0]}: {run.path} predicts {listed(predicted)} alone; leave it out"
        )


def fit(
    run: RunFolder,
    singles: list[ModelRun],
    calibrated: Fit | None,
    errors: Mapping[Attribute, float],
) -> dict[Attribute, Threshold]:
    """The threshold of each attribute that the run predicts, for its stated share of wrong answers
    among the sure ones.

    `singles` are the single models of the run. None without validation people, and with a warning
    where its folds predict new photos by a hard vote, or its people are too few to leave some out.
    """
    results = run.metrics()
    if not results.validated:
        return {}
    if (single := hard_vote(singles)) is not None:
        say(
            f"warning: no thresholds: the folds of {single.title} predict new photos by a hard"
            " vote, to which their own probabilities say nothing"
        )
        return {}
    table, probabilities = tables.oof(run)
    if calibrated is not None:
        probabilities = calibrated.probabilities.astype(probabilities.dtype)
    predicted = known_attributes(results)
    targets = {name: error for name, error in errors.items() if name in predicted}
    try:
        return thresholds.fit(probabilities, table, targets)
    except MaskgateError as error:
        say(f"warning: no thresholds: {error}")
        return {}


def passing_of(
    run: RunFolder, calibrated: Fit | None, thresholds: Mapping[Attribute, Threshold]
) -> list[Passing]:
    """What a door does with the run's validation people, by the threshold of the mask and by
    example costs; with both policies."""
    if "mask" not in thresholds:
        return []
    table, probabilities = tables.oof(run)
    if calibrated is not None:
        probabilities = calibrated.probabilities.astype(probabilities.dtype)
    lowest = thresholds["mask"].confidence
    lowest = UNSURE_BELOW["mask"] if lowest is None else lowest
    both = [
        passing.passing(probabilities, table, policy, threshold=lowest)
        for policy in get_args(Policy)
    ]
    return [each for each in both if each is not None]


def line(name: str, fitted: Threshold) -> str:
    """The threshold of an attribute and what it does, in one line."""
    title = name.replace("_", " ")
    if fitted.confidence is None:
        return f"{title}: no threshold meets an error of {fitted.target:g} among the sure answers"
    text = f"{title}: unsure below {fitted.confidence:.3f}, for an error of {fitted.target:g}"
    if fitted.all.error is None or fitted.all.another_look is None:
        return text
    return (
        f"{text}; of people left out of the fit, the error of sure answers is {fitted.all.error},"
        f" and {fitted.all.another_look} of all answers are unsure"
    )
