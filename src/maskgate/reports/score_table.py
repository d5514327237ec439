"""A terminal table with the scores of several models and of their ensemble."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from rich.table import Table

from maskgate.core import terminal
from maskgate.core.progress import say
from maskgate.ensemble.combining import CALIBRATIONS
from maskgate.reports.compare import signed
from maskgate.runs.records.results import Member, Step


def show(members: Mapping[str, Member], steps: Sequence[Step]) -> None:
    """Print the `members` and `steps` of a metrics.json; one line if there is no score."""
    if not steps:
        say("some models have no validation, so the ensemble has no out-of-fold score")
        return
    table = Table("", "out-of-fold", "", "gain", "", box=None, pad_edge=False)
    for name, member in members.items():
        table.add_row(name, str(member.score or "–"), member.score_of, "", "")
    for step in steps if len(members) > 1 or len(steps) > 1 else []:
        gain, over = (
            ("", "") if step.gain is None else (signed(step.gain.as_score()), f"over {step.before}")
        )
        table.add_row(step.name, str(step.score), step.score_of, gain, over)
    terminal.console().print(table)
    for before, step in calibrating(steps):
        _show_calibration(before, step)


def calibrating(steps: Sequence[Step]) -> list[tuple[Step, Step]]:
    """The steps that calibrate, each after the step before it."""
    return [pair for pair in pairwise(steps) if pair[1].name in CALIBRATIONS]


def _show_calibration(before: Step, step: Step) -> None:
    """Print the expected calibration errors before and after a step."""
    table = Table("expected calibration error", before.name, step.name, box=None, pad_edge=False)
    for name, error in step.calibration_errors.items():
        earlier = before.calibration_errors.get(name)
        table.add_row(name.replace("_", " "), str(earlier or "–"), str(error))
    terminal.console().print(table)
