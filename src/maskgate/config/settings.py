"""YAML settings: reading, overriding, validating, and errors that name the nearest known key."""

import difflib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Strict,
    ValidationError,
)

from maskgate.config import yaml12
from maskgate.errors import DiskError, MaskgateError, listed, shorten_middle

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")
BASE: Final = "base"
# What a function raises for arguments of a wrong type or size.
WRONG_ARGUMENTS: Final = (
    TypeError, ValueError, LookupError, ArithmeticError, AttributeError, AssertionError,
    RuntimeError,
)  # fmt: skip
_MAX_BASES: Final = 40  # paths above a base, two per file
_MAX_FAULTS: Final = 20  # reported per file
_MAX_KEY_PARTS: Final = 20  # of a key, joined by dots; no key is nested deeper


def to_integer(value: Any) -> Any:
    """A whole number as int, whether it was typed 2 or 2.0; other values as they are."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_finite(value: Any, place: str = "") -> None:
    """Raise MaskgateError for .nan and .inf; a schema does not check arguments."""
    if isinstance(value, float) and not math.isfinite(value):
        raise MaskgateError(f"{place}: {yaml12.line(value)} is not a finite number; write another")
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for key, part in parts:
        _check_finite(part, f"{place}.{key}".lstrip("."))


# In a Section text, true and false are not accepted as numbers.
LOSSLESS: Final = BeforeValidator(to_integer)
"""Accepts `2.0` as a whole number. Place it after the bounds, or the schema loses them."""
ListOf = Annotated[tuple[Item, ...], Strict(False)]
"""A list in YAML."""


class Section(BaseModel):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False, strict=True
    )


class Component(Section):
    """A part that is looked up by name, with its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def parse_component(text: str) -> Component:
    """The component that `name` or `{name: …, argument: …}` describes. Raises MaskgateError."""
    try:
        content = yaml12.parse(text)
        _check_finite(content)
        return Component.model_validate({"name": content} if isinstance(content, str) else content)
    except (yaml12.InvalidYamlError, ValidationError, MaskgateError) as error:
        raise MaskgateError(f"{text}: write a name, or {{name: …, argument: value}}") from error


def override_text(value: Any) -> str:
    """`value` as text after the equals sign of an override."""
    if value is None:
        return ""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # .inf and .nan, which JSON lacks
        return yaml12.line(value)


def find(
    name: str, kind: str, shipped: Path, suffixes: tuple[str, ...] = (".yaml", ".yml")
) -> Path:
    """The file of a `kind` (recipe, system …) given as a path or as the name of a shipped one.

    Shipped ones end in the first of `suffixes`.
    """
    path = Path(name)
    known = sorted(file.stem for file in shipped.glob(f"*{suffixes[0]}"))
    if path.is_file():
        return path
    if name in known:
        return shipped / f"{name}{suffixes[0]}"
    neighbours = [
        str(file) for suffix in suffixes for file in sorted(path.parent.glob(f"*{suffix}"))
    ]
    close = difflib.get_close_matches(path.stem, known, 1)
    close += difflib.get_close_matches(name, neighbours, 1)
    hint = f"did you mean {close[0]}?" if close else f"shipped are {listed(known, 40)}"
    raise MaskgateError(f"{name}: no such {kind}; {hint}")


def load(
    model: type[Model],
    path: Path,
    kind: str,
    overrides: Iterable[str] = (),
    alone: bool = False,
) -> Model:
    """The settings in the file at `path`, with `key.sub=value` overrides. Raises MaskgateError.

    Its key `base` names a file in the same folder to start from: mappings are merged, all else is
    replaced. If `alone`, as in a run, which may come from a stranger, `base` is refused.
    """
    content = _content(path, kind, model, alone=alone)
    for override in overrides:
        _override(content, override)
    try:
        _check_finite(content)
    except MaskgateError as error:
        raise MaskgateError(f"{path}: {error}") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise MaskgateError(f"{path}: {describe_errors(error, model)}") from error


def read(path: Path, kind: str) -> Any:
    """The content of a YAML file; `kind` is a recipe, a list of changes … Raises MaskgateError."""
    try:
        return yaml12.read(path)
    except (OSError, ValueError, yaml12.InvalidYamlError) as error:
        fault = DiskError if isinstance(error, OSError) else MaskgateError
        raise fault(
            f"{path}: not a {kind} in YAML ({error}); fix it, or copy a shipped one"
        ) from error


