"""docs/recipe.md: every key of a recipe and every name it can look up, told by the code itself.

python -m maskgate.reports.reference docs/recipe.md
"""

import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from maskgate.config import recipe, system, yaml12
from maskgate.config.recipe import Recipe
from maskgate.config.system import System
from maskgate.core import files
from maskgate.ensemble.combining import ADJUSTMENTS, COMBINATIONS, INTERNAL_PARAMETERS
from maskgate.faces.detectors import DETECTORS
from maskgate.imaging.tta import TTA_METHODS
from maskgate.model.averages import AVERAGES
from maskgate.model.heads import HEADS
from maskgate.model.losses import LOSSES
from maskgate.model.schedules import SCHEDULES
from maskgate.pipeline.mixing import MIXES
from maskgate.pipeline.sampling import SAMPLERS
from maskgate.pipeline.transforms import TRANSFORMS


@dataclass(frozen=True)
class Names:
    """A table that a recipe's `key` looks names up in; arguments in `given` are the program's."""

    key: str
    table: Mapping[str, Callable[..., object]]
    given: tuple[str, ...] = ()


TABLES: Final = (
    Names("photo.face.detector", DETECTORS, ("folders",)),
    Names("augment", TRANSFORMS, ("geometry",)),
    Names("sampling", SAMPLERS, ("rows", "table", "random")),
    Names("mixing", MIXES),
    Names("loss", LOSSES, ("counts", "head")),
    Names("model.head", HEADS, ("features",)),
    Names("schedule", SCHEDULES, ("course",)),
    Names("training.average", AVERAGES, ("network",)),
    Names("tta", TTA_METHODS, ("view", "geometry")),
    Names("combine", COMBINATIONS, INTERNAL_PARAMETERS),
    Names("adjust", ADJUSTMENTS, INTERNAL_PARAMETERS),
)

_INTRODUCTION = """\
# Recipe reference

Written by `make reference` from the code that reads recipes, and tested to be current: change
the descriptions there, not here.

A recipe is a YAML file that fully determines one model. Every key has a default, so a recipe holds
only what it wants otherwise; the `recipe.yaml` of a run spells out all of them. A key that is not
listed here is refused, and the nearest one that is listed is named; so is a key that stands in a
file twice.

`maskgate train` takes a recipe's file, or the name of a shipped one, and after the data any number
of changes. Keys are joined by dots, the entries of a list are counted from 0, values are YAML 1.2
(`true` and `false`, but `yes` and `no` are text), and nothing after the `=` means `null`:

    maskgate train baseline PEOPLE training.epochs=20 augment.0.degrees=5 training.clip_norm=

A recipe that changes another one names it as its `base`, a file of that name beside it, and holds
only the changes: mappings are merged, all else is replaced; the arguments of a name go with it.

Where the value is a name with its arguments, the arguments stand beside the name:
`{name: affine, degrees: 10}`; a name without any may stand alone, `loss: focal`. Names and
arguments are listed at the end; unknown ones are refused before anything is trained."""

_SYSTEMS = """\
## Systems

A system is a YAML file that lists several models, its members, and how their answers become one.
`maskgate train` takes it as it takes a recipe: every member is trained as a run of its own in
`members` of the system's run folder, on the same folds, and what they say of the validated photos
is combined and scored. Changes on the command line go to every member, except those of `folds`,
`members` and `combine`, which are the system's own. Where a recipe and a system ship under one
name, as `s1`, the name alone is the recipe and `systems/s1` the system:

    maskgate train systems/s1-small PEOPLE training.epochs=3 members.0.weight=2

All else may be run on a system as on a recipe: `report`, `runs`, `compare`, `predict`, `submit`."""


# ---------------------------------------------------------------------------- the schema


@dataclass(frozen=True)
class Key:
    """One key: its path from the top, what it holds in words, its default in YAML, its purpose."""

    path: str
    holds: str
    default: str
    purpose: str


@dataclass(frozen=True)
class Section:
    """Keys that stand together under `path` (empty at the top)."""

    path: str
    purpose: str
    keys: list[Key]


def sections(model: type[BaseModel] = Recipe) -> list[Section]:
    """The sections of a schema, outer before inner, in the order of their fields."""
    schema = model.model_json_schema()
    return _sections("", schema, schema.get("$defs", {}))


def _sections(path: str, part: dict[str, Any], known: dict[str, Any]) -> list[Section]:
    keys, inner = [], []
    for name, field in part["properties"].items():
        place = f"{path}.{name}".lstrip(".")
        below = _section_in(field, known)
        default = "" if below and "default" in field else _default(field)
        purpose = field.get("description") or (below or {}).get("description", "")
        keys.append(Key(place, _holds(field, known), default, purpose))
        if below:
            inner += _sections(f"{place}.0" if "items" in field else place, below, known)
    return [Section(path, part.get("description", ""), keys), *inner]


def _default(field: dict[str, Any]) -> str:
    return _code(field["default"]) if "default" in field else "must be given"


