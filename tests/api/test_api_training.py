"""Training from Python is the training of the command line."""

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import maskgate
from maskgate.errors import MaskgateError

Call = Callable[..., tuple[int, str, str]]


@pytest.mark.slow
def test_the_same_as_the_command(
    tiny: Path, people: Path, cache: Path, tmp_path: Path, call: Call
) -> None:
    changes = {"training.epochs": 1, "loss": {"name": "focal", "gamma": 1.5}, "model.init": None}
    run = maskgate.train(tiny, people, changes, out=tmp_path / "one", cache=cache)
    words = shlex.split(run.status.command)
    assert words[:4] == ["maskgate", "train", str(tiny), str(people)]
    assert run.settings["loss"] == {"name": "focal", "gamma": 1.5}
    code, _, err = call(*words[1:-1], tmp_path / "two")
    assert code == 0, err
    other = maskgate.Run(tmp_path / "two")
    assert other.status.digest == run.status.digest
    np.testing.assert_array_equal(other.oof.iloc[:, -18:], run.oof.iloc[:, -18:])
    # A finished run is opened.
    assert maskgate.train(tiny, people, changes, out=tmp_path / "one", cache=cache) == run


@pytest.mark.slow
def test_a_system_and_the_default_folder(
    tiny: Path, people: Path, cache: Path, tmp_path: Path
) -> None:
    file = tmp_path / "both.yaml"
    file.write_text(
        f"folds: {{kind: kfold, count: 2}}\nmembers:\n  - {{name: one, recipe: {tiny}}}\n"
        f"  - {{name: two, recipe: {tiny}, changes: {{seed: 8}}}}\n"
    )
    run = maskgate.train(file, people, {"training.epochs": 1}, runs=tmp_path / "runs", cache=cache)
    assert run.path.parent == tmp_path / "runs" and run.name.startswith("both-")
    assert list(run.metrics.members) == ["one", "two"]


@pytest.mark.parametrize(
    ("recipe", "changes", "error"),
    [
        ("baselin", {}, "baselin: no such recipe; did you mean baseline?"),
        ("systems/s1-smal", {}, "no such system; did you mean s1-small"),
        ("baseline", {"training.epoch": 2}, "unknown key training.epoch, did you mean epochs?"),
        ("baseline", {"seed": "three"}, "seed: Input should be a valid integer"),
        ("baseline", {"seed": object()}, "seed: a object is no value of a recipe; give a number"),
        ("baseline", {"model.init": Path("/gone")}, "/gone: no run"),
    ],
)
def test_what_the_command_refuses_is_refused(
    recipe: str, changes: dict[str, object], error: str, people: Path, tmp_path: Path
) -> None:
    with pytest.raises(MaskgateError, match=error.replace("?", r"\?")):
        maskgate.train(recipe, people, changes, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    with pytest.raises(MaskgateError, match="/gone: no such file or folder"):
        maskgate.train("baseline", "/gone", runs=tmp_path / "runs")
