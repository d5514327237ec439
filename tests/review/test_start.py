"""From a run or a CSV to a session, and what is refused before anything is written."""

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from maskgate.errors import MaskgateError
from maskgate.review import start
from maskgate.review.start import Options
from maskgate.runs import RunFolder, open_run
from tests.conftest import Call
from tests.review.conftest import RUN

HEADER = "person,attribute,label,predicted_label\n"


@pytest.fixture
def options(run: RunFolder, people: Path, tmp_path: Path) -> Options:
    return Options(
        suspects=None,
        run=run,
        data=people,
        opinion=None,
        out=tmp_path / "c.csv",
        author="Kim",
        tier="sure",
    )


def test_a_run_is_reviewed_where_its_predictions_contradict(
    options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        overview = start.load(options, stack).overview()
    assert overview["tier"] == "sure"
    assert overview["first"] == 0
    assert f"{len(overview['states'])} labels contradicted by the run, 0" in capsys.readouterr().err


def test_a_run_with_suspects_is_reviewed_by_them(
    options: Options, tmp_path: Path, people: Path
) -> None:
    shutil.copytree(RUN, tmp_path / "run")
    person = max(path.name for path in (people / "train" / "images").iterdir())
    (tmp_path / "run" / "suspects.csv").write_text(f"{HEADER}{person},gender,male,female\n")
    (tmp_path / "opinion.csv").write_text(f"person,gender\n{person},f\n")
    opened = open_run(tmp_path / "run")
    with ExitStack() as stack:
        session = start.load(replace(options, run=opened, opinion=tmp_path / "opinion.csv"), stack)
        (question,) = [session.question(each) for each in range(len(session.overview()["states"]))]
    assert (question["person"], question["opinion"]) == (person, "female")
    assert question["model"] is not None
    assert len(question["neighbours"]) > 0


def test_nothing_is_written_where_there_is_nothing_to_review(
    options: Options, tmp_path: Path
) -> None:
    (tmp_path / "suspects.csv").write_text(HEADER)
    empty = replace(options, suspects=tmp_path / "suspects.csv")
    with ExitStack() as stack, pytest.raises(MaskgateError, match="there is nothing to review"):
        start.load(empty, stack)
    assert {path.name for path in tmp_path.iterdir()} == {"suspects.csv"}


def test_suspects_need_photos(tmp_path: Path, call: Call) -> None:
    (tmp_path / "suspects.csv").write_text(HEADER)
    code, _, err = call("review", tmp_path / "suspects.csv")
    assert (code, "names people, not photos; give --data or --run" in err) == (2, True)
