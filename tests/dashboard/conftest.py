"""Runs of two people: seeds of a recipe, others, unfinished, smoke and damaged ones."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskgate.dashboard.grouping import Grouper, Grouping
from maskgate.dashboard.reader import Entry, Reader
from maskgate.errors import MaskgateError
from maskgate.runs import sources
from maskgate.runs.sources import Source
from maskgate.training.trainer import Trainer

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
    with pytest.MonkeyPatch.context() as patch:
        end_epoch = Trainer._end_epoch

        def stop(trainer: Any, row: dict[str, Any]) -> None:
            end_epoch(trainer, row)
            if row["fold"] == 1:
                raise MaskgateError("stopped")

        patch.setattr(Trainer, "_end_epoch", stop)
        with pytest.raises(MaskgateError, match="stopped"):
            train(lee / "unfinished", "training.epochs=3")
    return root


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
