"""Calibrated probabilities: of photos with confidence .9, about nine in ten are right.

Temperature and vector scaling of Guo et al., On calibration of modern neural networks, ICML 2017,
separately for mask, gender and age band: their logits are divided by a temperature, or each is
multiplied by a scale and moved by a bias.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from maskgate import labels
from maskgate.ensemble.offsets import log_probabilities
from maskgate.ensemble.softmax import softmax
from maskgate.ensemble.votes import Floats, MemberProbabilities

_LEAST: Final = 1e-12
_PASSES: Final = 100
_CLOSE: Final = 1e-7  # a marginal this near to its target has it


def calibrate(
    probabilities: Floats, members: Sequence[MemberProbabilities], learned: Mapping[str, Any]
) -> Floats:
    """A temperature for each attribute, learned out of fold for the largest likelihood.

    The likeliest value of an attribute stays the likeliest (Guo et al. 2017).
    """
    parts = labels.marginals(probabilities.astype(np.float64))
    targets = {
        name: softmax(log_probabilities(parts[name]) / temperature)
        for name, temperature in learned["temperatures"].items()
    }
    return with_marginals(probabilities, targets)


def calibrate_vector(
    probabilities: Floats, members: Sequence[MemberProbabilities], learned: Mapping[str, Any]
) -> Floats:
    """A scale and a bias for each value of each attribute, learned as the temperatures are.

    It can correct a model that prefers one value, and may change which is the likeliest (vector
    scaling, Guo et al. 2017).
    """
    parts = labels.marginals(probabilities.astype(np.float64))
    targets = {
        name: softmax(
            log_probabilities(parts[name]) * np.array(each["scales"]) + np.array(each["biases"])
        )
        for name, each in learned["attributes"].items()
    }
    return with_marginals(probabilities, targets)


def with_marginals(probabilities: Floats, targets: Mapping[str, Floats]) -> Floats:
    """The probabilities (N, 18) with these marginals of some attributes, (N, 3) or (N, 2).

    Each class is multiplied by the ratio of the new to the old probability of its mask, gender and
    age band. Where these are independent, as after a factored head, that is the product of the new
    ones; else it is repeated until the marginals are right (iterative proportional fitting, Deming
    and Stephan, Annals of Mathematical Statistics 1940), so that how the attributes depend on each
    other is kept. An attribute without a target keeps its marginal.
    """
    joint: Floats = probabilities.astype(np.float64).clip(_LEAST)
    joint /= joint.sum(1, keepdims=True)
    targets = {**labels.marginals(joint), **targets}
    for _ in range(_PASSES):
        for name, target in targets.items():
            members = labels.MEMBERS[name]
            joint = joint * ((target / (joint @ members.T)) @ members)
        parts = labels.marginals(joint)
        gaps = [np.abs(parts[name] - target).max(initial=0) for name, target in targets.items()]
        if max(gaps) < _CLOSE:
            break
    return joint
