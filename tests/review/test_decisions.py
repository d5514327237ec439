"""The journal: what holds after every way to end, and the corrections that follow."""

import errno
import os
from pathlib import Path

import pytest

from maskgate.data import corrections
from maskgate.errors import MaskgateError
from maskgate.review import decisions
from maskgate.review.decisions import Journal
from tests.review.conftest import decision


def rows(journal: Journal) -> list[str]:
    return journal.path.read_text("utf-8").splitlines()[1:]


def test_changed_and_dropped_labels_are_corrections_that_a_recipe_reads(journal: Journal) -> None:
    for words in ("a gender change female", "b gender keep", "c age_band unsure", "d gender drop"):
        journal.add(decision(words, reason="long, loose hair"))
    journal.add(decision("e mask change incorrect", photo="e/normal.jpg", tier="sure"))
    journal.add(decision("d age_band drop"))  # the same person once more
    assert rows(journal) == [
        'a,gender,female,likely,"long, loose hair",Kim',
        "d,drop,yes,likely,,Kim",
        "e/normal.jpg,mask,incorrect,sure,,Kim",
    ]
    read = corrections.read(journal.path).rows
    assert [(each.person, each.field, each.value) for each in read] == [
        ("a", "gender", 1), ("d", "drop", 1), ("e/normal.jpg", "mask", 1),
    ]  # fmt: skip
    assert (read[0].reason, read[0].author) == ("long, loose hair", "Kim")


def test_the_last_decision_on_a_label_holds(journal: Journal) -> None:
    journal.add(decision("a gender change female"))
    journal.add(decision("b gender change female"))
    journal.add(decision("a gender keep"))
    assert rows(journal) == ["b,gender,female,likely,,Kim"]
    assert [each.decision for each in decisions.read(journal.path)] == ["keep", "change"]


def test_undo_takes_back_decision_after_decision(journal: Journal) -> None:
    first, second = decision("a gender change female"), decision("a gender keep")
    journal.add(first)
    journal.add(second)
    assert journal.undo("Kim", "now") == second
    assert rows(journal) == ["a,gender,female,likely,,Kim"]
    assert journal.undo("Kim", "now") == first
    assert journal.undo("Kim", "now") is None
    assert rows(journal) == []
    assert len(journal.file.read_text("utf-8").splitlines()) == 5  # nothing is removed


def test_undo_takes_back_ones_own_decisions_only(journal: Journal) -> None:
    journal.add(decision("a gender change female"))
    journal.add(decision("b gender change female", author="Lee"))
    assert journal.undo("Kim", "now").person == "a"
    assert rows(journal) == ["b,gender,female,likely,,Lee"]


def test_a_journal_goes_on_where_it_stopped(tmp_path: Path) -> None:
    for person in ("a", "b"):
        journal = Journal(tmp_path / "c.csv")
        journal.add(decision(f"{person} gender change female"))
        journal.close()
    assert len(rows(journal)) == 2
    assert [each.person for each in decisions.read(tmp_path / "c-reviews.csv")] == ["a", "b"]


def test_every_place_of_a_kill_leaves_what_was_acknowledged(tmp_path: Path) -> None:
    """The last line may be cut anywhere, and the corrections may lack the last decision."""
    path = tmp_path / "c.csv"
    journal = Journal(path)
    journal.add(decision("a gender change female", reason="그렇다"))
    acknowledged, corrected = journal.file.read_bytes(), path.read_bytes()
    journal.add(decision("b gender change female", reason="x, y"))
    journal.close()
    content = journal.file.read_bytes()
    for end in range(len(acknowledged), len(content) + 1):
        journal.file.write_bytes(content[:end])
        path.write_bytes(corrected)
        again = Journal(path)
        again.close()
        assert len(again.decisions) == (2 if end == len(content) else 1)
        assert path.read_text("utf-8") == decisions.corrections_text(again.decisions)


def test_a_full_disk_leaves_the_journal_as_it_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.add(decision("a gender keep"))
    before = journal.file.read_bytes()

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(MaskgateError, match="No space left"):
        patch.setattr(os, "fsync", fail)
        journal.add(decision("b gender keep"))
    assert journal.file.read_bytes() == before
    journal.add(decision("c gender keep"))
    assert [each.person for each in journal.decisions] == ["a", "c"]


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("person,field,value,tier\n")
    with pytest.raises(MaskgateError, match=r"c\.csv: exists, and `maskgate review` has not"):
        Journal(path)
    path.unlink()
    journal = Journal(path)
    journal.add(decision("a gender change female"))
    journal.close()
    path.write_text(path.read_text().replace("likely", "sure"))
    with pytest.raises(MaskgateError, match=r"c\.csv: was changed since `maskgate review` wrote"):
        Journal(path)


def test_one_process_writes_at_a_time(journal: Journal) -> None:
    with pytest.raises(MaskgateError, match="another maskgate review writes it"):
        Journal(journal.path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",keep,", ",kept,", "line 2: unknown decision 'kept'"),
        (",gender,", ",gendre,", "line 2: unknown attribute 'gendre'"),
        (",keep,", ",change,", "line 2: unknown gender ''"),
        (",likely,", ",shure,", "line 2: unknown tier 'shure'"),
        (",a,", ",,", "line 2: no person"),
        ("author", "writer", "lacks author"),
    ],
)
def test_a_damaged_journal_is_refused(old: str, new: str, message: str, journal: Journal) -> None:
    journal.add(decision("a gender keep"))
    journal.file.write_text(journal.file.read_text().replace(old, new, 1))
    with pytest.raises(MaskgateError, match=message):
        decisions.read(journal.file)


def test_corrections_without_a_journal_are_no_decisions(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("person,field,value,tier\n")
    with pytest.raises(MaskgateError, match=r"c-reviews\.csv is not beside it"):
        decisions.read(tmp_path / "c.csv")
