"""docs/techniques.md: every row's key is in the recipe it names, and its test exists."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from maskgate.config import recipe, system

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "docs" / "techniques.md").read_text("utf-8").splitlines()
ROWS = [cells for line in LINES if len(cells := line.strip("| ").split(" | ")) == 5]
ROWS = [row for row in ROWS if row[0] != "technique" and not row[0].startswith("---")]
USED = [row for row in ROWS if row[1].startswith("`") and row[3] != "–"]


def resolved(name: str) -> dict[str, Any]:
    """All settings of a shipped recipe, or of a system."""
    if name.startswith("systems/"):
        return system.load(system.find(name), []).model_dump()
    return recipe.load(recipe.find(name)).model_dump()


def holds(settings: Any, keys: list[str], expected: Any) -> bool:
    """Whether the value at `keys` is `expected`, is named so, or has an entry that is."""
    if isinstance(settings, list | tuple):
        return any(holds(each, keys, expected) for each in settings)
    if keys:
        return isinstance(settings, dict) and holds(settings.get(keys[0]), keys[1:], expected)
    if isinstance(settings, dict):
        return settings.get("name") == expected
    return type(settings) is type(expected) and settings == expected


@cache
def functions(file: str) -> set[str]:
    """The names of the tests in a file."""
    body = ast.parse((ROOT / file).read_text("utf-8")).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return {name for name in names if name.startswith("test_")}


def test_the_table_is_read() -> None:
    assert len(ROWS) > 60
    assert len({row[1] for row in USED}) == len(USED)


@pytest.mark.parametrize("row", USED, ids=lambda row: row[1])
def test_a_recipe_has_the_technique(row: list[str]) -> None:
    key, _, value = row[1].strip("`").partition(": ")
    settings, keys = resolved(row[3]), key.split(".")
    if value:
        assert holds(settings, keys, yaml.safe_load(value)), row
    else:
        default: Any = recipe.Recipe().model_dump()
        for part in keys:
            settings, default = settings[part], default[part]
        assert settings != default or key in (recipe.shipped() / f"{row[3]}.yaml").read_text()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_its_test_exists(row: list[str]) -> None:
    file, _, function = row[4].partition("::")
    assert function in functions(file), row[4]


def test_every_shipped_recipe_of_the_write_ups_is_listed() -> None:
    text = "\n".join(LINES)
    for path in recipe.shipped().glob("s[0-4]*.yaml"):
        if not path.stem.endswith("-small"):
            assert re.search(rf"\b{path.stem}\b", text), path.stem


def test_every_name_is_a_technique() -> None:
    """What a recipe can look up in the tables of losses, heads, mixes and samplers is listed."""
    from maskgate.model.heads import HEADS
    from maskgate.model.losses import LOSSES
    from maskgate.pipeline.mixing import MIXES
    from maskgate.pipeline.sampling import SAMPLERS

    text = "\n".join(row[1] for row in ROWS) + " weighted shuffle"
    for name in (*MIXES, *SAMPLERS, *HEADS, *LOSSES):
        assert re.search(rf"\b{name}\b", text), name
