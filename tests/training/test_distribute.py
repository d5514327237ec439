"""Folds as tasks on a Ray cluster: the bytes that one process leaves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock

from maskgate.cluster import Cluster
from maskgate.config import recipe, system
from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder
from maskgate.training import crossval, distribute, ensembles, processes
from maskgate.training.callbacks import Callbacks, Epoch
from maskgate.training.options import TrainOptions

Call = Callable[..., tuple[int, str, str]]


def killed_once(marker: Path, run: Path) -> Callbacks:
    """The first process that is in the second epoch of the run's fold 0 is killed."""
    # A list: pickled, two functions no longer share a variable.
    epochs: list[Epoch] = []

    def on_update_end(updates: int) -> None:
        if updates == 4 and epochs[-1].fold == 0 and not marker.exists():
            marker.write_text(str((run / "fold-0" / "checkpoint.pt").exists()))
            os.kill(os.getpid(), signal.SIGKILL)

    return Callbacks(on_epoch_start=epochs.append, on_update_end=on_update_end)


@pytest.mark.slow
def test_two_nodes_train_the_same_bytes_though_a_worker_is_killed(
    nodes: str, trained: Path, tiny: Path, people: Path, cache: Path, tmp_path: Path,
    call: Call,
) -> None:  # fmt: skip
    marker = tmp_path / "killed"
    out = tmp_path / "run"
    callbacks = (killed_once(marker, out),)
    options = TrainOptions("tiny", people, out, cache, checkpoint_seconds=0, callbacks=callbacks)
    (run,) = distribute.train([(recipe.load(tiny), options)], Cluster(nodes))
    assert marker.read_text() == "True"  # and the checkpoint was there to go on from
    for name in ("oof.parquet", "folds.csv", "recipe.yaml", "fold-0/model.safetensors",
                 "fold-1/model.safetensors"):  # fmt: skip
        assert (run.path / name).read_bytes() == (trained / name).read_bytes(), name
    assert run.metrics() == RunFolder(trained).metrics()
    assert not list(run.path.rglob("checkpoint.pt"))
    assert run.files.listed().keys() == RunFolder(trained).files.listed().keys()

    code, _, err = call("train", tiny, people, "--out", run.path, "--cache", cache, "--on", nodes)
    assert (code, "this run is finished" in err) == (0, True)

    # As if the driver had been killed before the last fold: the other is not trained again.
    (run.path / "fold-1" / "fold.json").unlink()
    run.update_status(finished=None)
    before = run.weights_file(0).stat().st_mtime_ns
    code, _, err = call("train", tiny, people, "--out", run.path, "--cache", cache, "--on", nodes)
    assert code == 0
    assert "fold 1 is trained (1 of 1)" in err
    assert run.weights_file(0).stat().st_mtime_ns == before
    assert run.weights_file(1).read_bytes() == RunFolder(trained).weights_file(1).read_bytes()


@pytest.mark.slow
def test_ctrl_c_ends_the_work_on_all_nodes_and_it_goes_on(
    nodes: str, tiny: Path, people: Path, cache: Path, train: Callable[..., Path], tmp_path: Path
) -> None:
    words = ["train", tiny, people, "training.epochs=6", "--out", tmp_path / "run",
             "--cache", cache, "--checkpoint-seconds", 0, "--on", nodes]  # fmt: skip
    command = [sys.executable, "-m", "maskgate", *map(str, words)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 300
    while not list(tmp_path.glob("run/fold-*/checkpoint.pt")) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=100)
    assert process.returncode == 2, stderr
    assert "Traceback" not in stderr
    last = stderr.splitlines()[-1]
    assert "interrupted" in last
    assert "repeat the command" in last
    before = _written(tmp_path)
    time.sleep(3)
    assert _written(tmp_path) == before

    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    alone = train(tmp_path / "alone", "training.epochs=6")
    for name in ("oof.parquet", "history.csv", "fold-0/model.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (alone / name).read_bytes(), name


def _written(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


VOTE = """
folds: {kind: kfold, count: 2}
members:
  - {name: plain, recipe: RECIPE}
  - {name: joint, recipe: RECIPE, changes: {model.head: joint, seed: 8}, weight: 2}
combine: soft_vote
"""


@pytest.mark.slow
def test_a_system_s_members_are_trained_at_once(
    nodes: str, tiny: Path, people: Path, cache: Path, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "vote.yaml"
    file.write_text(VOTE.replace("RECIPE", str(tiny)))
    loaded = system.load(file, ["training.epochs=1"])
    local_run = ensembles.train(loaded, TrainOptions("vote", people, tmp_path / "here", cache))
    cluster_run = ensembles.train(
        loaded, TrainOptions("vote", people, tmp_path / "there", cache), Cluster(nodes)
    )
    assert cluster_run.oof_file.read_bytes() == local_run.oof_file.read_bytes()
    assert "(4 of 4)" in capfd.readouterr().err
    assert all(member.status().finished for member in cluster_run.members())


def test_a_fold_that_another_process_trains_is_waited_for_and_then_told(trained: Path) -> None:
    training: Any = SimpleNamespace(run=RunFolder(trained))
    with processes.started("fp32") as accelerator:
        with FileLock(trained / "fold-0" / ".lock"), pytest.raises(MaskgateError) as error:
            crossval.train_fold(0, training, accelerator, patience=0.2)
        assert "another process is training this run" in str(error.value)
        crossval.train_fold(0, training, accelerator)  # free, and nothing is left to train


@pytest.mark.parametrize("several", [False, True])
def test_torchrun_and_a_cluster_exclude_each_other(
    several: bool, tiny: Path, people: Path, tmp_path: Path, call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = tmp_path / "vote.yaml"
    file.write_text(VOTE.replace("RECIPE", str(tiny)))
    monkeypatch.setenv("RANK", "1")
    code, _, err = call("train", file if several else tiny, people, "--on", "ray")
    assert (code, err.count("\n")) == (2, 1)
    assert "use one of the two" in err
