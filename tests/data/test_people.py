"""Doubts about who is who: they are counted, and stop nothing."""

from pathlib import Path

import numpy as np

from maskgate.data import people, table
from maskgate.data.checks import APART, Problem
from maskgate.data.table import Photos


def photos(*rows: tuple[str, int, float], bands: "list[int] | None" = None) -> Photos:
    """A row of person, gender and age each; the photos are 0.jpg, 1.jpg …"""
    names, genders, ages = zip(*rows, strict=True)
    files = [f"{number}.jpg" for number in range(len(rows))]
    return Photos(Path(), table.build(files, names, [0] * len(rows), genders, ages, bands))


def test_a_person_of_two_genders_is_one_problem() -> None:
    problems = people.doubtful_people(
        photos(("a", 0, 20), ("b", 1, 20), ("a", 1, 20), ("a", 0, 20))
    )
    assert problems == [
        Problem(
            "person of two genders",
            "a",
            "male in 0.jpg, photos in all: 2; female in 2.jpg, photos in all: 1",
        )
    ]
    assert not problems[0].fatal


def test_an_unknown_gender_contradicts_none() -> None:
    assert people.doubtful_people(photos(("a", 0, 20), ("a", -1, 20), ("a", 0, np.nan))) == []


def test_ages_of_a_person_may_differ_by_ten_years() -> None:
    near = photos(("a", 0, 25), ("a", 0, 35), ("b", 0, 50), ("c", 0, 20))
    assert people.doubtful_people(near) == []
    far = photos(("a", 0, 50), ("a", 0, 35), ("a", 0, 20), ("b", 0, 20))
    assert people.doubtful_people(far) == [
        Problem("person of distant ages", "a", "20 in 2.jpg and 50 in 0.jpg")
    ]


def test_age_groups_of_a_person_may_be_neighbours() -> None:
    rows = [("a", 0, np.nan)] * 2 + [("b", 0, np.nan)] * 2
    problems = people.doubtful_people(photos(*rows, bands=[2, 0, 1, 2]))
    assert problems == [Problem("person of distant ages", "a", "<30 in 1.jpg and >=60 in 0.jpg")]


def test_names_much_alike_are_one_problem_a_group() -> None:
    rows = [(name, 0, 20.0) for name in ("Kim", "kim", "1", "001", "Lee", "KIM")]
    assert people.doubtful_people(photos(*rows)) == [
        Problem("similar names", "Kim", "another person is called kim, KIM"),
        Problem("similar names", "1", "another person is called 001"),
    ]


def test_photos_that_count_as_a_person_each_are_told_once() -> None:
    alone = photos(("0.jpg", 0, 20), ("1.jpg", 1, 60), ("2.jpg", 1, 60))
    (problem,) = people.people_unknown(alone)
    assert (problem.kind, problem.where, problem.fatal) == (APART, "all photos", False)
    assert APART == "people are not kept together: each photo counts as its own person"
    assert people.doubtful_people(alone) == []
    (problem,) = people.people_unknown(photos(("a", 0, 20), ("1.jpg", 1, 60), ("a", 1, 60)))
    assert problem.where == "1 of 3 photos"
    assert people.people_unknown(photos(("a", 0, 20), ("a", 1, 60))) == []


def test_names_of_photos_are_no_names_of_people() -> None:
    assert (
        people.doubtful_people(photos(("0.jpg", 0, 20), ("1.jpg", 0, 20), ("00.jpg", 0, 20))) == []
    )
