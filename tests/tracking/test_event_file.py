"""Event files in which a write fails, read back by TensorBoard."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maskgate.config.trackers import TrackerSettings
from maskgate.tracking.background import Background
from maskgate.tracking.protocol import EpochMetrics, TrackedRun

pytest.importorskip("tensorboard")

from maskgate.tracking import tensorboard
from maskgate.tracking.event_file import EventFile, summaries
from maskgate.tracking.tensorboard import TensorBoardTracker

NAME = "fold_0/train_loss"
Fill = Callable[[bool], None]


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fill]:
    """`fill(True)` fills the disk up: of each record only the first byte is written."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    summaries()  # which takes its time to import
    write = RecordWriter.write
    is_full = False

    def write_part(records: Any, content: bytes) -> None:
        if is_full:
            records._writer.write(b"\1")
            raise OSError(28, "No space left on device")
        write(records, content)

    def set_full(value: bool) -> None:
        nonlocal is_full
        is_full = value

    monkeypatch.setattr(RecordWriter, "write", write_part)
    yield set_full


def run_in(folder: Path) -> TrackedRun:
    return TrackedRun("id", "run", folder, {}, "seed: 1", folds=1, epochs=20, tags={})


def log(background: Background, *epochs: int) -> None:
    for epoch in epochs:
        metrics = EpochMetrics(0, epoch, {NAME: 1 / epoch})
        background.add(lambda tracker, metrics=metrics: tracker.log_epoch(metrics))  # type: ignore[misc]


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def epochs(folder: Path) -> list[int]:
    return sorted(step for name, step in tensorboard._points(folder) if name == NAME)


@pytest.mark.slow
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_everything_arrives_once_a_full_disk_has_room_again(tmp_path: Path, fill: Fill) -> None:
    background = Background(
        TensorBoardTracker(TrackerSettings(name="tensorboard")), run_in(tmp_path)
    )
    log(background, 1)
    wait_for(lambda: not background.missing)
    fill(True)
    log(background, 2)
    wait_for(lambda: "No space left" in background.fault)
    log(background, *range(3, 10))
    wait_for(lambda: "No space left" in background.fault)
    fill(False)
    log(background, 10)
    wait_for(lambda: not background.missing)
    background.close(finished=True, seconds=30)
    assert background.incomplete == ""
    assert epochs(tmp_path / "tensorboard") == list(range(1, 11))


def test_an_error_is_raised_by_the_call_without_another_thread(tmp_path: Path, fill: Fill) -> None:
    before = threading.active_count()
    file = EventFile(tmp_path)
    fill(True)
    with pytest.raises(OSError, match="No space left"):
        file.add(summaries().scalar(NAME, 1.0), 1)
    file.close()
    with pytest.raises(OSError, match="No space left"):
        EventFile(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1  # an empty one is removed
    assert threading.active_count() == before


def test_files_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.unknown.host.1.0").touch()
    for step in range(12):
        file = EventFile(tmp_path)
        file.add(summaries().scalar(NAME, step), step)
        file.close()
    names = [path.name for path in tmp_path.iterdir() if "unknown" not in path.name]
    assert sorted(names) == sorted(names, key=lambda name: int(name.split(".")[-1]))
    assert epochs(tmp_path) == list(range(12))


def test_nothing_is_written_that_the_files_have(tmp_path: Path) -> None:
    for _ in range(2):
        tracker = TensorBoardTracker(TrackerSettings(name="tensorboard"))
        tracker.start(run_in(tmp_path))
        tracker.log_epoch(EpochMetrics(0, 1, {NAME: 1.0}))
        tracker.close(finished=True)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
