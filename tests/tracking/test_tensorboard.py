"""Real trainings, read back from TensorBoard's event files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskgate.runs import open_run, tables
from maskgate.tracking.protocol import EpochMetrics
from maskgate.tracking.tensorboard import TensorBoardTracker

pytest.importorskip("tensorboard")
Train = Callable[..., Path]
Kill = Callable[..., None]


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sizes = {"scalars": 0, "images": 0, "tensors": 0}
    events = EventAccumulator(str(folder), size_guidance=sizes)
    events.Reload()
    return events


def curve(events: Any, name: str) -> list[tuple[int, Any]]:
    return [(point.step, pytest.approx(point.value)) for point in events.Scalars(name)]


def history(run: Path, fold: int, name: str) -> list[tuple[int, Any]]:
    rows = tables.fold_history(open_run(str(run)), fold)
    return list(zip(rows["epoch"], rows[name], strict=True))


@pytest.mark.slow
def test_curves_scores_recipe_confusion_and_mistakes(train: Train, tmp_path: Path) -> None:
    out = train(tmp_path / "run", "tracking=tensorboard")
    events, run = read(out / "tensorboard"), open_run(str(out))
    for fold in (0, 1):
        for name in ("train_loss", "valid_macro_f1"):
            assert history(out, fold, name) == curve(events, f"fold_{fold}/{name}")
    macro_f1 = run.metrics().macro_f1
    assert macro_f1 is not None
    assert [(0, macro_f1.low)] == curve(events, "macro_f1_low")
    assert "class/not_wear_female_60_and_over/f1" in events.Tags()["scalars"]
    assert {"confusion/mask", "confusion/class"} <= set(events.Tags()["images"])
    recipe = events.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "backbone: test_resnet" in recipe
    mistakes = events.Tensors("mistakes/text_summary")[0].tensor_proto.string_val[0].decode()
    rows = run.mistakes_file.read_text("utf-8").splitlines()
    assert len(mistakes.splitlines()) == len(rows) + 1
    assert rows[1].split(",")[0] in mistakes
    assert "track" not in str(run.status().all_warnings)


@pytest.mark.slow
def test_an_epoch_that_is_always_refused_does_not_keep_the_others_back(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_epoch = TensorBoardTracker.log_epoch

    def refuse(tracker: TensorBoardTracker, metrics: EpochMetrics) -> None:
        if (metrics.fold, metrics.epoch) == (0, 1):
            raise ValueError("not this one")
        log_epoch(tracker, metrics)

    monkeypatch.setattr(TensorBoardTracker, "log_epoch", refuse)
    out = train(tmp_path / "run", "tracking=tensorboard")
    events, run = read(out / "tensorboard"), open_run(str(out))
    assert history(out, 0, "train_loss")[1:] == curve(events, "fold_0/train_loss")
    assert history(out, 1, "train_loss") == curve(events, "fold_1/train_loss")
    assert len(curve(events, "macro_f1")) == 1
    (warning,) = (each for each in run.status().all_warnings if "tracking" in each)
    assert "is incomplete: 1 call was dropped (ValueError: not this one)" in warning
    monkeypatch.undo()
    train(out, "tracking=tensorboard")
    events = read(out / "tensorboard")
    assert sorted(curve(events, "fold_0/train_loss"), key=str) == sorted(
        history(out, 0, "train_loss"), key=str
    )


@pytest.mark.slow
def test_tracking_changes_no_result(train: Train, trained: Path, tmp_path: Path) -> None:
    out = train(tmp_path / "run", f"tracking={{name: tensorboard, folder: {tmp_path / 'boards'}}}")
    assert open_run(str(out)).status().digest == open_run(str(trained)).status().digest
    for name in ("metrics.json", "history.csv", "oof.parquet"):
        assert (out / name).read_bytes() == (trained / name).read_bytes()
    (board,) = (tmp_path / "boards").iterdir()
    assert board.name.startswith("run-")
    assert not (out / "tensorboard").exists()


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 3])
def test_a_killed_training_goes_on_without_points_twice(
    at: int, train: Train, kill: Kill, tiny: Path, people: Path, tmp_path: Path, cache: Path
) -> None:
    out = tmp_path / "run"
    place = "maskgate.training.trainer:Trainer._validate_epoch"
    words = ("train", tiny, people, "tracking=tensorboard", "--out", out, "--cache", cache)
    kill(place, at + 1, *words, "--checkpoint-seconds", 0)
    train(out, "tracking=tensorboard", checkpoint_seconds=0)
    events = read(out / "tensorboard")
    for fold in (0, 1):
        assert history(out, fold, "train_loss") == curve(events, f"fold_{fold}/train_loss")
    assert len(events.Tensors("recipe/text_summary")) == 1


@pytest.mark.slow
def test_a_finished_run_is_sent_when_its_command_is_repeated(
    train: Train, trained: Path, tmp_path: Path
) -> None:
    tracking = f"tracking={{name: tensorboard, folder: {tmp_path}}}"
    before = (trained / "run.json").read_bytes()
    for _ in range(2):
        train(trained, tracking)
    (board,) = tmp_path.iterdir()
    events = read(board)
    assert history(trained, 1, "train_loss") == curve(events, "fold_1/train_loss")
    assert len(events.Scalars("macro_f1")) == len(events.Images("confusion/mask")) == 1
    assert (trained / "run.json").read_bytes() == before