def _section_in(field: dict[str, Any], known: dict[str, Any]) -> dict[str, Any] | None:
    """The section that a field holds: as it is, as one of several choices, or in a list."""
    parts = [field, *field.get("anyOf", []), field.get("items", {})]
    referred = [_definition(part, known) for part in parts if "$ref" in part]
    return next((part for part in referred if not _takes_arguments(part)), None)


def _definition(field: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    definition: dict[str, Any] = known[field["$ref"].rpartition("/")[2]]
    return definition


def _takes_arguments(definition: dict[str, Any]) -> bool:
    """Whether it is a name with arguments rather than a section, whose keys are all known."""
    return bool(definition.get("additionalProperties"))


_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "null": "`null`",
    "object": "mapping",
    "array": "list",
}
_BOUNDS: Final = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minItems": "of at least {}",
    "maxItems": "of at most {}",
    "pattern": "like `{}`",
}


def _holds(field: dict[str, Any], known: dict[str, Any]) -> str:
    """What a field of a JSON schema may hold, in words."""
    if "$ref" in field:
        named = _takes_arguments(_definition(field, known))
        return "a name with its arguments" if named else "a section"
    if "anyOf" in field:
        return " or ".join(_holds(choice, known) for choice in field["anyOf"])
    if "enum" in field or "const" in field:
        return " or ".join(map(_code, field.get("enum") or [field["const"]]))
    if "prefixItems" in field:
        return "list: " + ", ".join(_holds(part, known) for part in field["prefixItems"])
    told = _TYPES.get(field.get("type", ""), "anything")
    bounds = [words.format(field[bound]) for bound, words in _BOUNDS.items() if bound in field]
    told = " ".join([told, " and ".join(bounds)]).strip()
    return f"{told}, each {_holds(field['items'], known)}" if field.get("items") else told


# ------------------------------------------------------------------------ names and recipes


@dataclass(frozen=True)
class Entry:
    """One name of a table, the arguments a recipe can give it, and what it does."""

    name: str
    arguments: list[str]
    purpose: str


def entries(names: Names) -> list[Entry]:
    """The names of a table in its order, described by their signatures and docstrings."""
    found = []
    for name, make in names.table.items():
        parameters = inspect.signature(make).parameters.values()
        own = [each for each in parameters if each.name not in names.given]
        found.append(
            Entry(name, [_argument(each) for each in own if _is_named(each)], purpose(make))
        )
    return found


def _is_named(parameter: inspect.Parameter) -> bool:
    """Not `*args` and `**kwargs`: a module without a constructor of its own takes none of them."""
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def _argument(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return f"`{parameter.name}`"
    return f"`{parameter.name}: {_yaml(parameter.default)}`"


def purpose(make: Callable[..., object]) -> str:
    """The first line of the docstring; of torchvision's own, with a link to the rest."""
    source: Any = inspect.unwrap(make)
    source = source.func if isinstance(source, partial) else source
    line = inspect.cleandoc(source.__doc__ or "").partition("\n")[0]
    if source.__module__.startswith("torchvision."):
        page = f"torchvision.transforms.v2.{source.__name__}.html"
        url = f"https://docs.pytorch.org/vision/stable/generated/{page}"
        return f"torchvision's [{source.__name__}]({url}): {line}"
    return line


def first_lines(folder: Path) -> dict[str, str]:
    """The YAML files of a folder by name, each with its first line, a comment."""
    paths = sorted(folder.glob("*.yaml"))
    return {path.name: path.read_text("utf-8").partition("\n")[0].lstrip("# ") for path in paths}


# ------------------------------------------------------------------------------- the page


def page() -> str:
    """The whole of docs/recipe.md."""
    parts = [_INTRODUCTION, "## Shipped recipes", _shipped("recipe", recipe.shipped())]
    for section in sections():
        parts += [f"## {section.path or 'At the top'}\n\n{section.purpose}", _keys(section)]
    parts += [_SYSTEMS, "### Shipped systems", _shipped("system", system.shipped())]
    for section in sections(System):
        if section.path != "folds":  # a recipe's own
            parts += [f"### {section.path or 'Keys of a system'}\n\n{section.purpose}"]
            parts += [_keys(section)]
    for names in TABLES:
        parts.append(f"## Names for `{names.key}`")
        told = [(f"`{e.name}`", ", ".join(e.arguments), e.purpose) for e in entries(names)]
        parts.append(_table(("name", "arguments: defaults", "what it does"), told))
    return "\n\n".join(parts) + "\n"


def _shipped(kind: str, folder: Path) -> str:
    files = first_lines(folder).items()
    rows = [(f"[{Path(name).stem}](../{kind}s/{name})", told) for name, told in files]
    return _table((kind, "what it is"), rows)


def _keys(section: Section) -> str:
    rows = [(f"`{key.path}`", key.holds, key.default, key.purpose) for key in section.keys]
    return _table(("key", "value", "default", "what it is"), rows)


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = tuple(titles)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _yaml(value: object) -> str:
    """A value in one line of YAML, as a recipe would have it."""
    plain = json.loads(json.dumps(value, default=str))
    return yaml12.line(plain)


def _code(value: object) -> str:
    return f"`{_yaml(value)}`"


if __name__ == "__main__":
    files.replace_text(Path(sys.argv[1]), page())
