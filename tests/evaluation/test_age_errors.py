"""Mean absolute errors of ages, in all and by decade."""

import numpy as np
import pytest

from maskgate.data import table as photo_table
from maskgate.evaluation import age_errors
from maskgate.runs.records.results import AllAgeErrors


def test_errors_are_means_with_intervals_over_people() -> None:
    random = np.random.default_rng(3)
    people = np.repeat(np.arange(60), 4)
    age = np.where(people < 50, 18 + people % 20, 60.0)
    age[people >= 58] = np.nan
    table = photo_table.build(map(str, range(240)), map(str, people), [0] * 240, [0] * 240, age)
    predicted = age + random.normal(0, 5, 60)[people]
    errors = age_errors.evaluate(np.nan_to_num(predicted), table)
    known = people < 58
    by_hand = [abs(p - a) for p, a in zip(predicted[known], age[known], strict=True)]
    assert errors["mean_absolute_error"].value == pytest.approx(np.mean(by_hand))
    assert (errors["photos"], errors["people"]) == (4 * 58, 58)
    # Errors come by person: the interval is about that of 58 means.
    deviation = np.std(by_hand) / np.sqrt(58)
    width = errors["mean_absolute_error"].high - errors["mean_absolute_error"].low
    assert width == pytest.approx(2 * 1.96 * deviation, rel=0.2)

    assert [decade["first"] for decade in errors["decades"]] == [10, 20, 30, 60]
    for decade in errors["decades"]:
        inside = known & (age // 10 * 10 == decade["first"])
        assert decade["people"] == len(set(people[inside]))
        assert decade["photos"] == inside.sum()
        if decade["people"] < 10:
            assert "mean_absolute_error" not in decade
        else:
            mean = np.abs(predicted - age)[inside].mean()
            assert decade["mean_absolute_error"].value == pytest.approx(mean)
    assert "mean_absolute_error" not in errors["decades"][-1], "eight people are too few"
    AllAgeErrors.model_validate(errors)
