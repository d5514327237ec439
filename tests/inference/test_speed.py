"""How long predictions take, and how many pictures they look at."""

import time
from pathlib import Path

import numpy as np
import pytest

from maskgate.config.settings import Component
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.inference import loading, speed
from maskgate.inference.classifier import Classifier, Ensemble
from maskgate.runs import RunFolder

SOFT_VOTE = Combination(EnsembleSpec(Component(name="soft_vote")), {})


class Slow:
    """A classifier that takes longer for every prediction."""

    def __init__(self, classifier: Classifier, seconds: float) -> None:
        self.classifier, self.seconds, self.calls = classifier, seconds, 0
        self.views, self.count = classifier.views, classifier.count

    def __call__(self, pictures: object) -> None:
        self.calls += 1
        time.sleep(self.seconds)


def test_the_times_are_of_each_classifier_on_each_photo(trained: Path, people: Path) -> None:
    classifier = loading.of_run(RunFolder(trained))
    photos = sorted((people / "eval" / "images").iterdir())[:2]
    classifiers = {"slow": Slow(classifier, 0.02), "fast": Slow(classifier, 0.001)}
    times = speed.milliseconds(classifiers, photos)  # type: ignore[arg-type]
    assert {name: len(each) for name, each in times.items()} == {"slow": 6, "fast": 6}
    assert classifiers["slow"].calls == 8  # the first of each photo is not counted
    assert min(times["slow"]) >= 20 > np.median(times["fast"]) >= 1


def test_every_network_sees_every_view(trained: Path) -> None:
    run = RunFolder(trained)
    plain = loading.of_run(run)
    flipped = loading.of_run(run, tta=[Component(name="flip")])
    assert (speed.passes(plain), speed.passes(flipped)) == (2, 4)
    ensemble = Ensemble([(plain, 1.0), (flipped, 1.0)], SOFT_VOTE)
    assert speed.passes(ensemble) == 6


def test_a_photo_that_is_gone_is_named(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=r"gone\.jpg: cannot be read .*; put it back"):
        speed.milliseconds({"it": loading.of_run(RunFolder(trained))}, [tmp_path / "gone.jpg"])
