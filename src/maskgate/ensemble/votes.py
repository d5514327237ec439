"""What several models say of a photo, and the ways to vote that need nothing learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from maskgate import labels

Floats = npt.NDArray[np.floating]
_EVEN: Final = 1e-6  # shares of the votes that differ by less are even


@dataclass(frozen=True)
class Voice:
    """What one member says: probabilities (N, 18), the attributes it knows, and its weight."""

    probabilities: Floats
    attributes: tuple[str, ...]
    weight: float = 1.0

    def of(self, rows: npt.NDArray[Any]) -> "Voice":
        """What it says of those rows, numbers or a mask."""
        return replace(self, probabilities=self.probabilities[rows])


def soft_vote(voices: Sequence[Voice]) -> Floats:
    """The weighted mean of the members' probabilities (S1)."""
    weights = [voice.weight for voice in voices]
    return np.average([voice.probabilities for voice in voices], axis=0, weights=weights)


def hard_vote(voices: Sequence[Voice]) -> Floats:
    """Each member votes for its likeliest class, with its weight (S0, S3, S4).

    One that does not know an attribute shares its vote out to the classes that differ in it alone.
    Of classes that come out even, the one leads whose mask, gender and age band got most votes
    together; of those even still, the likeliest by the members' mean. The probabilities are the
    shares of the votes; at most a hundredth of them tells of ties, and changes nothing else.
    """
    votes = soft_vote([replace(v, probabilities=_vote(v.probabilities)) for v in voices])
    parts = labels.marginals(votes)
    together = np.sum([part @ labels.MEMBERS[name] for name, part in parts.items()], axis=0)
    together /= together.sum(axis=1, keepdims=True)
    return _ties_broken(votes, _ties_broken(together, soft_vote(voices)))


def _vote(said: Floats) -> Floats:
    """One vote (N, 18) a photo, for the likeliest class or those that are as likely."""
    likeliest = said >= said.max(axis=1, keepdims=True) * (1 - _EVEN)
    return likeliest / likeliest.sum(axis=1, keepdims=True)


def _ties_broken(first: Floats, then: Floats) -> Floats:
    """`first` (N, 18), and so little of `then` that it tells only what is even in it apart."""
    leads = np.diff(np.sort(first, axis=1), axis=1)
    least = np.where(leads > _EVEN, leads, 1.0).min(axis=1, keepdims=True)
    share = np.minimum(0.01, least / 4)
    return (1 - share) * first + share * then


def by_attribute(voices: Sequence[Voice]) -> Floats:
    """Mask, gender and age band, each from the members who know it, multiplied (S0, S1).

    Several who know one are averaged by weight.
    """
    parts = {}
    for name in labels.ATTRIBUTES:
        told = marginals(voices, name)
        weights = [voice.weight for voice in voices if name in voice.attributes]
        parts[name] = np.average(told, axis=0, weights=weights)
    return product(parts)


def marginals(voices: Sequence[Voice], name: str) -> Floats:
    """What those who know an attribute say of it, (members, N, values)."""
    knowing = [voice for voice in voices if name in voice.attributes]
    return np.stack([labels.marginals(voice.probabilities)[name] for voice in knowing])


def product(parts: Mapping[str, Floats]) -> Floats:
    """Probabilities (N, 18) from those of the attributes, (N, 3), (N, 2) and (N, 3)."""
    return np.prod([part @ labels.MEMBERS[name] for name, part in parts.items()], axis=0)
