"""What to do with a person who may pass with probability p, where mistakes and looks have costs.

Letting in somebody who may not pass costs `let_in`, stopping somebody who may costs `stopped`, and
another look costs `look`. The expected costs are let_in · (1 − p) of letting in, stopped · p of
stopping, and look; what has the least is done. That is Chow's rule (On optimum recognition error
and reject tradeoff, IEEE Transactions on Information Theory 1970) for two classes with costs. It
needs calibrated probabilities. The unit of the costs does not matter.
"""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

Choice = Literal["look", "stop", "go"]
CHOICES: Final[tuple[Choice, ...]] = get_args(Choice)
"""What can be done; of equal costs the first."""


@dataclass(frozen=True)
class Costs:
    """The costs of both mistakes and of another look, in any one unit. Raises ValueError for one
    that is not above 0."""

    let_in: float
    stopped: float
    look: float

    def __post_init__(self) -> None:
        for name, cost in asdict(self).items():
            if not (isfinite(cost) and cost > 0):
                raise ValueError(f"the cost {name} is not a number above 0")

    def choice(self, may_pass: float) -> Choice:
        """What to do with a person who may pass with this probability."""
        return CHOICES[self.choices(np.array([may_pass]))[0]]

    def choices(self, may_pass: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        """What to do (N,), as places in CHOICES, with people who may pass with these probabilities
        (N,)."""
        look = np.full(len(may_pass), self.look)
        expected = np.stack([look, self.stopped * may_pass, self.let_in * (1 - may_pass)])
        return expected.argmin(0)

    @property
    def stop_below(self) -> float:
        """The probability of may pass up to which people are stopped."""
        return min(self.look / self.stopped, self._even)

    @property
    def go_above(self) -> float:
        """The probability of may pass above which people are let in."""
        return max(1 - self.look / self.let_in, self._even)

    @property
    def _even(self) -> float:
        """The probability at which stopping costs as much as letting in."""
        return self.let_in / (self.let_in + self.stopped)

    def __str__(self) -> str:
        text = f"go above {self.go_above:.1%}, stop below {self.stop_below:.1%}"
        return text if self.stop_below == self.go_above else f"{text}, else another look"
