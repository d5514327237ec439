"""What each member of an ensemble predicts, and the votes that need no fitting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from maskgate import labels

Floats = npt.NDArray[np.floating]
_EVEN: Final = 1e-6  # shares of the votes that differ by less count as equal


@dataclass(frozen=True)
class MemberProbabilities:
    """One member's probabilities (N, 18), the attributes that it predicts, and its weight."""

    probabilities: Floats
    attributes: tuple[str, ...]
    weight: float = 1.0

    def select(self, rows: npt.NDArray[Any]) -> "MemberProbabilities":
        """The same for some rows, given as row numbers or as a mask (N,)."""
        return replace(self, probabilities=self.probabilities[rows])


def soft_vote(members: Sequence[MemberProbabilities]) -> Floats:
    """The weighted mean of the members' probabilities (S1)."""
    weights = [member.weight for member in members]
    return np.average([member.probabilities for member in members], axis=0, weights=weights)


def hard_vote(members: Sequence[MemberProbabilities]) -> Floats:
    """Each member votes for its likeliest class, with its weight (S0, S3, S4).

    A member that does not predict an attribute shares its vote among the classes that differ in
    that attribute alone. A tie goes to the class whose mask, gender and age band got most votes
    together, then to the likeliest by the members' mean. The probabilities are the shares of the
    votes; at most a hundredth of them breaks ties, and changes nothing else.
    """
    votes = soft_vote([replace(m, probabilities=_vote(m.probabilities)) for m in members])
    parts = labels.marginals(votes)
    by_attributes = np.sum([part @ labels.MEMBERS[name] for name, part in parts.items()], axis=0)
    by_attributes /= by_attributes.sum(axis=1, keepdims=True)
    return _break_ties(votes, _break_ties(by_attributes, soft_vote(members)))


def _vote(probabilities: Floats) -> Floats:
    """One vote (N, 18) a photo, for the likeliest class or those that are as likely."""
    likeliest = probabilities >= probabilities.max(axis=1, keepdims=True) * (1 - _EVEN)
    return likeliest / likeliest.sum(axis=1, keepdims=True)


def _break_ties(votes: Floats, tie_breaker: Floats) -> Floats:
    """`votes` (N, 18), mixed with so little of `tie_breaker` that it only decides ties."""
    leads = np.diff(np.sort(votes, axis=1), axis=1)
    least = np.where(leads > _EVEN, leads, 1.0).min(axis=1, keepdims=True)
    share = np.minimum(0.01, least / 4)
    return (1 - share) * votes + share * tie_breaker


def by_attribute(members: Sequence[MemberProbabilities]) -> Floats:
    """Mask, gender and age band, each from the members that predict it, multiplied (S0, S1).

    If several members predict an attribute, it is their mean by weight.
    """
    parts = {}
    for name in labels.ATTRIBUTES:
        weights = [member.weight for member in members if name in member.attributes]
        parts[name] = np.average(marginals(members, name), axis=0, weights=weights)
    return product(parts)


def marginals(members: Sequence[MemberProbabilities], name: str) -> Floats:
    """The probabilities of an attribute by the members that predict it, (members, N, values)."""
    predicting = [member for member in members if name in member.attributes]
    return np.stack([labels.marginals(member.probabilities)[name] for member in predicting])


def product(parts: Mapping[str, Floats]) -> Floats:
    """Probabilities (N, 18) from those of the attributes, (N, 3), (N, 2) and (N, 3)."""
    return np.prod([part @ labels.MEMBERS[name] for name, part in parts.items()], axis=0)
