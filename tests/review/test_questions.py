"""What is asked: of a run in a loop over people, and of a CSV row by row."""

from pathlib import Path

import numpy as np
import pytest

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.review import questions
from maskgate.review.decisions import Subject
from maskgate.review.people import People
from maskgate.review.questions import Question


def read_questions(
    tmp_path: Path, everybody: People, *rows: str, header: str = ""
) -> list[Question]:
    path = tmp_path / "suspects.csv"
    path.write_text("\n".join([header or "person,attribute,label,predicted_label", *rows]) + "\n")
    return questions.read(path, everybody)


def test_a_run_asks_for_contradicted_labels_lowest_confidence_first(everybody: People) -> None:
    expected = []
    table, marginals = everybody.table, labels.marginals(everybody.probabilities.astype(float))
    for person, group in table.groupby("person"):
        for attribute in labels.ATTRIBUTES:
            parts = [[row] for row in group.index] if attribute == "mask" else [list(group.index)]
            for rows in parts:
                mean = marginals[attribute][rows].mean(0)
                label = int(table[attribute].iloc[rows[0]])
                if mean.argmax() != label:
                    photo = table["photo"].iloc[rows[0]] if attribute == "mask" else ""
                    expected.append((mean[label], Subject(str(person), photo, attribute)))
    result = questions.of_run(everybody)
    assert [each.subject for each in result] == [subject for _, subject in sorted(expected)]
    assert "out of fold, the model gives" in result[0].reason


def test_rows_of_suspects_are_read_in_their_order(tmp_path: Path, everybody: People) -> None:
    *_, one, two = everybody.rows_by_name
    header = "person,photo,attribute,label,predicted_label,self_confidence,probability,reason"
    photo = everybody.table["photo"].iloc[everybody.rows_by_name[two][0]]
    first, second, third = read_questions(
        tmp_path,
        everybody,
        f"{one},,gender,male,female,0.01,0.93,the run says female",
        f"{two},{photo},mask,wear,not_wear,0.1,oops,",
        f"{one.split('_')[0]},,age,31,64,0.2,,",
        f"{one},,gender,male,female,0.5,0.1,a second time",
        header=header,
    )
    assert first == Question(Subject(one, "", "gender"), "female", "the run says female", 0.93)
    assert second == Question(Subject(two, photo, "mask"), "not_wear", "", None)
    assert third == Question(Subject(one, "", "age_band"), ">=60", "", None)


def test_swapped_photos_are_two_questions(tmp_path: Path, everybody: People) -> None:
    person = next(iter(everybody.rows_by_name))
    result = read_questions(
        tmp_path, everybody, f'{person},mask,"incorrect, not_wear","not_wear, incorrect"'
    )
    prediction_by_stem = {Path(each.subject.photo).stem: each.predicted for each in result}
    assert prediction_by_stem == {"incorrect_mask": "not_wear", "normal": "incorrect"}
    (bare,) = read_questions(tmp_path, everybody, f"{person},normal,not_wear,incorrect")
    assert Path(bare.subject.photo).stem == "normal"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("gendre,male,female", r"line 2 \(unknown attribute 'gendre'\)"),
        ('mask,"incorrect, wear",wear', r"line 2 \(label and predicted_label have 2 and 1 values"),
    ],
)
def test_rows_that_make_no_sense_are_refused(
    row: str, message: str, tmp_path: Path, everybody: People
) -> None:
    person = next(iter(everybody.rows_by_name))
    with pytest.raises(MaskgateError, match=message):
        read_questions(tmp_path, everybody, f"{person},{row}")


def test_other_files_and_other_people_are_refused(
    tmp_path: Path, everybody: People, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MaskgateError, match="lacks the columns attribute, predicted_label"):
        read_questions(tmp_path, everybody, header="person,label")
    with pytest.raises(MaskgateError, match=r"none of its people is in .* \(nobody\)"):
        read_questions(tmp_path, everybody, "nobody,gender,male,female")
    person = next(iter(everybody.rows_by_name))
    assert read_questions(
        tmp_path, everybody, "x,gender,male,female", f"{person},gender,male,female"
    )
    assert "1 row of nobody in" in capsys.readouterr().err


def test_a_photo_of_somebody_else_is_refused(tmp_path: Path, everybody: People) -> None:
    person = next(iter(everybody.rows_by_name))
    with pytest.raises(MaskgateError, match=r"has no photo 'x\.jpg'"):
        read_questions(tmp_path, everybody, f"{person},mask,wear,not_wear,x.jpg",
              header="person,attribute,label,predicted_label,photo")  # fmt: skip


@pytest.mark.parametrize(
    ("attribute", "word", "value"),
    [("gender", "F", "female"), ("mask", "no_mask", "not_wear"), ("age_band", "61", ">=60"),
     ("age_band", "30-59", "30-59"), ("gender", "?", ""), ("age_band", "", "")],
)  # fmt: skip
def test_values_are_read_in_words_of_any_origin(attribute: str, word: str, value: str) -> None:
    assert questions.value(attribute, word) == value


def test_a_decision_concerns_a_person_or_a_photo(everybody: People) -> None:
    person, rows = next(iter(everybody.rows_by_name.items()))
    np.testing.assert_array_equal(questions.rows_of(Subject(person, "", "gender"), everybody), rows)
    photo = everybody.table["photo"].iloc[rows[2]]
    assert questions.rows_of(Subject(person, photo, "mask"), everybody).tolist() == [rows[2]]
