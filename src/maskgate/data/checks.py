"""Faults of a data set: collected while reading, told together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from maskgate.errors import MaskgateError, listed


@dataclass(frozen=True)
class Problem:
    """One fault: its kind in a few words, the photo or person it concerns, and the detail.

    A `fatal` problem leaves a photo without a trustworthy label or without pixels; the
    others are worth knowing, and reading goes on.
    """

    kind: str
    where: str
    detail: str
    fatal: bool = False


def refuse(problems: Iterable[Problem], data: Path, skip: bool) -> None:
    """Raise MaskgateError that tells all fatal problems together, unless told to `skip` them."""
    fatal = [problem for problem in problems if problem.fatal]
    if fatal and not skip:
        told = listed([f"{problem.where} ({problem.detail})" for problem in fatal])
        raise MaskgateError(
            f"{data}: {len(fatal)} of its entries cannot be used: {told}; mend them, or leave"
            " them out with --skip-faulty"
        )


def summary(problems: Iterable[Problem]) -> list[str]:
    """One line a kind: `3 × extra photo (first: 000012/mask6.jpg)`."""
    problems = list(problems)
    first = {problem.kind: problem.where for problem in reversed(problems)}
    counts = Counter(problem.kind for problem in problems)
    return [f"{count} × {kind} (first: {first[kind]})" for kind, count in counts.items()]
