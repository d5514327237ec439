"""Every shipped recipe and system runs: all its steps, on a handful of generated people."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate import runs
from maskgate.config import recipe, system
from maskgate.runs import tables

Smoke = Callable[..., runs.RunFolder]

RECIPES = sorted(path.stem for path in recipe.shipped().glob("*.yaml"))
SYSTEMS = sorted(path.stem for path in system.shipped().glob("*.yaml"))
# What needs more than the people: data beside them, or a model that only a download brings (what
# is done with it is in faces/test_retinaface.py), or another run.
MORE = {
    "more-data": ["data.0.path=more/train"],
    "s1-retinaface": ["photo.face.detector=mtcnn"],
    "s1-pseudo": ["pseudo=null"],
}


@pytest.fixture
def smoke(
    call: Callable[..., tuple[int, str, str]],
    people: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Smoke:
    """`smoke(name, *changes)` is `maskgate train NAME PEOPLE --smoke`; the run it leaves."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *changes: str) -> runs.RunFolder:
        folder = tmp_path / "run"
        options = ("--smoke", "--cache", cache, "--out", folder)
        code, _, error = call("train", name, people, *changes, *options)
        assert code == 0, error[-2000:]
        return runs.open_run(folder)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs(name: str, smoke: Smoke, tmp_path: Path) -> None:
    if name == "more-data":
        from maskgate.synthetic.people import sample_people

        sample_people.make(tmp_path / "more", people=4, eval_people=0, size=(64, 48), seed=9)
    run = smoke(name, *MORE.get(name, []))
    assert run.metrics().validated == (name != "s2-all")
    assert "Summary of the training" in run.report_file.read_text("utf-8")
    history = tables.history(run)
    assert history["train_loss"].notna().all()
    changed_recipe = recipe.load(recipe.find(name), MORE.get(name))
    assert len(history[history["fold"] == 0]) == 1 + min(
        1, changed_recipe.training.validation_epochs
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_runs(name: str, smoke: Smoke) -> None:
    changes = MORE.get(f"systems/{name}", [])
    run = smoke(f"systems/{name}", *changes)
    assert run.is_system
    changed_system = system.load(system.find(f"systems/{name}"), changes)
    assert len(run.metrics().members) == len(changed_system.members)
