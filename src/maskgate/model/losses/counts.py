"""How many training photos each class has; losses weight rare classes by it."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

ClassCounts = npt.NDArray[np.int64]
"""Training photos of each class (C,)."""

Counts = Mapping[str, ClassCounts]
"""Training photos of each of the 18 `classes` (18,), and of each attribute's values (K,)."""