def _content(
    path: Path,
    kind: str,
    model: type[BaseModel],
    above: tuple[Path, ...] = (),
    alone: bool = False,
) -> dict[str, Any]:
    """The content of the file, merged into that of its base, and so on."""
    content = read(path, kind)
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise MaskgateError(f"{path}: a {kind} is a mapping of keys such as 'model:'")
    if BASE not in content:
        return content
    if alone:
        raise MaskgateError(
            f"{path}: names another file as its base, which the {kind} of a run never does; get the"
            " run again from where it comes"
        )
    base = path.parent / f"{content.pop(BASE)}.yaml"
    if not base.is_file() or base in above or len(above) > _MAX_BASES:
        reason = "does not exist" if base not in above else "is circular"
        if len(above) > _MAX_BASES:
            reason = f"is the last of more than {_MAX_BASES // 2}"
        raise MaskgateError(f"{path}: its base {base} {reason}; fix the key 'base'")
    return _merged(_content(base, kind, model, (*above, path, base)), content, model)


def _merged(
    below: dict[str, Any], above: dict[str, Any], model: type[BaseModel] | None
) -> dict[str, Any]:
    """`above` over `below`: mappings are merged; a new name drops the old name's arguments."""
    merged = dict(below)
    for key, value in above.items():
        previous = merged.get(key)
        if not (isinstance(previous, dict) and isinstance(value, dict)):
            merged[key] = value
            continue
        field = model.model_fields.get(key) if model is not None else None
        section = section_of(field.annotation) if field is not None else None
        if "name" in value and value["name"] != previous.get("name"):
            if section is None or issubclass(section, Component):
                previous = {}
            else:
                previous = {k: v for k, v in previous.items() if k != "arguments"}
        merged[key] = _merged(previous, value, section)
    return merged


def split(override: str) -> tuple[str, Any]:
    """Key and value of `key.sub=value`. Raises MaskgateError for anything else."""
    key, equals, text = override.partition("=")
    if not equals or not key or key.count(".") > _MAX_KEY_PARTS:
        raise MaskgateError(f"{override}: an override is written key.sub=value")
    try:
        return key, yaml12.parse(text) if text else None
    except yaml12.InvalidYamlError as error:
        raise MaskgateError(f"{override}: the value is not YAML ({error}); fix it") from error


def _override(content: dict[str, Any], override: str) -> None:
    key, value = split(override)
    *parents, last = key.split(".")
    place: Any = content
    try:
        for parent in parents:
            if isinstance(place, list):
                place = place[int(parent)]
                continue
            if isinstance(place.get(parent), str):  # a name without arguments
                place[parent] = {"name": place[parent]}
            place = place.setdefault(parent, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise MaskgateError(
            f"{override}: the recipe has no place {key}; see docs/recipe.md"
        ) from error


_WRONG_KIND: Final = {
    "tuple_type": "is a list; write [first, second] or [{name: …}]",
    "model_type": "has several keys; write {key: value} or change one as key.sub=value",
}
_WRONG_TYPE: Final = {
    "int_type": "Input should be a valid integer",
    "float_type": "Input should be a valid number",
    "finite_number": "Input should be a finite number",
    "bool_type": "Input should be true or false",
    "string_type": "Input should be text, in quotes where it looks like something else",
}


def describe_errors(error: ValidationError, model: type[BaseModel]) -> str:
    """All errors of settings in one sentence, with the nearest known key for unknown ones."""
    faults = []
    for fault in error.errors(include_url=False)[:_MAX_FAULTS]:
        key = ".".join(str(part) for part in fault["loc"]) or model.__name__.lower()
        if fault["type"] == "extra_forbidden":
            known = _sibling_keys(fault["loc"], model)
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {listed(known, 20)}"
            faults.append(f"unknown key {key}, {hint}")
        else:
            problem = _WRONG_KIND.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
            if fault["type"] in _WRONG_TYPE:
                problem = f"{_WRONG_TYPE[fault['type']]}, not {_yaml_text(fault['input'])}"
            faults.append(f"{key}: {problem}".removeprefix(": "))
    remaining = error.error_count() - len(faults)
    return "; ".join(faults) + (f"; and {remaining:,} more" if remaining else "")


def _yaml_text(value: Any) -> str:
    """A value in YAML, shortened for a message."""
    text = yaml12.line(value) if isinstance(value, str | list | dict | None) else str(value)
    return shorten_middle(text.lower() if isinstance(value, bool) else text, 60, 20)


def _sibling_keys(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    section = model
    for part in location[:-1]:
        field = section.model_fields.get(str(part))
        inner = section_of(field.annotation) if field is not None else None
        section = inner or section
    return list(section.model_fields)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section in an annotation such as `Model`, `Model | None` or `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, list, Union, UnionType):
        sections = (section_of(part) for part in get_args(annotation))
        return next((section for section in sections if section is not None), None)
    return None


def lookup(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    """`known[name]`. Raises MaskgateError that suggests the nearest name."""
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, list(known), 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {listed(sorted(known), 20)}"
    raise MaskgateError(f"unknown {kind} {name}; {hint}")
