"""Stacking: a logistic regression from the members' probabilities to the labels."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from maskgate import labels
from maskgate.ensemble.softmax import softmax
from maskgate.ensemble.votes import Floats, MemberProbabilities, marginals, product

_LEAST: Final = 1e-6


def stacking(members: Sequence[MemberProbabilities], learned: Mapping[str, Any]) -> Floats:
    """A logistic regression by attribute on the members' probabilities, learned out of fold.

    Its mask, gender and age band are multiplied (Wolpert 1992).
    """
    parts = {
        name: softmax(
            features(members, name) @ np.array(learned[name]["weights"]) + learned[name]["bias"]
        )
        for name in labels.ATTRIBUTES
    }
    return product(parts)


def features(members: Sequence[MemberProbabilities], name: str) -> Floats:
    """Log-probabilities of an attribute's values by the members that predict it, (N, members ×
    values)."""
    logs = np.log(marginals(members, name).clip(_LEAST))
    return np.concatenate(list(logs), axis=1)
