"""What a run says of trackers that lack a part of it, and that it is taken back."""

import shutil
from pathlib import Path
from typing import ClassVar

import pytest

from maskgate.config.trackers import TrackerSettings
from maskgate.dashboard.server import Live
from maskgate.errors import MaskgateError
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder, open_run, sources
from maskgate.tracking import session
from maskgate.tracking.protocol import EpochMetrics, Outcome, TrackedRun

pytestmark = pytest.mark.slow
BOARD = TrackerSettings(name="tensorboard")
SERVER = TrackerSettings(name="mlflow", uri="http://localhost:5000")


class Board:
    """A tracker that keeps the reports that it gets, and refuses all while it `is_down`."""

    is_down: ClassVar[bool]
    reports: ClassVar[list[str]]

    def __init__(self, settings: TrackerSettings) -> None:
        pass

    def start(self, run: TrackedRun) -> None:
        if type(self).is_down:
            raise ConnectionError("down")

    def log_epoch(self, metrics: EpochMetrics) -> None:
        pass

    def log_outcome(self, outcome: Outcome) -> None:
        self.reports.append(outcome.files["report.html"].read_text("utf-8"))

    def close(self, finished: bool) -> None:
        pass


@pytest.fixture(autouse=True)
def board(monkeypatch: pytest.MonkeyPatch) -> type[Board]:
    Board.is_down, Board.reports = True, []
    monkeypatch.setattr(session, "TRACKERS", {"tensorboard": Board, "mlflow": Board})
    return Board


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    """A finished run that no tracker has."""
    return open_run(str(shutil.copytree(trained, tmp_path / "run")))


def warns(run: RunFolder) -> bool:
    """Whether the run, its report and the dashboard warn of a tracker, which agree."""
    _, on_dashboard = Live(sources.read([str(run.path.parent)]), "kim").content()
    texts = (str(run.status().all_warnings), run.report_file.read_text("utf-8"), str(on_dashboard))
    (warns_of_it,) = {"is incomplete" in text for text in texts}
    return warns_of_it


@pytest.mark.parametrize("photos", [False, True])
def test_the_warning_is_taken_back_when_everything_is_sent(
    photos: bool, run: RunFolder, board: type[Board]
) -> None:
    trackers = [BOARD.model_copy(update={"photos": photos})]
    files = run.status().files
    assert not session.send(run, trackers)
    assert warns(run)
    assert run.status().untracked["tensorboard"].startswith("tracking with tensorboard is")
    board.is_down = False
    assert session.send(run, trackers)
    assert not warns(run)
    run.check()
    assert run.status().files == files
    (report,) = board.reports
    assert "is incomplete" not in report
    before = run.status_file.read_bytes()
    session.send(run, trackers)
    assert run.status_file.read_bytes() == before


def test_another_tracker_still_lacks_it(run: RunFolder, board: type[Board]) -> None:
    session.send(run, [BOARD, SERVER])
    board.is_down = False
    session.send(run, [BOARD])
    assert warns(run)
    assert [*run.status().untracked] == ["mlflow at http://localhost:5000"]


def test_two_trackers_of_one_server_are_one_warning(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Second(Board):
        is_down = False

    makers = iter([Board, Second])
    monkeypatch.setattr(session, "TRACKERS", {"mlflow": lambda each: next(makers)(each)})
    session.send(run, [SERVER, SERVER.model_copy(update={"experiment": "second"})])
    assert "is incomplete: ConnectionError: down" in run.status().untracked[SERVER.place]


def test_photos_that_the_user_has_turned_off_stay_off(run: RunFolder) -> None:
    assert "data:image/jpeg" in run.report_file.read_text("utf-8")
    run_report.write(run, photos=False)
    session.send(run, [BOARD])
    assert warns(run)
    assert "data:image/jpeg" not in run.report_file.read_text("utf-8")


def test_a_run_that_cannot_be_changed_is_no_error(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MaskgateError("run.json: read-only")

    monkeypatch.setattr("maskgate.runs.records.status.update", refuse)
    session.send(run, [BOARD])
    err = capsys.readouterr().err
    assert "warning: the run does not say how complete its tracking is: run.json: read-only" in err
