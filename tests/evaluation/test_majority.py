"""The majority-class baseline against scikit-learn, and its intervals."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.evaluation import majority, metrics


def photos(people: int = 60, unknown: bool = False) -> pd.DataFrame:
    """Five photos with a mask, one worn incorrectly and one without, of people of 20 to 69."""
    random = np.random.default_rng(1)
    person = np.repeat(np.arange(people), 7)
    return photo_table.build(
        photo=[f"{number}.jpg" for number in range(len(person))],
        person=[f"p{number}" for number in person],
        mask=np.tile([0, 0, 0, 0, 0, 1, 2], people),
        gender=np.full(len(person), -1) if unknown else random.integers(0, 2, people)[person],
        age=random.integers(20, 70, people)[person],
    )


def test_it_scores_the_most_frequent_value() -> None:
    table = photos()
    baselines = majority.scores(table)
    assert list(baselines) == [*labels.ATTRIBUTES, "label"]
    for name, baseline in baselines.items():
        truth = table[name].to_numpy()
        size = len(labels.ATTRIBUTES.get(name, labels.CLASSES))
        answer = np.full(len(truth), np.bincount(truth).argmax())
        naive = f1_score(truth, answer, labels=range(size), average="macro", zero_division=0)
        assert baseline.macro_f1.value == pytest.approx(naive)
        assert baseline.accuracy.value == pytest.approx(np.mean(truth == answer))
        for score in (baseline.macro_f1, baseline.accuracy):
            assert score.low <= score.value <= score.high
    assert baselines["mask"].value == "wear"
    mask = baselines["mask"].accuracy
    assert mask.high - mask.low < 1e-9, "all people have five photos of seven with a mask"
    assert baselines["age_band"].accuracy.high > baselines["age_band"].accuracy.value + 0.05


def test_its_main_score_is_of_the_same_classes_as_that_of_a_model() -> None:
    for unknown in (False, True):
        table = photos(unknown=unknown)
        codes = [table[name].mode()[0] for name in labels.ATTRIBUTES]
        answer = table["label"].mode()[0] if not unknown else labels.encode(codes[0], 0, codes[2])
        constant = np.eye(labels.COUNT)[np.full(len(table), answer)]
        score = majority.main_score(table)
        assert score.value == pytest.approx(metrics.evaluate(constant, table, 10)["score"]["value"])
        assert score.low <= score.value <= score.high


def test_only_known_attributes_have_one() -> None:
    assert list(majority.scores(photos(unknown=True))) == ["mask", "age_band"]
    assert list(majority.scores(photos(), ["gender"])) == ["gender"]
    gender = majority.scores(photos(), ["gender"])["gender"]
    assert majority.main_score(photos(), ["gender"]) == gender.macro_f1


def test_its_interval_is_that_of_the_share() -> None:
    """Of many people it is about as wide as the normal approximation says."""
    table = photos(people=400)
    score = majority.scores(table)["gender"].accuracy
    width = 2 * 1.96 * np.sqrt(score.value * (1 - score.value) / 400)
    assert score.high - score.low == pytest.approx(width, rel=0.15)
