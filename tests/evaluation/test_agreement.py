"""Agreement over a person's photos, against a loop over people."""

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.evaluation import agreement

PEOPLE, PHOTOS = 80, 7


def photos() -> pd.DataFrame:
    random = np.random.default_rng(3)
    person = np.repeat(np.arange(PEOPLE), PHOTOS)
    return photo_table.build(
        photo=[f"{number}.jpg" for number in range(len(person))],
        person=[f"p{number}" for number in person],
        mask=np.tile([0, 0, 0, 0, 0, 1, 2], PEOPLE),
        gender=random.integers(0, 2, PEOPLE)[person],
        age=random.integers(20, 80, PEOPLE)[person],
    )


def uncertain(table: pd.DataFrame) -> "np.typing.NDArray[np.float64]":
    """Probabilities (N, 18) that lean to the true class."""
    logits = np.random.default_rng(4).normal(size=(len(table), labels.COUNT))
    logits += 4 * np.eye(labels.COUNT)[table["label"]]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def test_counts_are_those_of_a_loop() -> None:
    table = photos()
    probabilities = uncertain(table)
    agreements = agreement.evaluate(probabilities, table)
    assert list(agreements) == ["gender", "age_band"]
    for name, each in agreements.items():
        part = labels.marginals(probabilities)[name]
        by_count: dict[int, list[bool]] = {}
        for _, rows in table.groupby("person"):
            answers = part[rows.index].argmax(1).tolist()
            most = max(answers.count(answer) for answer in answers)
            right = bool(part[rows.index].mean(0).argmax() == rows[name].iloc[0])
            by_count.setdefault(min(len(answers) - most, agreement.MOST), []).append(right)
        assert (each.people, each.fewest, each.most) == (PEOPLE, PHOTOS, PHOTOS)
        assert [group.photos for group in each.differing] == sorted(by_count)
        for group in each.differing:
            of_group = by_count[group.photos]
            assert group.people == len(of_group)
            assert group.share.value == pytest.approx(len(of_group) / PEOPLE)
            assert (group.right is None) == (len(of_group) < 10)
            if group.right is not None:
                assert group.right.value == pytest.approx(np.mean(of_group))
                assert group.right.low <= group.right.value <= group.right.high
        right_by_photo = np.mean(part.argmax(1) == table[name])
        right_by_person = np.mean([right for of_group in by_count.values() for right in of_group])
        assert each.by_photo.value == pytest.approx(right_by_photo)
        assert each.together.value == pytest.approx(right_by_person)
        assert each.gain.value == pytest.approx(right_by_person - right_by_photo)
        assert each.gain.low > 0, "the mean of seven photos is better than one"


def test_people_who_always_agree_are_not_certain_to() -> None:
    table = photos()
    each = agreement.evaluate(np.eye(labels.COUNT)[table["label"]], table)["gender"]
    (group,) = each.differing
    assert group.share.value == 1
    assert group.share.low == pytest.approx(0.025 ** (1 / PEOPLE))


def test_some_people_have_no_agreement() -> None:
    """One photo, photos with different labels, an unknown attribute, or one not predicted."""
    table = photos()
    probabilities = uncertain(table)
    assert list(agreement.evaluate(probabilities, table, ["mask", "gender"])) == ["gender"]
    alone = table.assign(person=table["photo"])
    assert agreement.evaluate(probabilities, alone) == {}
    unknown = table.assign(gender=np.int8(labels.UNKNOWN))
    assert list(agreement.evaluate(probabilities, unknown)) == ["age_band"]
    gender = table["gender"].to_numpy().copy()
    gender[0] = 1 - gender[0]
    table["gender"] = gender
    assert agreement.evaluate(probabilities, table)["gender"].people == PEOPLE - 1
