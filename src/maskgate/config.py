"""YAML files of settings: read, overridden, validated, and their faults told with near misses."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from maskgate.errors import MaskgateError, listed

Model = TypeVar("Model", bound=BaseModel)
BASE: Final = "base"


class Section(BaseModel):
    """Settings that stand together; a key it does not know is refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False
    )


class Named(Section):
    """Something looked up by name, with its arguments beside the name."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def named(text: str) -> Named:
    """What a command line names: `name`, or `{name: …, argument: …}`. Raises MaskgateError."""
    try:
        told = _parse(text)
        return Named.model_validate({"name": told} if isinstance(told, str) else told)
    except (yaml.YAMLError, ValidationError) as error:
        raise MaskgateError(f"{text}: write a name, or {{name: …, argument: value}}") from error


def plain(value: Any) -> str:
    """`value` as it stands after the equals sign of an override."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads `5e-4` as text; here it is a number, as everybody means it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)


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
    beside = [str(file) for suffix in suffixes for file in sorted(path.parent.glob(f"*{suffix}"))]
    near = difflib.get_close_matches(path.stem, known, 1)
    near += difflib.get_close_matches(name, beside, 1)
    hint = f"did you mean {near[0]}?" if near else f"shipped are {listed(known, 40)}"
    raise MaskgateError(f"{name}: no such {kind}; {hint}")


def load(
    model: type[Model],
    path: Path,
    kind: str,
    overrides: Iterable[str] = (),
    alone: bool = False,
) -> Model:
    """What the file at `path` holds, with `key.sub=value` overrides. Raises MaskgateError.

    Its key `base` names a file beside it that it changes: mappings are merged, all else replaced.
    `alone`, such as in a run, which may be a stranger's, it may name no other file of this machine.
    """
    content = _content(path, kind, model, alone=alone)
    for override in overrides:
        _override(content, override)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise MaskgateError(f"{path}: {told(error, model)}") from error


def read(path: Path, kind: str) -> Any:
    """What the YAML file of a `kind` (recipe, list of changes …) holds. Raises MaskgateError."""
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MaskgateError(
            f"{path}: not a {kind} in YAML ({_cause(error)}); mend it, or copy a shipped one"
        ) from error


def _content(
    path: Path,
    kind: str,
    model: type[BaseModel],
    above: tuple[Path, ...] = (),
    alone: bool = False,
) -> dict[str, Any]:
    """What the file holds, merged into its base, and that into its own."""
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
    if not base.is_file() or base in above:
        why = "is not there" if base not in above else "goes round in a circle"
        raise MaskgateError(f"{path}: its base {base} {why}; mend the key 'base'")
    return _merged(_content(base, kind, model, (*above, path, base)), content, model)


def _merged(
    below: dict[str, Any], above: dict[str, Any], model: type[BaseModel] | None
) -> dict[str, Any]:
    """`above` over `below`: mappings are merged; arguments go with the name they belong to."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if not (isinstance(old, dict) and isinstance(value, dict)):
            merged[key] = value
            continue
        field = model.model_fields.get(key) if model is not None else None
        section = section_of(field.annotation) if field is not None else None
        if "name" in value and value["name"] != old.get("name"):
            named = section is None or issubclass(section, Named)
            old = {} if named else {k: v for k, v in old.items() if k != "arguments"}
        merged[key] = _merged(old, value, section)
    return merged


def _cause(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark else str(error)


def split(override: str) -> tuple[str, Any]:
    """Key and value of `key.sub=value`. Raises MaskgateError where it is written otherwise."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise MaskgateError(f"{override}: an override is written key.sub=value")
    try:
        return key, _parse(text) if text else None
    except yaml.YAMLError as error:
        raise MaskgateError(
            f"{override}: the value is not YAML ({_cause(error)}); mend it"
        ) from error


def _override(content: dict[str, Any], override: str) -> None:
    key, value = split(override)
    *parents, last = key.split(".")
    place: Any = content
    try:
        for parent in parents:
            if isinstance(place, list):
                place = place[int(parent)]
                continue
            if isinstance(place.get(parent), str):  # a name that stands alone
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
    "model_type": "holds several keys; write {key: value} or change one as key.sub=value",
}


def told(error: ValidationError, model: type[BaseModel]) -> str:
    """All faults of settings in one sentence, with the nearest known key for unknown ones."""
    faults = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or model.__name__.lower()
        if fault["type"] == "extra_forbidden":
            known = _keys_beside(fault["loc"], model)
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {listed(known, 20)}"
            faults.append(f"unknown key {key}, {hint}")
        else:
            said = _WRONG_KIND.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
            faults.append(f"{key}: {said}".removeprefix(": "))
    return "; ".join(faults)


def _keys_beside(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
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
        found = (section_of(part) for part in get_args(annotation))
        return next((section for section in found if section is not None), None)
    return None


def lookup(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    """`known[name]`, or a MaskgateError that names the nearest."""
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, list(known), 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {listed(sorted(known), 20)}"
    raise MaskgateError(f"unknown {kind} {name}; {hint}")
