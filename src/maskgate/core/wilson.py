"""Wilson's interval of a share (Probable inference, the law of succession, and statistical
inference, JASA 1927)."""

import math
from statistics import NormalDist
from typing import Final

NORMAL: Final = 1.959964  # the 97.5% quantile of the normal distribution


def quantile(tests: float) -> float:
    """The normal quantile of a two-sided 95% interval that holds for so many `tests` at once
    (Bonferroni)."""
    return NormalDist().inv_cdf(1 - 0.025 / tests)


def interval(count: int, total: int, normal: float = NORMAL) -> tuple[float, float]:
    """Of `count` among `total`, from 0 to 1; all of it if there is none to count. `normal` is the
    quantile of the normal distribution, by default that of 95%."""
    if total == 0:
        return 0.0, 1.0
    share, z = count / total, normal**2 / total
    centre = (share + z / 2) / (1 + z)
    half = math.sqrt(z * share * (1 - share) + z**2 / 4) / (1 + z)
    return max(0.0, centre - half), min(1.0, centre + half)
