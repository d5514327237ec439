"""What is said before a training starts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate.runs import RunFolder
from maskgate.runs import tables as run_tables

Call = Callable[..., tuple[int, str, str]]


@pytest.mark.slow
def test_few_updates_are_a_warning_with_their_true_number(
    call: Call, tiny: Path, people: Path, tmp_path: Path
) -> None:
    words = ("train", tiny, people, "training.epochs=1", "sampling.worn_per_person=1", "--out")
    code, _, err = call(*words, tmp_path / "few")
    assert code == 0, err
    run = RunFolder(tmp_path / "few")
    updates = min(int(run_tables.fold_history(run, fold)["updates"].sum()) for fold in (0, 1))
    warning = f"updates of the weights per fold: {updates}, too few to learn from"
    assert warning in err and any(warning in each for each in run.status().warnings)
    code, _, err = call(*words, tmp_path / "enough", "training.batch_size=4")
    assert code == 0 and "too few to learn from" not in err
