"""What a recipe or a system names is looked up before a training; `test_typos.py` has more."""

from pathlib import Path

import pytest

from maskgate.config import recipe, system
from maskgate.core import extras
from maskgate.errors import MaskgateError
from maskgate.inference import recipe_check

SYSTEM = """
members:
  - {name: one, recipe: baseline}
  - {name: two, recipe: baseline, changes: {seed: 8}}
"""


def load(*changes: str) -> recipe.Recipe:
    return recipe.load(recipe.find("baseline"), list(changes))


def test_shipped_recipes_and_systems_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "check_package", lambda *_: None)  # some may not be installed here
    for path in recipe.shipped().glob("*.yaml"):
        loaded = recipe.load(path)
        if loaded.model.init is None and loaded.pseudo is None and not loaded.data:
            recipe_check.check(loaded, path.stem)


def test_the_run_of_the_epochs_is_asked_for() -> None:
    loaded = load("folds.kind=all", "training.epochs_from=/gone")
    with pytest.raises(MaskgateError, match=r"^/gone: no run"):
        recipe_check.check(loaded, "baseline")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["members.1.changes={tta: [flp]}"], "^recipe both, member two: unknown test-time augment"),
        (["members.1.changes={folds.file: /gone}"], None),  # folds are the system's
        (["members.1.changes={model.init: /gone}"], "^member two: /gone: no run"),
        (["model.init=/gone"], "^/gone: no run"),
        (["adjust=[near_tie, near_tie]"], "^adjust: near_tie is listed twice"),
    ],
)
def test_the_faults_of_a_system_name_the_member(
    changes: list[str], sentence: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "both.yaml"
    path.write_text(SYSTEM)
    loaded = system.load(path, changes)
    if sentence is None:
        recipe_check.check_system(loaded, "both")
        return
    with pytest.raises(MaskgateError, match=sentence):
        recipe_check.check_system(loaded, "both")
