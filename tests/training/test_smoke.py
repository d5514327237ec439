"""A smoke test says what it overrides, and refuses what the training itself would refuse."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate.config import recipe
from maskgate.runs import RunFolder
from maskgate.training import smoke

Call = Callable[..., tuple[int, str, str]]


def test_it_says_what_it_overrides(call: Call, tiny: Path, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, _, err = call("train", tiny, people, "--smoke", "--out", out, "folds.count=4")
    assert code == 0, err
    (line,) = [line for line in err.splitlines() if line.startswith("smoke test: ")]
    assert "at most 64 photos of each data set, one update per epoch" in line
    assert "folds.count=2" in line
    used = RunFolder(out).recipe()
    assert used.folds.count == 2
    assert (used.training.epochs, used.training.batch_size) == (1, 16)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["folds.count=5000"], "people cannot be split in 5000 folds"),
        (["folds.kind=all", "training.epochs_from=/gone"], "/gone: no run"),
        (["folds.kind=all", "folds.file={folds}"], "validates people, which contradicts"),
        (["photo.height=9", "photo.width=9", "augment=[{{name: blur, kernel_size: 19}}]"],
         "kernel_size is 19, too large for the photo"),
    ],
)  # fmt: skip
def test_it_refuses_what_the_training_refuses(
    call: Call,
    tiny: Path,
    people: Path,
    trained: Path,
    tmp_path: Path,
    changes: list[str],
    sentence: str,
) -> None:
    words = [change.format(folds=trained / "folds.csv") for change in changes]
    for more in ([], ["--smoke"]):
        code, _, err = call("train", tiny, people, *words, "--out", tmp_path / "run", *more)
        assert code == 2, more
        assert sentence in err, (more, err)
        assert not (tmp_path / "run").exists()


def test_its_recipe_keeps_all_but_size_and_length() -> None:
    loaded = recipe.load(recipe.find("finetune"))
    small = smoke.recipe_of(loaded)
    assert (small.model.pretrained, small.training.epochs, small.schedule.warmup_epochs) == (
        False, 1, 0.0,
    )  # fmt: skip
    assert small.training.precision == loaded.training.precision == "bf16"
    assert (small.loss, small.optimizer) == (loaded.loss, loaded.optimizer)
