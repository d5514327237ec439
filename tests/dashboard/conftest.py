"""Runs of two people: seeds of a recipe, others, unfinished, smoke and damaged ones."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from maskgate.config import system as config_system
from maskgate.dashboard.grouping import Grouper, Grouping
from maskgate.dashboard.reader import Entry, Reader
from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder, sources
from maskgate.runs.sources import Source
from maskgate.training import ensembles
from maskgate.training.options import TrainOptions
from maskgate.training.trainer import Trainer

GOLDEN = Path(__file__).parents[1] / "golden"
HOSTILE = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'


@pytest.fixture(scope="session")
def team(
    trained: Path, train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with `kim` and `lee`, which are folders of runs; no test may change it."""
    root = tmp_path_factory.mktemp("team")
    kim, lee = root / "kim", root / "lee"
    shutil.copytree(trained, kim / "plain-7")
    train(kim / "plain-1", "seed=1")
    train(kim / HOSTILE.replace("/", "|"), "optimizer.lr=0.02")
    train(lee / "three", "folds.count=3", "training.epochs=1")
    train(lee / "smoke", smoke=True)
    shutil.copytree(trained, lee / "damaged")
    (lee / "damaged" / "metrics.json").write_text("{")
    with stopped_after(4):
        train(lee / "unfinished", "training.epochs=3")
    return root


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A folder with two copies of a finished run, `one` and `two`, which a test may change."""
    for name in ("one", "two"):
        shutil.copytree(GOLDEN / "plain", tmp_path / "runs" / name)
    return tmp_path / "runs"


def change(run: Path, *pairs: tuple[str, str]) -> None:
    """Replace text of a run's recipe, which must be there; the run is complete again."""
    file = RunFolder(run).recipe_file
    text = file.read_text("utf-8")
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after, 1)
    file.write_text(text, "utf-8")
    RunFolder(run).finish()


@contextmanager
def stopped_after(epochs: int) -> Iterator[None]:
    """A training in this context fails after the checkpoint of so many epochs, over all folds."""
    end_epoch, trained = Trainer._end_epoch, count(1)

    def stop(trainer: Any, row: dict[str, Any]) -> None:
        end_epoch(trainer, row)
        if next(trained) == epochs:
            raise MaskgateError("stopped")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_end_epoch", stop)
        with pytest.raises(MaskgateError, match="stopped"):
            yield


def lock(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Nobody may look into the folder; root may look into any, so that its mode would not do."""

    def refusing(work: Callable[..., Any], itself: bool) -> Callable[..., Any]:
        def refuse(path: Any, *args: Any, **kwargs: Any) -> Any:
            is_path = isinstance(path, str | Path)
            if is_path and (folder in Path(path).parents or (itself and Path(path) == folder)):
                raise PermissionError(13, "Permission denied", str(path))
            return work(path, *args, **kwargs)

        return refuse

    patch.setattr(os, "stat", refusing(os.stat, itself=False))
    patch.setattr(os, "scandir", refusing(os.scandir, itself=True))
    patch.setattr(Path, "open", refusing(Path.open, itself=False))


@pytest.fixture(scope="session")
def system(
    tiny: Path, people: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., None]:
    """`system(out)` trains a system of three members with two folds of three epochs in a folder."""
    members = "".join(
        f"  - {{name: {name}, recipe: {tiny}, changes: {{seed: {seed}, training.epochs: 3}}}}\n"
        for name, seed in (("one", 1), ("two", 2), ("three", 3))
    )
    file = tmp_path_factory.mktemp("systems") / "vote.yaml"
    file.write_text(
        f"folds: {{kind: kfold, count: 2}}\nmembers:\n{members}combine: soft_vote\n", "utf-8"
    )

    def train(out: Path) -> None:
        loaded = config_system.load(file, [])
        ensembles.train(loaded, TrainOptions("vote", people, out, cache, checkpoint_seconds=0))

    return train


@pytest.fixture(scope="session")
def folders(team: Path) -> list[Source]:
    return sources.read([str(team / "kim"), str(team / "lee")])


@pytest.fixture(scope="session")
def entries(folders: list[Source]) -> dict[str, Entry]:
    """Every run by its name."""
    return {entry.row.name: entry for entry in Reader(folders).read()}


@pytest.fixture(scope="session")
def grouping(entries: dict[str, Entry]) -> Grouping:
    return Grouper().group([entry.row for entry in entries.values()])
