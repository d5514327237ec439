"""The members' mean, in which each one's word counts for mask, gender and age band by a weight."""

from collections.abc import Mapping, Sequence

import numpy as np

from maskgate import labels
from maskgate.ensemble.votes import Floats, Voice, marginals, product


def weights(voices: Sequence[Voice], learned: Mapping[str, Sequence[float]]) -> Floats:
    """The members' weighted mean by attribute, with weights that are learned out of fold.

    The means of mask, gender and age band, each of the members who know it, are multiplied.
    """
    parts = {
        name: np.average(marginals(voices, name), axis=0, weights=learned[name])
        for name in labels.ATTRIBUTES
    }
    return product(parts)
