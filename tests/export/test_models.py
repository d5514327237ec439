"""What a bundle says of the trainings that its weights come from."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate.export.models import models
from maskgate.runs import RunFolder, tables
from maskgate.synthetic.people import sample_people

GONE = "which is gone"


@pytest.fixture(scope="module")
def started(train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that started from the run `first` beside it, of the same people."""
    folder = tmp_path_factory.mktemp("started")
    first = train(folder / "first", "training.epochs=1")
    return train(
        folder / "second", "training.epochs=1", f"model.init={first}",
        f"folds.file={RunFolder(first).folds_file}",
    )  # fmt: skip


@pytest.fixture
def copies(started: Path, tmp_path: Path) -> tuple[RunFolder, RunFolder]:
    """Copies of both runs, `first` and `second`, which names the copy."""
    folder = Path(shutil.copytree(started.parent, tmp_path / "copies"))
    first, second = RunFolder(folder / "first"), RunFolder(folder / "second")
    starting_from(second, first.path)
    return first, second


def starting_from(run: RunFolder, path: Path) -> None:
    """Let the recipe of a run name another run, as a stranger can."""
    text, count = re.subn(r"\n  init: .*", f"\n  init: {path}", run.recipe_file.read_text())
    assert count == 1
    run.recipe_file.write_text(text)
    run.finish()


def facts(run: RunFolder) -> tuple[str, list[str]]:
    """The initial weights of a run, and the models of the trainings before."""
    (single,) = models(run, Path())
    training = single.facts()
    return training.weights, [each.model for each in training.before]


def test_the_run_that_it_started_from_is_listed(copies: tuple[RunFolder, RunFolder]) -> None:
    first, second = copies
    assert facts(second) == ("the run first", ["first"])
    assert facts(first) == ("random", [])


@pytest.mark.slow
def test_another_run_at_that_path_is_not_read(
    copies: tuple[RunFolder, RunFolder], train: Callable[..., Path], tmp_path: Path
) -> None:
    _, second = copies
    sample_people.make(tmp_path / "others", people=8, eval_people=0, size=(64, 48), seed=9)
    changes = ("training.epochs=1", "folds.kind=all")
    other = train(tmp_path / "other", *changes, data=tmp_path / "others")
    starting_from(second, other)
    assert facts(second) == (f"the run other, {GONE}", [])


def test_what_is_no_run_is_ignored(copies: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    _, second = copies
    (tmp_path / "file").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "link")
    for path in (tmp_path / "gone", tmp_path / "file", tmp_path, tmp_path / "link"):
        starting_from(second, path)
        assert facts(second) == (f"the run {path.name}, {GONE}", [])


def test_a_run_that_names_itself_ends(copies: tuple[RunFolder, RunFolder], tmp_path: Path) -> None:
    first, second = copies
    (tmp_path / "alias").symlink_to(second.path)
    for path in (second.path, tmp_path / "alias"):
        starting_from(second, path)
        assert facts(second) == (f"the run {path.name}, {GONE}", [])
    starting_from(second, first.path)
    for fold in first.folds:
        digests = tables.training_digests(second, fold)
        first.inherited_file(fold).write_text("\n".join(digests))
    starting_from(first, second.path)
    (single,) = models(second, Path())
    (before,) = single.facts().before
    assert (before.model, before.weights) == ("first", f"the run second, {GONE}")
    assert before.before == []
