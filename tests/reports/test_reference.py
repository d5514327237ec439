"""docs/recipe.md is what the code says today, all of it, and every description exists."""

import ast
import importlib
import inspect
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel, Field, TypeAdapter

import maskgate
from maskgate.config import recipe, settings, system
from maskgate.config.recipe import Recipe
from maskgate.config.settings import Component
from maskgate.config.system import System
from maskgate.reports import reference

ROOT = Path(__file__).parents[2]
PACKAGE = Path(maskgate.__file__).parent
INTERNAL_ARGUMENTS = {
    "geometry", "rows", "table", "random", "features", "counts", "head", "course", "network",
    "members",
}  # by the program, not by a recipe  # fmt: skip


def test_the_page_is_current() -> None:
    stored = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert stored == reference.page(), "docs/recipe.md is out of date; run `make reference`"


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Path, field and docstring of everything in a schema, read from the classes themselves."""
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if kind]
        inner = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        below = [k for k in inner if not issubclass(k, Component)]
        entry = ".0." if get_origin(field.annotation) in (list, tuple) else "."
        yield prefix + name, field, "".join(str(k.__doc__) for k in below)
        for section in below:
            yield from fields(section, f"{prefix}{name}{entry}")


@pytest.mark.parametrize(("model", "least"), [(Recipe, 60), (System, 12)])
def test_every_key_is_there_with_a_description_and_a_default(
    model: type[BaseModel], least: int
) -> None:
    key_by_path = {key.path: key for section in reference.sections(model) for key in section.keys}
    page = reference.page()
    expected = list(fields(model))
    assert sorted(key_by_path) == sorted(path for path, *_ in expected)
    assert len(expected) >= least
    for path, field, docstring in expected:
        purpose = field.description or docstring
        assert purpose, f"{path} has no description"
        assert key_by_path[path].purpose.split() == purpose.split()
        assert f"| `{path}` |" in page
        assert (key_by_path[path].default == "must be given") == field.is_required(), path
        if not docstring and not field.is_required():
            default = TypeAdapter(Any).dump_python(field.get_default(), mode="json")
            assert yaml.safe_load(key_by_path[path].default.strip("`")) == default, path


@pytest.mark.parametrize("names", reference.TABLES, ids=lambda names: names.key)
def test_every_name_is_there_with_its_arguments(names: reference.Names) -> None:
    page = reference.page()
    section = page.partition(f"## Names for `{names.key}`")[2].partition("\n## ")[0]
    assert names.table
    for entry in reference.entries(names):
        assert f"| `{entry.name}` |" in section
        assert entry.purpose.rstrip().endswith("."), f"{entry.name} has no docstring"
        arguments = {argument.strip("`").partition(":")[0] for argument in entry.arguments}
        assert not arguments & INTERNAL_ARGUMENTS, (
            f"{entry.name}: no recipe gives {arguments & INTERNAL_ARGUMENTS}"
        )
    assert [entry.name for entry in reference.entries(names)] == list(names.table)


@pytest.mark.parametrize("names", reference.TABLES, ids=lambda names: names.key)
def test_arguments_are_spelled_out(names: reference.Names) -> None:
    """A `**kwargs` would hide from the reader what a recipe may hold."""
    for name, make in names.table.items():
        plain = not inspect.isclass(inspect.unwrap(make)) or "__init__" in vars(make)
        kinds = {each.kind for each in inspect.signature(make).parameters.values()}
        assert not plain or inspect.Parameter.VAR_KEYWORD not in kinds, f"{names.key}: {name}"


@pytest.mark.slow
def test_every_table_that_names_are_looked_up_in_is_there() -> None:
    known = [names.table for names in reference.TABLES]
    count = 0
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if getattr(node.func, "id", getattr(node.func, "attr", "")) == "lookup":
                place = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
                name = ast.unparse(node.args[2])
                if name == "known":  # what another package names, found as the program runs
                    continue
                module = importlib.import_module(place.removesuffix(".__init__"))
                table = eval(name, vars(module))
                if any(map(callable, table.values())):  # not the names alone, of timm's
                    factories = {
                        name: factory for name, factory in table.items() if factory is not None
                    }
                    is_listed = any(
                        factories.items() <= known_table.items() for known_table in known
                    )
                    assert is_listed, f"{place}: add {name} to TABLES"
                    count += 1
    assert count >= len(known)


@pytest.mark.parametrize("folder", [recipe.shipped(), system.shipped()], ids=lambda at: at.name)
def test_shipped_files_are_there_with_their_first_line(folder: Path) -> None:
    page = reference.page()
    paths = list(folder.glob("*.yaml"))
    assert paths
    for path in paths:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# "), f"{path.name} begins with no comment"
        assert f"| [{path.stem}](../{folder.name}/{path.name}) | {first[2:]} |" in page


def test_the_overrides_on_the_page_work() -> None:
    lines = [line for line in reference.page().splitlines() if line.startswith("    maskgate")]
    of_recipe, of_system = map(shlex.split, lines)
    _, _, name, _, *overrides = of_system
    several = system.load(system.find(name), overrides)
    assert several.members[0].weight == 2
    assert {several.recipe_of(member).training.epochs for member in several.members} == {3}
    _, _, name, _, *overrides = of_recipe
    changed = recipe.load(recipe.find(name), overrides)
    assert changed.training.epochs == 5
    assert changed.augment[0].arguments["degrees"] == 5
    assert changed.training.clip_norm is None


class Inner(settings.Section):
    """What is inside."""

    share: recipe.Share = Field(0.5, description="a share")


class Everything(settings.Section):
    """Every kind of field."""

    choice: Literal["a", "no", 3] = Field("a", description="choice | of some")
    one: Literal["x"] = Field("x", description="the only one")
    pair: tuple[int, Annotated[float, Field(lt=2)]] = Field((1, 0.5), description="pair")
    several: Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=1, max_length=3)] = (
        Field([1], description="numbers")
    )
    perhaps: Annotated[float, Field(ge=0, lt=1)] | None = Field(None, description="perhaps")
    word: Annotated[str, Field(pattern="^[a-z]+$")] = Field(description="a word")
    either: int | bool | str = Field(1, description="either")
    anything: Any = Field(None, description="anything")
    mapping: dict[str, int] = Field({}, description="mapping")
    component: Component | None = Field(None, description="perhaps named")
    chain: list[Component] = Field([Component(name="a")], description="chain")
    inner: Inner = Inner()
    maybe: Inner | None = Field(None, description="perhaps inner")
    many: tuple[Inner, ...] = Field((), description="many inner")


HOLDS = {
    "choice": ("`a` or `'no'` or `3`", "`a`"),
    "one": ("`x`", "`x`"),
    "pair": ("list: whole number, number < 2", "`[1, 0.5]`"),
    "several": ("list of at least 1 and of at most 3, each whole number > 0", "`[1]`"),
    "perhaps": ("number ≥ 0 and < 1 or `null`", "`null`"),
    "word": ("text like `^[a-z]+$`", "must be given"),
    "either": ("whole number or `true` or `false` or text", "`1`"),
    "anything": ("anything", "`null`"),
    "mapping": ("mapping", "`{}`"),
    "component": ("a name with its arguments or `null`", "`null`"),
    "chain": ("list, each a name with its arguments", "`[{name: a}]`"),
    "inner": ("a section", ""),
    "maybe": ("a section or `null`", ""),
    "many": ("list, each a section", ""),
    "inner.share": ("number ≥ 0 and ≤ 1", "`0.5`"),
    "maybe.share": ("number ≥ 0 and ≤ 1", "`0.5`"),
    "many.0.share": ("number ≥ 0 and ≤ 1", "`0.5`"),
}


def test_every_kind_of_field_is_put_into_words() -> None:
    sections = reference.sections(Everything)
    keys = [key for section in sections for key in section.keys]
    type_and_default = {key.path: (key.type_in_words, key.default) for key in keys}
    assert type_and_default == HOLDS
    assert [section.path for section in sections] == ["", "inner", "maybe", "many.0"]
    assert [section.purpose for section in sections] == ["Every kind of field."] + [
        "What is inside."
    ] * 3


def test_a_cell_cannot_break_its_table() -> None:
    text = reference._table(("a", "b"), [("x | y", "two\nlines")])
    assert text.splitlines() == ["| a | b |", "| --- | --- |", "| x \\| y | two lines |"]
