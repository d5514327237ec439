"""A small model on top of the members: logistic regression from what they say to what is true."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from maskgate import labels
from maskgate.ensemble.softmax import softmax
from maskgate.ensemble.votes import Floats, Voice, marginals, product

_LEAST: Final = 1e-6


def stacking(voices: Sequence[Voice], learned: Mapping[str, Any]) -> Floats:
    """A logistic regression by attribute on what the members say, learned out of fold.

    Its mask, gender and age band are multiplied (Wolpert 1992).
    """
    parts = {
        name: softmax(
            features(voices, name) @ np.array(learned[name]["weights"]) + learned[name]["bias"]
        )
        for name in labels.ATTRIBUTES
    }
    return product(parts)


def features(voices: Sequence[Voice], name: str) -> Floats:
    """The log-probabilities that the members who know an attribute give its values, (N, members ×
    values)."""
    told = np.log(marginals(voices, name).clip(_LEAST))
    return np.concatenate(list(told), axis=1)
