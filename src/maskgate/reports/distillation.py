"""What a distilled student keeps of its teacher's gain: a table, and sentences."""

from pathlib import Path

from rich.table import Table

from maskgate.core import terminal
from maskgate.reports.compare import signed
from maskgate.runs.records.distillation import Distillation


def show(record: Distillation) -> None:
    """Print the comparison."""
    table = Table("", "run", record.score_of, "ms a photo", "networks", box=None, pad_edge=False)
    for name in ("single", "ensemble", "student"):
        each = getattr(record, name)
        table.add_row(
            name, Path(each.run).name, str(each.score), f"{each.milliseconds:.1f}",
            f"{each.networks}",
        )  # fmt: skip
    console = terminal.console()
    console.print(table)
    for sentence in sentences(record):
        console.print(sentence, soft_wrap=True)


def sentences(record: Distillation) -> list[str]:
    """What the comparison says, for terminal and page."""
    gain = signed(record.gain.as_score())
    kept = (
        "What share of the ensemble's gain the student keeps is undecided: the gain itself is"
        f" {gain}."
    )
    if record.kept is not None:
        share = record.kept
        kept = (
            f"The student keeps {share.value:.0%} [{share.low:.0%}, {share.high:.0%}] of the"
            f" ensemble's gain, which is {gain}."
        )
    warning = (
        "The student learned out-of-fold probabilities, from models that were trained on the people"
        " whom it is validated on: its score is too high, and may be above the ensemble's. Distil"
        " without --out-of-fold to measure it."
    )
    return [
        *([warning] if record.out_of_fold else []),
        f"Student less single: {signed(record.student_gain.as_score())}; ensemble less student:"
        f" {signed(record.lost.as_score())}; on the same resamples of {record.people:,} people.",
        kept,
        f"The student is {record.times_faster:.1f} times as fast as the ensemble: its networks see"
        f" {_pictures(record.student.passes)} for one prediction, the ensemble's"
        f" {record.ensemble.passes:,}.",
    ]


def _pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"
