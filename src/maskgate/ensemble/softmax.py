"""Probabilities from logits, without SciPy."""

import numpy as np

from maskgate.ensemble.votes import Floats


def softmax(logits: Floats) -> Floats:
    """Probabilities (N, values) from logits of that shape: the same bits as SciPy's."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
