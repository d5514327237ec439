"""The members' mean, weighted separately for mask, gender and age band."""

from collections.abc import Mapping, Sequence

import numpy as np

from maskgate import labels
from maskgate.ensemble.votes import Floats, MemberProbabilities, marginals, product


def weights(
    members: Sequence[MemberProbabilities], learned: Mapping[str, Sequence[float]]
) -> Floats:
    """The members' weighted mean by attribute, with weights that are learned out of fold.

    The means of mask, gender and age band, each over the members that predict it, are multiplied.
    """
    parts = {
        name: np.average(marginals(members, name), axis=0, weights=learned[name])
        for name in labels.ATTRIBUTES
    }
    return product(parts)
