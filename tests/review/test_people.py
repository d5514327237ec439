"""People of a run and of a data set: labels, predictions, names."""

from pathlib import Path

import numpy as np
import pytest

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.review import people as people_of
from maskgate.review.people import People
from maskgate.runs import RunFolder, tables


def test_predictions_are_means_over_a_persons_photos(everybody: People, run: RunFolder) -> None:
    rows, probabilities = tables.oof(run)
    for name, person_rows in list(everybody.rows_by_name.items())[:5]:
        mean = probabilities[(rows["person"] == name).to_numpy()].mean(0)
        female = mean.reshape(3, 2, 3)[:, 1].sum()
        expected = ("female", female) if female > 0.5 else ("male", 1 - female)
        prediction = everybody.prediction(person_rows, "gender")
        assert prediction.value == expected[0]
        assert prediction.probability == pytest.approx(expected[1], abs=1e-5)
        assert everybody.label(person_rows, "gender") in name


def test_without_a_run_there_are_labels_alone(people: Path, everybody: People) -> None:
    plain = people_of.of_data(people)
    assert set(plain.rows_by_name) == set(everybody.rows_by_name)
    rows = next(iter(plain.rows_by_name.values()))
    assert plain.prediction(rows, "gender") is None
    assert plain.label(rows, "gender") in labels.GENDERS


def test_an_unknown_label_is_empty(everybody: People) -> None:
    table = everybody.table.assign(gender=np.int8(-1))
    blank = People(everybody.root, table, everybody.probabilities)
    assert blank.label(np.arange(3), "gender") == ""


def test_people_are_named_by_folder_or_id(everybody: People) -> None:
    name = [*everybody.rows_by_name][-1]
    assert everybody.find(f" {name}") == name
    assert everybody.find(name.split("_")[0]) == name
    assert everybody.find("nobody") is None
    assert everybody.find("000004") is None  # of two people


def test_photos_that_are_gone_are_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="was trained on are gone; name them with --data"):
        people_of.of_run(run, None)
