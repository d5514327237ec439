"""Offsets of the classes' log-probabilities, for macro F1."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from maskgate.ensemble.softmax import softmax
from maskgate.ensemble.votes import Floats, MemberProbabilities

_LEAST: Final = 1e-9


def offsets(
    probabilities: Floats, members: Sequence[MemberProbabilities], learned: Mapping[str, Any]
) -> Floats:
    """An offset of each class's log-probability, learned out of fold for the largest macro F1.

    A penalty keeps them small, or at zero where they do not help.
    """
    logs = log_probabilities(probabilities) + np.array(learned["offsets"])
    return softmax(logs)


def log_probabilities(probabilities: Floats) -> Floats:
    """Log-probabilities (N, 18), which offsets are added to; finite where a probability is 0."""
    logs: Floats = np.log(probabilities.clip(_LEAST))
    return logs
