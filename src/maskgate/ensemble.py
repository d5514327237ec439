"""Combines the probabilities of several models into one, by the name in a system's `combine`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.config import Named, lookup
from maskgate.errors import MaskgateError

Floats = npt.NDArray[np.floating]
_TIE: Final = 1e-6  # shares of the votes that differ by less are even


@dataclass(frozen=True)
class Voice:
    """What one member says: probabilities (N, 18), the attributes it knows, and its weight."""

    probabilities: Floats
    knows: tuple[str, ...]
    weight: float = 1.0


def soft_vote(voices: Sequence[Voice]) -> Floats:
    """The weighted mean of the members' probabilities (S1)."""
    weights = [voice.weight for voice in voices]
    return np.average([voice.probabilities for voice in voices], axis=0, weights=weights)


def hard_vote(voices: Sequence[Voice]) -> Floats:
    """Each member votes for its likeliest class, with its weight (S0, S3, S4).

    The probabilities are shares of the votes; at most a hundredth of them is the members' mean,
    which breaks ties and nothing but ties.
    """
    votes = soft_vote(
        [
            Voice(np.eye(labels.COUNT)[voice.probabilities.argmax(1)], voice.knows, voice.weight)
            for voice in voices
        ]
    )
    leads = np.diff(np.sort(votes, axis=1), axis=1)
    least = np.where(leads > _TIE, leads, 1.0).min(axis=1, keepdims=True)
    share = np.minimum(0.01, least / 4)
    return (1 - share) * votes + share * soft_vote(voices)


def attributes(voices: Sequence[Voice]) -> Floats:
    """Mask, gender and age band, each from the members who know it, multiplied (S0, S1).

    Several who know one are averaged by weight.
    """
    parts = {}
    for name in labels.ATTRIBUTES:
        knowing = [voice for voice in voices if name in voice.knows]
        parts[name] = np.average(
            [labels.marginals(voice.probabilities)[name] for voice in knowing],
            axis=0,
            weights=[voice.weight for voice in knowing],
        )
    return np.prod([part @ labels.MEMBERS[name] for name, part in parts.items()], axis=0)


COMBINATIONS: Final[dict[str, Callable[..., Floats]]] = {
    "soft_vote": soft_vote,
    "hard_vote": hard_vote,
    "attributes": attributes,
}


def check(named: Named, knows: Sequence[tuple[str, ...]]) -> None:
    """Raise MaskgateError where members that know these attributes cannot be combined so."""
    lookup("combination", named.name, COMBINATIONS)
    if named.arguments:
        raise MaskgateError(
            f"combine {named.name} takes no arguments; remove {', '.join(named.arguments)}"
        )
    every = set(labels.ATTRIBUTES)
    if named.name == "attributes":
        if missing := every - {name for each in knows for name in each}:
            raise MaskgateError(
                f"combine attributes: no member knows {', '.join(sorted(missing))}; add one"
            )
    elif any(set(each) != every for each in knows):
        raise MaskgateError(
            f"combine {named.name} is for members that know all attributes; use attributes"
        )


def combine(named: Named, voices: Sequence[Voice]) -> Floats:
    """Probabilities (N, 18) of what the members say together. Raises MaskgateError."""
    check(named, [voice.knows for voice in voices])
    return COMBINATIONS[named.name](voices)
