"""The rule by which a door may open, and what was measured of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from maskgate.core import wilson
from maskgate.door.acceptance.passages import Passage
from maskgate.door.acceptance.record import Record

Conclusion = Literal["open", "closed", "incomplete"]
MAX_SKIPPED: Final = 2


@dataclass(frozen=True)
class Limits:
    """What is required: how many must be let through, how many of the others must get the right
    verdict, and the median and 95% quantile of the times, in seconds, at most."""

    let_through: int
    stopped: int
    median: float
    slowest: float


@dataclass(frozen=True)
class Share:
    """`count` of `total`, with Wilson's 95% interval (1927)."""

    count: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """From 0 to 1; all of it if there is none to count."""
        return wilson.interval(self.count, self.total)


@dataclass(frozen=True)
class Findings:
    """Of a check: who was let in wrongly, who was let through and who was stopped rightly; median
    and 95% quantile of the times to the right verdict, None without any."""

    let_in: Share
    let_through: Share
    stopped: Share
    held: Share
    median: float | None
    slowest: float | None
    times: int
    skipped: int
    missing: int


def find(passages: Sequence[Passage], record: Record) -> Findings:
    """What the attempts say. A passage that is let through is right and held. One without an
    outcome does not count as let through or stopped."""
    outcomes = {
        number: attempt.outcome
        for number, attempt in record.valid().items()
        if attempt.outcome is not None
    }
    stop = [number for number, each in enumerate(passages) if each.may_not_pass]
    go = [number for number, each in enumerate(passages) if each.may_pass]
    stopped = [outcomes[number] for number in stop if number in outcomes]
    through = [outcomes[number] for number in go if number in outcomes]
    right = [each for each in outcomes.values() if each.is_right]
    times = [each.seconds for each in right if each.seconds is not None]
    return Findings(
        let_in=Share(sum(each.is_let_in for each in stopped), len(stopped)),
        let_through=Share(sum(each.is_right and each.is_held for each in through), len(go)),
        stopped=Share(sum(each.is_right and not each.is_let_in for each in stopped), len(stop)),
        held=Share(sum(each.is_held for each in right), len(right)),
        median=float(np.median(times)) if times else None,
        slowest=float(np.percentile(times, 95)) if times else None,
        times=len(times),
        skipped=sum(each.skip is not None for each in record.valid().values()),
        missing=len(passages) - len(record.valid()),
    )


def requirements(findings: Findings, limits: Limits) -> dict[str, bool]:
    """Which parts of the rule are met."""
    return {
        "let_in": findings.let_in.count == 0,
        "let_through": findings.let_through.count >= limits.let_through,
        "stopped": findings.stopped.count >= limits.stopped,
        "median": findings.median is not None and findings.median <= limits.median,
        "slowest": findings.slowest is not None and findings.slowest <= limits.slowest,
        "complete": findings.missing == 0 and findings.skipped <= MAX_SKIPPED,
    }


def conclude(findings: Findings, limits: Limits) -> Conclusion:
    """Whether the door may open: all parts are met. A wrong go is enough for it not to open, also
    in a check that is not complete."""
    met = requirements(findings, limits)
    if all(met.values()):
        return "open"
    return "incomplete" if findings.missing and met["let_in"] else "closed"
