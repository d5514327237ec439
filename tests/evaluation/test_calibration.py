"""The expected calibration error: a second way, and of known miscalibration."""

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.evaluation import calibration
from maskgate.evaluation.bootstrap import Resamples


def table_of(truth: np.ndarray, photos: int = 1) -> pd.DataFrame:
    """A photo table of so many photos a person."""
    person = [f"p{row // photos}" for row in range(len(truth))]
    codes = {name: np.zeros(len(truth), np.int8) for name in labels.ATTRIBUTES}
    return pd.DataFrame({"person": person, **codes, "mask": truth})


def drawn(count: int, share: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, 3), and codes (N,) of which their likeliest is right as often as `share`
    times the confidence."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.5, 1, count)
    probabilities = np.stack([confidence, *[(1 - confidence) / 2] * 2], 1)
    right = random.uniform(size=count) < share * confidence
    return probabilities, np.where(right, 0, 1)


def test_the_error_is_the_mean_gap_of_bins() -> None:
    """Naively: the sorted photos in 15 parts, one after the other."""
    probabilities, truth = drawn(1500)
    reliability = calibration.reliability(truth, probabilities, Resamples(table_of(truth), 50, 0))
    rows = sorted(
        (p.max(), p.argmax() == code) for p, code in zip(probabilities, truth, strict=True)
    )
    total = 0.0
    for number in range(15):
        part = rows[number * 100 : (number + 1) * 100]
        confidence = sum(c for c, _ in part) / 100
        accuracy = sum(bool(right) for _, right in part) / 100
        total += abs(accuracy - confidence) / 15
        assert reliability.photos[number] == 100
        assert reliability.confidence[number] == pytest.approx(confidence)
        assert reliability.accuracy[number] == pytest.approx(accuracy)
    assert reliability.error.value == pytest.approx(total)


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_the_error_is_that_of_the_draw(share: float) -> None:
    """Confidence is .75 in the mean, and right are `share` of that."""
    probabilities, truth = drawn(4000, share)
    error = calibration.reliability(truth, probabilities, Resamples(table_of(truth), 200, 0)).error
    assert error.value == pytest.approx(0.75 * (1 - share), abs=0.02)
    assert error.low <= error.value <= error.high
    if share < 1:
        assert error.low <= 0.15 <= error.high
    else:
        assert error.low < 0.012


def test_the_interval_is_wider_where_photos_share_a_person() -> None:
    probabilities, truth = drawn(300, 0.8)
    alone = calibration.reliability(truth, probabilities, Resamples(table_of(truth), 300, 0))
    often, seven = np.repeat(probabilities, 7, 0), np.repeat(truth, 7)
    people = calibration.reliability(seven, often, Resamples(table_of(seven, 7), 300, 0))
    assert people.error.value == pytest.approx(alone.error.value)
    width, other = (each.error.high - each.error.low for each in (people, alone))
    assert width == pytest.approx(other)


def test_equal_confidences_are_one_bin() -> None:
    truth = np.array([0] * 9 + [1])
    probabilities = np.tile([0.9, 0.1, 0.0], (10, 1))
    reliability = calibration.reliability(truth, probabilities, Resamples(table_of(truth), 50, 0))
    assert reliability.photos.tolist() == [10]
    assert reliability.error.value == pytest.approx(0)
    assert reliability.error.low == 0


def test_unknown_labels_are_left_out() -> None:
    probabilities, truth = drawn(600)
    hidden = np.arange(600) % 3 == 0
    partly = np.where(hidden, labels.UNKNOWN, truth)
    weights = Resamples(table_of(truth), 50, 0)
    reliability = calibration.reliability(partly, probabilities, weights)
    table = table_of(truth[~hidden])
    expected = calibration.reliability(
        truth[~hidden], probabilities[~hidden], Resamples(table, 50, 0)
    )
    assert reliability.error.value == pytest.approx(expected.error.value)
    assert reliability.photos.sum() == 400
    table = table_of(partly).assign(gender=np.int8(labels.UNKNOWN))
    joint = np.full((600, labels.COUNT), 1 / labels.COUNT)
    assert set(calibration.errors(joint, table, weights)) == {"mask", "age_band"}
