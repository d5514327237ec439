"""Pictures of photos → probabilities and ages: a single model, or an ensemble."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, Protocol

import numpy as np

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.core import finite
from maskgate.ensemble import votes
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.ensemble.votes import MemberProbabilities
from maskgate.faces.view import View
from maskgate.imaging.pixels import Pixels
from maskgate.imaging.tta import tta_digest, tta_views
from maskgate.inference.backends.protocol import Backend, Prediction

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
    def predicts_ages(self) -> bool:
        """Whether it predicts ages in years."""
        ...

    @property
    def count(self) -> int:
        """The number of its networks."""
        ...

    @property
    def digest(self) -> str:
        """A digest of everything but the photos that its probabilities depend on."""
        ...

    def __call__(self, pictures: Sequence[Pixels]) -> Prediction:
        """The prediction for N photos; `pictures` has an array (N, H, W, 3) for each view, as the
        view stores them. Raises MaskgateError where a probability is not finite."""
        ...


class SingleModel:
    """The networks of one recipe, such as those of its folds; see `Classifier`.

    The probabilities of each network are averaged over the views of a photo that `tta` gives,
    then the networks are combined by a `vote`, soft_vote or hard_vote. Ages are averaged over all.
    Raises MaskgateError where `tta` is wrong.
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
    def predicts_ages(self) -> bool:
        return self.networks[0].predicts_ages

    @property
    def count(self) -> int:
        return len(self.networks)

    @property
    def digest(self) -> str:
        networks = [network.digest for network in self.networks]
        view = self.view.name, self.view.geometry, tta_digest(self.tta_views)
        return _digest(repr((networks, view, self.vote)))

    def __call__(self, pictures: Sequence[Pixels]) -> Prediction:
        (stored,) = pictures
        batches = [stored[at : at + _BATCH] for at in range(0, len(stored), _BATCH)]
        parts = zip(*(self._of_batch(batch) for batch in batches), strict=True)
        prediction = Prediction(*map(np.concatenate, parts))
        finite.check(prediction.probabilities, "the model")
        return prediction

    def _of_batch(self, stored: Pixels) -> Prediction:
        inputs = [tta_view.apply(stored, self.view.geometry) for tta_view in self.tta_views]
        by_network = [
            _mean([network(pictures) for pictures in inputs]) for network in self.networks
        ]
        if self.vote == "soft_vote":
            return _mean(by_network)
        members = [
            MemberProbabilities(each.probabilities.astype(np.float64), self.attributes)
            for each in by_network
        ]
        return Prediction(votes.hard_vote(members).astype(np.float32), _mean(by_network).ages)


class Ensemble:
    """Classifiers with their weights, whose probabilities are combined; see `Classifier`.

    The age is the mean, by weight, of those that members predict.
    """

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
    def predicts_ages(self) -> bool:
        return any(member.predicts_ages for member, _ in self.members)

    @property
    def count(self) -> int:
        return sum(member.count for member, _ in self.members)

    @property
    def digest(self) -> str:
        members = [(member.digest, weight) for member, weight in self.members]
        combination = self.combination.spec, json.dumps(self.combination.learned, sort_keys=True)
        return _digest(repr((members, combination)))

    def __call__(self, pictures: Sequence[Pixels]) -> Prediction:
        members: list[MemberProbabilities] = []
        ages, weights = np.zeros(len(pictures[0]), dtype=np.float64), 0.0
        remaining = iter(pictures)
        for member, weight in self.members:
            member_pictures = list(islice(remaining, len(member.views)))
            prediction = member(member_pictures)
            members.append(MemberProbabilities(prediction.probabilities, member.attributes, weight))
            if member.predicts_ages:
                ages, weights = ages + weight * prediction.ages, weights + weight
        ages = ages / weights if weights else np.full_like(ages, np.nan)
        return Prediction(self.combination(members).astype(np.float32), ages.astype(np.float32))


def calibrated(classifier: Classifier, temperatures: Mapping[str, float]) -> Ensemble:
    """The classifier with its probabilities calibrated by temperatures, by attribute; see
    `ensemble.calibration`."""
    spec = EnsembleSpec(Component(name="soft_vote"), (Component(name="calibrate"),))
    learned = {"calibrate": {"temperatures": dict(temperatures)}}
    return Ensemble([(classifier, 1.0)], Combination(spec, learned))


def _mean(predictions: Sequence[Prediction]) -> Prediction:
    """The mean of predictions; of one, itself: a door spares every microsecond."""
    if len(predictions) == 1:
        return predictions[0]
    arrays = zip(*predictions, strict=True)
    return Prediction(*(np.mean(array, axis=0) for array in arrays))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
