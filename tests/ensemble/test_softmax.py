"""Our softmax against SciPy's."""

import numpy as np
import pytest
from scipy import special

from maskgate.ensemble.softmax import softmax


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_has_scipys_bits(kind: type[np.floating]) -> None:
    random = np.random.default_rng(0)
    for columns in (2, 3, 18):
        for spread in (0.1, 5, 300):
            logits = random.normal(0, spread, (2000, columns)).astype(kind)
            np.testing.assert_array_equal(softmax(logits), special.softmax(logits, axis=1))
