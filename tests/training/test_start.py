"""Epochs found by another run; how weights are inherited is told in test_crossval.py."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from maskgate import recipe
from maskgate.errors import MaskgateError
from maskgate.recipe import Recipe
from maskgate.runs import Run
from maskgate.training import start


def wanted(run: Path, tiny: Path) -> Recipe:
    return recipe.load(tiny, ["folds.kind=all", f"training.epochs_from={run}"])


def test_epochs_are_the_mean_of_the_best(trained: Path, tiny: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    # Best are epoch 2 of the one fold and 5 of the other: 3.5, rounded to even.
    rows = [(0, e, 0.9 if e == 2 else 0.1) for e in range(1, 7)]
    rows += [(1, e, e / 10 if e <= 5 else 0.2) for e in range(1, 7)]
    table = pd.DataFrame(rows, columns=["fold", "epoch", "valid_score"])
    table.to_csv(Run(copy).history_file, index=False)
    Run(copy).end()
    assert start.epochs(wanted(copy, tiny)).training.epochs == 4


def test_a_run_without_validation_tells_no_epochs(
    trained: Path, tiny: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    pd.DataFrame({"fold": [0], "epoch": [1]}).to_csv(Run(copy).history_file, index=False)
    Run(copy).end()
    with pytest.raises(MaskgateError, match="validated nobody"):
        start.epochs(wanted(copy, tiny))


def test_all_photos_are_trained_on_for_the_epochs_found(
    trained: Path, train: "object", tmp_path: Path
) -> None:
    changes = ("folds.kind=all", f"training.epochs_from={trained}")
    run = Run(train(tmp_path / "run", *changes))  # type: ignore[operator]
    history = Run(trained).history()
    best = history.loc[history.groupby("fold")["valid_score"].idxmax(), "epoch"]
    assert run.recipe().training.epochs == round(best.mean()) == len(run.history())


def test_another_key_is_left_alone(tiny: Path) -> None:
    made = recipe.load(tiny, [])
    assert start.epochs(made) is made
