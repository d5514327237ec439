"""The progress of a run over all its folds, and its time left."""

import re

import pytest

from maskgate.training.callbacks import Epoch
from maskgate.training.epoch_progress import RunProgress

ROW = {"fold": 0, "epoch": 1, "train_loss": 0.5}


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def epoch(fold: int, number: int, done: int = 0) -> Epoch:
    name = f"epoch {number + 1}/2"
    return Epoch(fold, name, updates=10, done=done, number=number, epochs=2)


def test_the_time_left_is_that_of_all_folds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    progress = RunProgress([0, 1, 2, 3, 4], clock)
    hooks = progress.callbacks()
    hooks.on_epoch_start(epoch(0, 0))
    assert progress.remaining() == "0% of 5 folds"
    for update in range(10):
        clock.time += 6
        hooks.on_update_end(update)
    assert progress.remaining() == "10% of 5 folds, about 9 min left"
    clock.time += 60  # validation
    hooks.on_epoch_end(ROW)
    line = capsys.readouterr().err.splitlines()[-1]
    text = r"fold 0, epoch 1: training loss 0\.500; 10% of 5 folds, about 18 min left"
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {text}", line)
    hooks.on_epoch_start(epoch(4, 1))
    clock.time += 600
    hooks.on_epoch_end(ROW)
    assert capsys.readouterr().err.rstrip().endswith("; 100% of 5 folds")
    hooks.on_fit_end()


def test_what_was_done_before_does_not_count_for_the_speed() -> None:
    clock = Clock()
    progress = RunProgress([0, 1], clock)
    hooks = progress.callbacks()
    hooks.on_epoch_start(epoch(1, 0, done=5))  # fold 0 is trained, and half of the epoch is done
    assert progress.remaining() == "62% of 2 folds"
    for update in range(5):
        clock.time += 12
        hooks.on_update_end(update)
    assert progress.remaining() == "75% of 2 folds, about 2 min left"
    hooks.on_fit_end()


def test_one_fold_is_the_run() -> None:
    clock = Clock()
    progress = RunProgress([3], clock)
    progress.callbacks().on_epoch_start(epoch(3, 1))
    assert progress.remaining() == "50% of the run"
