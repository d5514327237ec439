"""A score with its interval."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """A value with the ends of its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"
