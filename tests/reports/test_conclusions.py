"""Sentences on runs with a known weakness, and on one of which nothing is decided."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.evaluation import metrics, slices
from maskgate.evaluation.conclusions import Conclusions, conclude
from maskgate.reports.conclusions import sentences
from maskgate.runs.records.results import Results

PHOTOS = 7
Codes = npt.NDArray[np.integer[Any]]
Change = Callable[[pd.DataFrame, np.random.Generator], dict[str, Codes]]


def run_of(
    change: Change,
    people: int = 240,
    ages: tuple[int, int] = (20, 80),
    attributes: tuple[str, ...] = tuple(labels.ATTRIBUTES),
    has_slices: bool = True,
) -> Conclusions:
    """What is concluded of a run on so many people, whose predictions are right for 97 of 100
    photos in each attribute, and else as `change` says."""
    random = np.random.default_rng(4)
    person = np.repeat(np.arange(people), PHOTOS)
    table = photo_table.build(
        photo=[f"{number}.jpg" for number in range(len(person))],
        person=[f"p{number}" for number in person],
        mask=np.tile([0, 0, 0, 0, 0, 1, 2], people),
        gender=(person % 2).tolist(),
        age=random.integers(*ages, people)[person].tolist(),
    )
    predicted = {}
    for name, values in labels.ATTRIBUTES.items():
        truth = table[name].to_numpy()
        other = (truth + random.integers(1, len(values), len(table))) % len(values)
        predicted[name] = np.where(random.random(len(table)) < 0.97, truth, other)
    predicted |= change(table, random)
    probabilities = np.eye(labels.COUNT)[labels.encode(**predicted)]
    scores = metrics.evaluate(probabilities, table, attributes=attributes)
    if has_slices:
        scores["slices"] = slices.scores(probabilities, table, attributes)
    results = Results.model_validate(
        {"version": 1, "validated": True, "selection": "last"}
        | scores
        | {"slices": [each.model_dump() for each in scores.get("slices", [])]}
    )
    return conclude(results, table, probabilities)


def nothing(table: pd.DataFrame, random: np.random.Generator) -> dict[str, Codes]:
    return {}


def random_gender(table: pd.DataFrame, random: np.random.Generator) -> dict[str, Codes]:
    return {"gender": random.integers(0, 2, len(table))}


def wrong_near_thirty(table: pd.DataFrame, random: np.random.Generator) -> dict[str, Codes]:
    is_near = table["age"].between(25, 34).to_numpy()
    band = table["age_band"].to_numpy()
    return {"age_band": np.where(is_near & (random.random(len(table)) < 0.7), 1 - band, band)}


def weak_incorrect(table: pd.DataFrame, random: np.random.Generator) -> dict[str, Codes]:
    mask = table["mask"].to_numpy()
    return {"mask": np.where((mask == 1) & (random.random(len(table)) < 0.6), 0, mask)}


def texts(conclusions: Conclusions) -> dict[str, str]:
    by_title = dict(sentences(conclusions))
    assert len(by_title) == len(sentences(conclusions))
    return by_title


def test_labels_of_gender_at_random() -> None:
    paragraphs = texts(run_of(random_gender))
    assert "mask, macro F1 0.9" in paragraphs["Strong"]
    assert "age band, macro F1 0.9" in paragraphs["Strong"]
    assert paragraphs["Weak"].startswith("gender, macro F1 0.5")
    assert paragraphs["Weak"].endswith("], below mask and age band.")
    assert "the accuracy of gender, 0.5" in paragraphs["Why"]
    assert "is not shown to be above 0.500, that of always answering" in paragraphs["Why"]
    assert paragraphs["Why"].endswith(
        "no part of the photos is shown to be worse than the others in gender."
    )


def test_ages_that_are_wrong_only_near_thirty() -> None:
    conclusions = run_of(wrong_near_thirty)
    paragraphs = texts(conclusions)
    assert paragraphs["Weak"].startswith("age band, macro F1 0.")
    (weakness,) = conclusions.weaknesses
    assert weakness.places is not None
    place = weakness.places[0]
    assert (place.kind, place.names) == ("age", ("25–34",))
    assert place.errors.value == place.errors.high == 1
    assert 0.9 < place.errors.low < 0.95  # of 40 people who are wrong, all are
    assert "age band is wrong more often where age is 25–34 (100% [9" in paragraphs["Why"]
    assert "always answering" not in paragraphs["Why"]


def test_masks_worn_incorrectly_that_are_not_recognised() -> None:
    paragraphs = texts(run_of(weak_incorrect))
    assert paragraphs["Weak"].startswith("mask, macro F1 0.")
    assert (
        "mask is wrong more often where the label is incorrect (100% [97%, 100%]"
        in paragraphs["Why"]
    )
    assert "of its errors, in 14% of the photos)." in paragraphs["Why"]


def test_the_share_of_errors_and_its_interval_are_those_of_the_photos() -> None:
    def more_near_thirty(table: pd.DataFrame, random: np.random.Generator) -> dict[str, Codes]:
        share = np.where(table["age"].between(25, 34), 0.7, 0.1)
        band = table["age_band"].to_numpy()
        wrong = random.random(len(table)) < share
        counts.append((wrong & table["age"].between(25, 34)).sum() / wrong.sum())
        return {"age_band": np.where(wrong, (band + 1) % 3, band)}

    counts: list[float] = []
    (weakness,) = run_of(more_near_thirty).weaknesses
    assert weakness.places is not None
    place = next(each for each in weakness.places if each.kind == "age")
    assert place.errors.value == pytest.approx(counts[0])
    assert 0.01 < place.errors.high - place.errors.low < 0.3
    assert place.errors.low < counts[0] < place.errors.high


def test_nothing_is_said_where_nothing_is_decided() -> None:
    conclusions = run_of(nothing)
    assert not conclusions.strong
    assert not conclusions.weak
    assert not conclusions.weaknesses
    ((title, text),) = sentences(conclusions)
    assert title == "Undecided"
    assert text.startswith("no score is shown to be above another: mask, macro F1 0.9")


def test_a_model_of_one_attribute_is_judged_by_its_classes() -> None:
    paragraphs = texts(run_of(weak_incorrect, attributes=("mask",)))
    assert paragraphs["Strong"].startswith("not wear, F1 1.000")
    assert paragraphs["Weak"].startswith("incorrect, F1 0.")
    assert "mask is wrong more often where the label is incorrect" in paragraphs["Why"]


def test_a_band_without_people_is_the_reason() -> None:
    paragraphs = texts(run_of(nothing, ages=(20, 59)))
    assert paragraphs["Weak"].startswith("age band, macro F1 0.6")
    assert paragraphs["Why"].startswith("no photo is labelled >=60, which counts as an F1 of 0; ")


def test_a_run_of_an_earlier_version_has_no_reason() -> None:
    assert list(texts(run_of(wrong_near_thirty, has_slices=False))) == ["Strong", "Weak"]
