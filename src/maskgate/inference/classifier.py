"""Pictures of photos → probabilities: a single model, or an ensemble."""

import hashlib
import json
from collections.abc import Sequence
from itertools import islice
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.core import finite
from maskgate.ensemble import votes
from maskgate.ensemble.combining import Combination
from maskgate.ensemble.votes import MemberProbabilities
from maskgate.faces.view import View
from maskgate.imaging.pixels import Pixels
from maskgate.imaging.tta import tta_digest, tta_views
from maskgate.inference.backends.protocol import Backend

Probabilities = npt.NDArray[np.float32]
_BATCH: Final = 64  # pictures in one call of a network


class Classifier(Protocol):
    """Gives probabilities for photos, each seen in one or several views."""

    @property
    def views(self) -> Sequence[View]:
        """How a photo becomes pictures: one picture a view."""
        ...

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that it predicts; the values of the others are all as likely."""
        ...

    @property
    def count(self) -> int:
        """The number of its networks."""
        ...

    @property
    def digest(self) -> str:
        """A digest of everything but the photos that its probabilities depend on."""
        ...

    def __call__(self, pictures: Sequence[Pixels]) -> Probabilities:
        """Probabilities (N, 18) of N photos; `pictures` has an array (N, H, W, 3) for each view, as
        the view stores them. Raises MaskgateError where one is not finite."""
        ...


class SingleModel:
    """The networks of one recipe, such as those of its folds; see `Classifier`.

    The probabilities of each network are averaged over the views of a photo that `tta` gives,
    then the networks are combined by a `vote`, soft_vote or hard_vote. Raises MaskgateError where
    `tta` is wrong.
    """

    def __init__(
        self,
        networks: Sequence[Backend],
        view: View,
        tta: Sequence[Component] = (),
        vote: str = "soft_vote",
    ) -> None:
        self.networks, self.view, self.vote = networks, view, vote
        self.tta_views = tta_views(tta, view.geometry)

    @property
    def views(self) -> Sequence[View]:
        return [self.view]

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.networks[0].attributes

    @property
    def count(self) -> int:
        return len(self.networks)

    @property
    def digest(self) -> str:
        networks = [network.digest for network in self.networks]
        view = self.view.name, self.view.geometry, tta_digest(self.tta_views)
        return _digest(repr((networks, view, self.vote)))

    def __call__(self, pictures: Sequence[Pixels]) -> Probabilities:
        (stored,) = pictures
        batches = [stored[at : at + _BATCH] for at in range(0, len(stored), _BATCH)]
        probabilities = np.concatenate([self._of_batch(batch) for batch in batches])
        finite.check(probabilities, "the model")
        return probabilities

    def _of_batch(self, stored: Pixels) -> Probabilities:
        inputs = [tta_view.apply(stored, self.view.geometry) for tta_view in self.tta_views]
        by_network = [
            _mean([network(pictures) for pictures in inputs]) for network in self.networks
        ]
        if self.vote == "soft_vote":
            return _mean(by_network)
        members = [MemberProbabilities(p.astype(np.float64), self.attributes) for p in by_network]
        return votes.hard_vote(members).astype(np.float32)


class Ensemble:
    """Classifiers with their weights, whose probabilities are combined; see `Classifier`."""

    def __init__(
        self, members: Sequence[tuple[Classifier, float]], combination: Combination
    ) -> None:
        self.members, self.combination = members, combination

    @property
    def views(self) -> Sequence[View]:
        return [view for member, _ in self.members for view in member.views]

    @property
    def attributes(self) -> tuple[str, ...]:
        predicted = {name for member, _ in self.members for name in member.attributes}
        return tuple(name for name in labels.ATTRIBUTES if name in predicted)

    @property
    def count(self) -> int:
        return sum(member.count for member, _ in self.members)

    @property
    def digest(self) -> str:
        members = [(member.digest, weight) for member, weight in self.members]
        combination = self.combination.spec, json.dumps(self.combination.learned, sort_keys=True)
        return _digest(repr((members, combination)))

    def __call__(self, pictures: Sequence[Pixels]) -> Probabilities:
        members: list[MemberProbabilities] = []
        remaining = iter(pictures)
        for member, weight in self.members:
            member_pictures = list(islice(remaining, len(member.views)))
            probabilities = member(member_pictures)
            members.append(MemberProbabilities(probabilities, member.attributes, weight))
        return self.combination(members).astype(np.float32)


def _mean(probabilities: Sequence[Probabilities]) -> Probabilities:
    """The mean of arrays (N, 18); of one array, itself: a door spares every microsecond."""
    if len(probabilities) == 1:
        return probabilities[0]
    mean: Probabilities = np.mean(probabilities, axis=0)
    return mean


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
