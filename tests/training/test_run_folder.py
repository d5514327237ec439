"""The folder of a run gives way only where nothing of it is of use, and nobody works in it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder
from maskgate.training import run_folder

Train = Callable[..., Path]


def killed_run(path: Path, digest: str = "00000000") -> RunFolder:
    """A run as a kill before its first checkpoint leaves it."""
    (path / "fold-0").mkdir(parents=True)
    (path / "run.json").write_text(json.dumps({"recipe": "tiny", "digest": digest}))
    for name in ("recipe.yaml", "folds.csv", ".lock", ".photos.parquet.part", "fold-0/.lock",
        "detector/yunet.onnx", "detector/.yunet.onnx.part"):  # fmt: skip
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("half")
    return RunFolder(path)


def test_what_was_begun_gives_way_to_another_recipe(train: Train, tmp_path: Path) -> None:
    run = killed_run(tmp_path / "run")
    train(run.path, "training.epochs=1", "folds.kind=all")
    assert run.status().finished
    assert not list(run.path.rglob("*.part"))


@pytest.mark.parametrize("kept", ["fold-0/checkpoint.pt", "fold-0/fold.json", "notes.txt",
    "fold-0/pseudo.parquet", "members/a/fold-0/checkpoint.pt"])  # fmt: skip
def test_what_is_of_use_stays(tmp_path: Path, kept: str) -> None:
    run = killed_run(tmp_path / "run")
    (run.path / kept).parent.mkdir(parents=True, exist_ok=True)
    (run.path / kept).touch()
    before = sorted(run.path.rglob("*"))
    with pytest.raises(MaskgateError, match="has a run of tiny with another recipe"):
        run_folder.create(run.path, "11111111")
    assert sorted(run.path.rglob("*")) == before


def test_a_folder_that_somebody_works_in_stays(tmp_path: Path) -> None:
    run = killed_run(tmp_path / "run")
    with FileLock(run.path / ".lock"):
        run_folder.remove_untrained(run)
    assert run.status_file.exists()
    run_folder.remove_untrained(run)
    assert list(tmp_path.iterdir()) == []


def test_its_own_run_is_resumed(tmp_path: Path) -> None:
    run = killed_run(tmp_path / "run")
    run_folder.create(run.path, "00000000")
    assert (run.path / "recipe.yaml").exists()


def test_a_finished_run_stays(trained: Path, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(trained, tmp_path / "run")))
    run_folder.remove_untrained(run)
    assert run.status().finished
