"""Two reviewers: kappa as scikit-learn computes it, what they merge to, and what is to settle."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from maskgate.errors import MaskgateError
from maskgate.review import agreement, decisions, questions
from maskgate.review.decisions import Journal
from maskgate.review.people import People
from tests.review.conftest import decision


def reviewed(path: Path, author: str, *words: str, **values: str) -> Path:
    journal = Journal(path)
    for each in words:
        journal.add(decision(each, author=author, **values))
    journal.close()
    return path


def test_kappa_is_that_of_scikit_learn_with_an_interval_over_people() -> None:
    random = np.random.default_rng(3)
    choices = ["keep", "unsure", "drop", "change female"]
    people = [f"p{number // 2}" for number in range(120)]
    first = [choices[each] for each in random.integers(0, 4, 120)]
    second = [one if random.random() < 0.7 else choices[random.integers(4)] for one in first]
    fields = ["gender", "age_band"] * 60
    pairs = [
        (decision(f"{person} {field} {one}"), decision(f"{person} {field} {other}"))
        for person, field, one, other in zip(people, fields, first, second, strict=True)
    ]
    measured = agreement.measure(pairs)
    assert (measured.count, measured.people) == (120, 60)
    share = np.mean([one == other for one, other in zip(first, second, strict=True)])
    assert measured.share.value == pytest.approx(share)
    assert measured.kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert measured.share.low < measured.share.value < measured.share.high
    assert measured.kappa.low < measured.kappa.value < measured.kappa.high
    # The naive bootstrap over people, with copies of their labels.
    naive = []
    for _ in range(300):
        drawn = random.integers(0, 60, 60)
        rows = np.concatenate([[2 * each, 2 * each + 1] for each in drawn])
        naive.append(cohen_kappa_score(np.array(first)[rows], np.array(second)[rows]))
    low, high = np.percentile(naive, [2.5, 97.5])
    assert measured.kappa.low == pytest.approx(low, abs=0.04)
    assert measured.kappa.high == pytest.approx(high, abs=0.04)


def test_two_reviewers_who_always_keep_have_no_kappa() -> None:
    one, other = decision("a gender keep"), decision("a gender keep", author="Lee")
    measured = agreement.measure([(one, other)])
    assert measured.kappa is None
    assert measured.share.value == 1
    assert agreement.measure([]) is None


def test_merged_corrections_have_both_authors_and_the_less_certain_tier() -> None:
    first = [
        decision("a gender change female", tier="sure", reason="hair"),
        decision("b gender change female"),
        decision("c gender keep"),
        decision("d gender drop"),
    ]
    second = [
        decision("a gender change female", author="Lee", tier="doubtful", reason="beard"),
        decision("b gender keep", author="Lee"),
        decision("e gender change female", author="Lee"),
    ]
    merged, different = agreement.merge(first, second)
    assert decisions.corrections_text(merged).splitlines()[1:] == [
        "a,gender,female,doubtful,hair; beard,Kim and Lee",
        "d,drop,yes,likely,,Kim",
        "e,gender,female,likely,,Lee",
    ]
    assert [one.person for one, _ in different] == ["b"]
    settled = [decision("b gender change female", author="Park")]
    merged, different = agreement.merge(first, second, settled)
    assert "b,gender,female,likely,,Park" in decisions.corrections_text(merged)
    assert different == []


def test_the_command_prints_agreement_and_writes_what_is_to_settle(
    tmp_path: Path, everybody: People, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [*everybody.rows_by_name][-6:]
    one = reviewed(
        tmp_path / "kim.csv", "Kim", *(f"{each} gender change female" for each in people)
    )
    words = [f"{each} gender {'keep' if n else 'change female'}" for n, each in enumerate(people)]
    other = reviewed(tmp_path / "lee.csv", "Lee", *words, "x age_band keep")
    out, different = tmp_path / "merged.csv", tmp_path / "merged-disagreements.csv"
    agreement.run((one, other), None, out, different)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("gender: 6 labels of 6 people, agreement 0.1667 [")
    assert lines[0].endswith("Cohen's kappa 0.0000 [0.0000, 0.0000]")
    assert lines[1].startswith("all: 6 labels")
    disagreements = questions.read(different, everybody)
    assert [each.subject.person for each in disagreements] == people[1:]
    assert disagreements[0].reason == "Kim: change to female; Lee: keep"
    assert len(out.read_text().splitlines()) == 2
    settled = reviewed(
        tmp_path / "settled.csv", "Park", *(f"{each} gender keep" for each in people)
    )
    agreement.run((one, other), settled, out, different)
    assert len(different.read_text().splitlines()) == 1


def test_reviewers_of_different_labels_are_not_compared(tmp_path: Path) -> None:
    one = reviewed(tmp_path / "a.csv", "Kim", "a gender keep")
    other = reviewed(tmp_path / "b.csv", "Lee", "b gender keep")
    with pytest.raises(MaskgateError, match="have no label that both decided"):
        agreement.run((one, other), None, tmp_path / "m.csv", tmp_path / "d.csv")
