"""What the recipe or system of a run changes in one that comes with maskgate."""

from dataclasses import dataclass
from typing import Any, Final

from maskgate.config import recipe, system, yaml12
from maskgate.reports.changed_settings import as_text, changed_settings
from maskgate.runs import RunFolder

_AUTO: Final = yaml12.line({"name": "auto"})
_DEFAULT: Final = "default"  # preferred among recipes that are equally near


@dataclass(frozen=True)
class RecipeChanges:
    """Keys with another value than in the recipe or system `name`, each with the value there and
    the one in the run, as YAML. `is_same_name` where the run's own recipe is called so; else `name`
    is the recipe with the fewest changes."""

    name: str
    is_same_name: bool
    rows: list[tuple[str, str, str]]


def of_run(run: RunFolder) -> RecipeChanges | None:
    """The changes against the shipped recipe of the same name, else against the nearest one; None
    for a system that does not come with maskgate."""
    name = run.status().recipe
    if run.is_system:
        path = system.shipped() / f"{name}.yaml"
        if run.system().is_of_runs or not path.exists():
            return None
        base = system.load(path, []).settings()
        return RecipeChanges(name, True, _rows(base, run.settings()))
    settings = run.settings()
    path = recipe.shipped() / f"{name}.yaml"
    if path.exists():
        return RecipeChanges(name, True, _rows(_settings(name), settings))
    candidates = [_DEFAULT, *sorted(file.stem for file in recipe.shipped().glob("*.yaml"))]
    by_name = {each: _rows(_settings(each), settings) for each in candidates}
    nearest = min(by_name, key=lambda each: len(by_name[each]))
    return RecipeChanges(nearest, False, by_name[nearest])


def _settings(name: str) -> dict[str, Any]:
    return recipe.load(recipe.shipped() / f"{name}.yaml").model_dump(mode="json")


def _rows(base: dict[str, Any], settings: dict[str, Any]) -> list[tuple[str, str, str]]:
    pairs = changed_settings(base, settings)
    return [
        (key, _text(before), _text(after))
        for key, before, after in pairs
        if not (key == "photo.face.detector" and before == _AUTO)  # a run has what was found
    ]


def _text(value: Any) -> str:
    return as_text(value) or "–"
