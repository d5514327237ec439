from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from maskgate.bundle.manifest import Manifest
from maskgate.door.reporting import drift, people
from maskgate.door.reporting.people import Person
from tests.door.reporting.sample_events import MODEL, START, Door, day


def sentences(door: Door, manifest: Manifest) -> list[str]:
    drifts = drift.find(people.of_events(door.events), manifest.reference, UTC)
    return [each.sentence for each in drift.to_report(drifts)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, 30, 200])
def test_without_drift_nothing_is_said(manifest: Manifest, count: int) -> None:
    alarms = [bool(sentences(day(manifest.reference, seed, count), manifest)) for seed in range(40)]
    assert sum(alarms) <= 2  # of 40: 5%


@pytest.mark.parametrize(
    ("measure", "shift", "words"),
    [
        ("brightness", -1.5, "Pictures of camera front are darker than those the model was"),
        ("brightness", 1.5, "are brighter"),
        ("sharpness", -1.5, "are less sharp"),
        ("face_width", -1.5, "show smaller faces"),
        ("face_width", 1.5, "show larger faces"),
        ("face_score", -3.0, "detector finds with less certainty"),
        ("confidence_mask", -4.0, "less certain verdicts"),
    ],
)
def test_drift_is_said_with_its_interval(
    manifest: Manifest, measure: str, shift: float, words: str
) -> None:
    for seed in range(5):
        drift_sentences = sentences(
            day(manifest.reference, seed, shifts={measure: shift}), manifest
        )
        assert len(drift_sentences) == 1 and words in drift_sentences[0], drift_sentences
        assert "where 5% are expected" in drift_sentences[0]


def test_a_single_dark_day_is_named(manifest: Manifest) -> None:
    door = Door(manifest.reference, np.random.default_rng(0))
    door.start()
    for number in range(10):
        shifts = {"brightness": -3.0} if number == 4 else {}
        for _ in range(60):
            door.person(START + timedelta(days=number, hours=1), shifts=shifts)
    (sentence,) = sentences(door, manifest)
    assert sentence.startswith("On 2026-12-01 pictures of camera front are darker")


def test_shares_and_intervals(manifest: Manifest) -> None:
    door = day(manifest.reference, 3, 100)
    members = people.of_events(door.events)
    tests = drift.find(members, {"brightness": manifest.reference["brightness"]}, UTC)
    low = manifest.reference["brightness"].quantiles[0]
    values = [person.measures.brightness for person in members if person.measures]
    (darker,) = [each for each in tests if each.day is None and each.side == "low"]
    assert darker.share.count == sum(value < low for value in values)
    start, end = darker.interval
    plain = darker.share.interval
    assert start < plain[0] <= darker.share.count / 100 <= plain[1] < end, "wider: for all tests"


def test_people_who_have_not_left_are_not_compared(manifest: Manifest) -> None:
    person = Person("front", datetime(2026, 11, 27, tzinfo=UTC), MODEL)
    assert drift.find([person], manifest.reference, UTC) == []
