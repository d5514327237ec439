"""Covered faces, and faces in the photos of others."""

import numpy as np
import pandas as pd

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.explain import changes

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 20, 16, 3), dtype=np.uint8)
BOXES = np.array([[4.0, 5.0, 12.0, 15.0], [2.0, 2.0, 6.0, 7.0]])


def test_a_covered_face_has_the_colour_of_the_rest() -> None:
    covered = changes.cover(PICTURES, BOXES)
    assert len(np.unique(covered[0, 5:15, 4:12].reshape(-1, 3), axis=0)) == 1
    rest = np.ones((20, 16), bool)
    rest[5:15, 4:12] = False
    assert (covered[0][rest] == PICTURES[0][rest]).all()
    assert np.abs(covered[0, 6, 6] - PICTURES[0][rest].mean(0)).max() <= 1


def test_a_face_that_fills_the_input_is_covered_too() -> None:
    covered = changes.cover(PICTURES, np.array([[0.0, 0.0, 16.0, 20.0]] * 2))
    assert (covered[0] == covered[0, 0, 0]).all()


def test_a_face_takes_the_place_of_the_donors() -> None:
    moved = changes.move(PICTURES, BOXES, PICTURES[::-1], BOXES)
    assert (moved[0, 5:15, 4:12] == PICTURES[0, 5:15, 4:12]).all()
    rest = np.ones((20, 16), bool)
    rest[5:15, 4:12] = False
    assert (moved[0][rest] == PICTURES[1][rest]).all()


def test_a_face_is_resized_to_that_of_the_donor() -> None:
    pictures = np.full((1, 20, 16, 3), 200, np.uint8)
    moved = changes.move(pictures, BOXES[:1], np.zeros_like(pictures), BOXES[1:])
    expected = np.zeros((20, 16), bool)
    expected[2:7, 2:6] = True
    assert ((moved[0] == 200).all(2) == expected).all()


def test_donors_are_others_with_as_many_other_labels_as_possible() -> None:
    random = np.random.default_rng(1)
    count = 60
    codes = [random.integers(-1, size, count) for size in labels.SIZES]
    person = [f"p{number}" for number in random.integers(0, 12, count)]
    ages = np.full(count, np.nan)
    table = photo_table.build(map(str, range(count)), person, codes[0], codes[1], ages, codes[2])
    donors = changes.donors(table, 7)
    columns = table[list(labels.ATTRIBUTES)].to_numpy()
    for row, donor in enumerate(donors):
        assert person[donor] != person[row]
        differing = [
            sum(a != b and b != -1 for a, b in zip(columns[row], columns[other], strict=True))
            for other in range(count)
            if person[other] != person[row]
        ]
        other = columns[donor]
        assert sum((columns[row] != other) & (other != -1)) == max(differing)
    assert (donors == changes.donors(table, 7)).all() and (donors != changes.donors(table, 8)).any()


def test_a_person_alone_has_no_donor() -> None:
    table = pd.DataFrame({"person": ["a", "a"], "mask": [0, 1], "gender": [0, 0], "age_band": 0})
    assert (changes.donors(table, 7) == -1).all()
