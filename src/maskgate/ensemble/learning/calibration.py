"""Temperatures, or scales and biases, that make the known labels likeliest."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize, minimize_scalar

from maskgate import labels
from maskgate.ensemble.offsets import log_probabilities
from maskgate.ensemble.softmax import softmax
from maskgate.ensemble.votes import Floats, MemberProbabilities

Codes = npt.NDArray[np.int64]

LOWEST: Final = 0.1  # temperature
HIGHEST: Final = 10.0
_SPREAD: Final = 0.5  # standard deviation of the prior of log temperatures, log scales and biases


def learn(
    probabilities: Floats, members: Sequence[MemberProbabilities], truth: pd.DataFrame
) -> dict[str, Any]:
    """`temperatures`, by attribute, of the attributes that members predict and the table labels.

    Each maximises the likelihood of the known labels, in which a person counts once however many
    photos there are, times a normal prior of its logarithm with mean 0: few people give a
    temperature near 1. It is from LOWEST to HIGHEST.
    """
    return {
        "temperatures": {
            name: _temperature(logs, codes, people)
            for name, (logs, codes, people) in _known(probabilities, members, truth).items()
        }
    }


def learn_vector(
    probabilities: Floats, members: Sequence[MemberProbabilities], truth: pd.DataFrame
) -> dict[str, Any]:
    """By attribute `scales` and `biases` of its values, fitted as by `learn`; the prior is of the
    logarithms of the scales, and of the biases."""
    return {
        "attributes": {
            name: _vector(logs, codes, people)
            for name, (logs, codes, people) in _known(probabilities, members, truth).items()
        }
    }


def _known(
    probabilities: Floats, members: Sequence[MemberProbabilities], truth: pd.DataFrame
) -> Mapping[str, tuple[Floats, Codes, int]]:
    """By attribute the log-probabilities (K, values) and the codes (K,) of the K photos whose label
    is known, and the number of people on them; only what members predict."""
    predicted = {name for member in members for name in member.attributes}
    parts = labels.marginals(probabilities.astype(np.float64))
    known = {}
    for name in labels.ATTRIBUTES:
        codes = truth[name].to_numpy(np.int64)
        rows = np.flatnonzero(codes != labels.UNKNOWN)
        if name in predicted and len(rows):
            people = int(truth["person"].iloc[rows].nunique())
            known[name] = log_probabilities(parts[name][rows]), codes[rows], people
    return known


def _temperature(logs: Floats, codes: Codes, people: int) -> float:
    """The temperature for log-probabilities (K, values) of photos with these codes (K,)."""
    rows = np.arange(len(codes))

    def loss(log_temperature: float) -> float:
        shares = softmax(logs / np.exp(log_temperature))
        likelihood = np.log(shares[rows, codes].clip(1e-300)).mean()
        return float(log_temperature**2 / (2 * _SPREAD**2) / people - likelihood)

    limits = float(np.log(LOWEST)), float(np.log(HIGHEST))
    options = {"xatol": 1e-6}
    return float(np.exp(minimize_scalar(loss, bounds=limits, method="bounded", options=options).x))


def _vector(logs: Floats, codes: Codes, people: int) -> dict[str, list[float]]:
    """The `scales` and `biases` for log-probabilities (K, values) of photos with these codes."""
    count = logs.shape[1]
    rows, true = np.arange(len(codes)), np.eye(count)[codes]
    strength = 1 / (_SPREAD**2 * people)

    def loss(both: Floats) -> tuple[float, Floats]:
        scales, biases = np.exp(both[:count]), both[count:]
        shares = softmax(logs * scales + biases)
        likelihood = np.log(shares[rows, codes].clip(1e-300)).mean()
        error = (shares - true) / len(codes)
        slope = np.concatenate([(error * logs).sum(0) * scales, error.sum(0)])
        return strength / 2 * (both**2).sum() - likelihood, strength * both + slope

    limit = float(np.log(HIGHEST))
    bounds = [(-limit, limit)] * (2 * count)
    fitted = minimize(loss, np.zeros(2 * count), jac=True, method="L-BFGS-B", bounds=bounds).x
    return {"scales": np.exp(fitted[:count]).tolist(), "biases": fitted[count:].tolist()}
