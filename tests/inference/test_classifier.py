"""Networks of any backend are averaged, or vote; classifiers are composed into ensembles."""

from collections.abc import Sequence

import numpy as np
import pytest

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.faces.view import View
from maskgate.imaging.pixels import Pixels
from maskgate.imaging.tta import tta_views
from maskgate.inference.backends.protocol import Prediction
from maskgate.inference.classifier import Classifier, Ensemble, SingleModel
from maskgate.inference.predictor import Predictor

GEOMETRY = Geometry(8, 6, margin=0.5)
FLIP = Component(name="flip")


class Linear:
    """A backend of one matrix multiplication on the pixels' means by column and channel."""

    attributes = tuple(labels.ATTRIBUTES)
    predicts_ages = True

    def __init__(self, seed: int) -> None:
        self.digest = str(seed)
        self.weights = np.random.default_rng(seed).normal(size=(18, labels.COUNT))

    def __call__(self, pictures: Pixels) -> Prediction:
        assert pictures.dtype == np.uint8 and pictures.shape[1:] == (8, 6, 3)
        features = pictures.mean(1).reshape(len(pictures), 18) / 32
        powers = np.exp(features @ self.weights)
        probabilities = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
        return Prediction(probabilities, features.sum(1).astype(np.float32))


class WithoutAges(Linear):
    predicts_ages = False

    def __call__(self, pictures: Pixels) -> Prediction:
        return super().__call__(pictures)._replace(ages=np.full(len(pictures), np.nan, np.float32))


def stored(count: int) -> Pixels:
    """Pictures of vertical stripes."""
    height, width = GEOMETRY.stored
    stripes = np.random.default_rng(9).integers(0, 256, (count, 1, width, 3), dtype=np.uint8)
    return np.repeat(stripes, height, axis=1)


def middle(pictures: Pixels) -> Pixels:
    return pictures[:, 2:10, 1:7]


def test_networks_are_averaged_over_variants_and_folds() -> None:
    pictures = stored(150)  # more than two batches
    networks = [Linear(seed) for seed in range(3)]
    classifier = SingleModel(networks, View(GEOMETRY), [FLIP])
    photos = middle(pictures)
    outputs = [n(p) for n in networks for p in (photos, photos[:, :, ::-1])]
    prediction = classifier([pictures])
    for actual, expected in zip(prediction, zip(*outputs, strict=True), strict=True):
        np.testing.assert_allclose(actual, np.mean(expected, axis=0), rtol=1e-5, atol=1e-6)
    assert classifier.count == 3
    assert classifier.attributes == ("mask", "gender", "age_band")


def test_networks_may_vote() -> None:
    pictures = stored(40)
    networks = [Linear(seed) for seed in range(3)]
    answers = SingleModel(networks, View(GEOMETRY), vote="hard_vote")([pictures])[0].argmax(1)
    votes = np.stack([network(middle(pictures))[0].argmax(1) for network in networks])
    agreed = [row for row in range(40) if len(set(votes[:, row])) == 2]
    assert agreed, "no picture on which two of three agree"
    for row in agreed:
        assert np.count_nonzero(votes[:, row] == answers[row]) == 2


def test_an_ensemble_is_composed_of_classifiers() -> None:
    first = SingleModel([Linear(0)], View(GEOMETRY), [FLIP])
    second = SingleModel([Linear(1), Linear(2)], View(GEOMETRY))
    vote = Combination(EnsembleSpec(Component(name="soft_vote")), {})
    inner = Ensemble([(first, 1.0), (second, 2.0)], vote)
    outer = Ensemble([(inner, 1.0), (first, 1.0)], vote)
    pictures = stored(5)
    from_first, from_second = first([pictures]), second([pictures])
    inside = [(a + 2 * b) / 3 for a, b in zip(from_first, from_second, strict=True)]
    overall = [(a + b) / 2 for a, b in zip(inside, from_first, strict=True)]
    for prediction, expected in (
        (inner([pictures, pictures]), inside),
        (outer([pictures, pictures, pictures]), overall),
    ):
        np.testing.assert_allclose(prediction.probabilities, expected[0], atol=1e-6)
        np.testing.assert_allclose(prediction.ages, expected[1], rtol=1e-5)
    assert (inner.count, outer.count, len(outer.views)) == (3, 4, 3)
    predictions = Predictor(outer).predict(np.ascontiguousarray(stored(2)))
    assert predictions.photos == ["photo 0", "photo 1"]
    assert predictions.ages is not None and predictions.ages.shape == (2,)


def test_the_age_of_an_ensemble_is_of_the_members_that_predict_one() -> None:
    years, without = (SingleModel([n], View(GEOMETRY)) for n in (Linear(0), WithoutAges(1)))
    vote = Combination(EnsembleSpec(Component(name="soft_vote")), {})
    both, neither = (Ensemble([(m, 1.0), (without, 3.0)], vote) for m in (years, without))
    pictures = stored(4)
    np.testing.assert_allclose(both([pictures, pictures]).ages, years([pictures]).ages)
    assert both.predicts_ages and not neither.predicts_ages
    assert np.isnan(neither([pictures, pictures]).ages).all()
    assert Predictor(neither).predict(np.ascontiguousarray(stored(2))).ages is None


def digests(classifiers: Sequence[Classifier]) -> set[str]:
    return {classifier.digest for classifier in classifiers}


def test_what_changes_probabilities_changes_the_digest() -> None:
    view, vote = View(GEOMETRY), Combination(EnsembleSpec(Component(name="soft_vote")), {})
    single = SingleModel([Linear(0), Linear(1)], view)
    several: list[Classifier] = [
        single,
        SingleModel([Linear(0)], view),
        SingleModel([Linear(1), Linear(0)], view),
        SingleModel([Linear(0), Linear(1)], view, [FLIP]),
        SingleModel([Linear(0), Linear(1)], view, vote="hard_vote"),
        SingleModel([Linear(0), Linear(1)], View(Geometry(8, 6, margin=0.25))),
        Ensemble([(single, 1.0)], vote),
        Ensemble([(single, 2.0)], vote),
        Ensemble([(single, 1.0)], Combination(EnsembleSpec(Component(name="hard_vote")), {})),
    ]
    assert len(digests(several)) == len(several)
    assert digests([single]) == digests([SingleModel([Linear(0), Linear(1)], view)])


def test_numbers_that_are_none_are_refused() -> None:
    class Broken(Linear):
        def __call__(self, pictures: Pixels) -> Prediction:
            nan = np.full((len(pictures), labels.COUNT), np.nan, np.float32)
            return Prediction(nan, nan[:, 0])

    with pytest.raises(MaskgateError, match="the model: the probabilities of 3 of 3 photos"):
        SingleModel([Broken(0)], View(GEOMETRY))([stored(3)])


def test_variants_that_cannot_be_made_are_refused() -> None:
    with pytest.raises(MaskgateError, match="leaves no room"):
        SingleModel([Linear(0)], View(Geometry(8, 6)), [Component(name="crops")])
    assert len(tta_views([FLIP], GEOMETRY)) == 2
