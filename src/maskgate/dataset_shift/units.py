"""Two samples of photos, A and B, by person: permutations and resamples of whole people.

Photos of one person are not independent. A permutation moves all photos of a person in a set at
once from A to B or back; if the people of both sets come from the same population, each permutation
is as likely as the observed assignment. Resamples weight people as in `evaluation.bootstrap`.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

PERMUTATIONS: Final = 1999
RESAMPLES: Final = 1000


class Units:
    """The people of N photos. A person of both sets is one unit in each.

    `person` (N,) are names or codes, `is_b` (N,) whether a photo is of set B. With a `stratum` (N,)
    for each photo, which all photos of a person share, people are permuted within their stratum
    only.
    """

    def __init__(
        self, person: Sequence[object], is_b: Flags, seed: int, stratum: Codes | None = None
    ) -> None:
        people, _ = pd.factorize(np.asarray(person))
        self.unit, _ = pd.factorize(2 * people + is_b)
        self.count = int(self.unit.max()) + 1 if len(self.unit) else 0
        self.is_b = np.zeros(self.count, dtype=np.bool_)
        self.is_b[self.unit] = is_b
        self.stratum = np.zeros(self.count, dtype=np.int64)
        if stratum is not None:
            self.stratum[self.unit] = stratum
        self._seed = seed

    @cached_property
    def permuted(self) -> npt.NDArray[np.float32]:
        """Which units are in B (PERMUTATIONS, U), 0 or 1."""
        random = np.random.default_rng([self._seed, 1])
        permuted = np.empty((PERMUTATIONS, self.count), dtype=np.float32)
        for stratum in np.unique(self.stratum):
            members = np.flatnonzero(self.stratum == stratum)
            is_b = np.tile(self.is_b[members].astype(np.float32), (PERMUTATIONS, 1))
            permuted[:, members] = random.permuted(is_b, axis=1)
        return permuted

    @cached_property
    def weights(self) -> Floats:
        """Weights of the units (RESAMPLES, U) in Bayesian bootstrap resamples."""
        random = np.random.default_rng([self._seed, 2])
        return random.standard_exponential((RESAMPLES, self.count))

    def shares(self, unit: Codes) -> Floats:
        """The weight (n,) of photos of the units (n,): of each unit it adds up to 1."""
        return np.asarray(1 / np.bincount(unit, minlength=self.count)[unit])

    def sums_of(self, values: Floats, unit: Codes) -> Floats:
        """Sums (U, K) over the photos of each unit of values (n, K)."""
        return np.stack([np.bincount(unit, each, self.count) for each in values.T], axis=1)
