"""Named changes of a recipe: from a file, from the command line, or resets to the defaults.

A change is a list of `key.sub=value`, as on the command line of `maskgate train`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from maskgate.config import settings
from maskgate.config.recipe import Recipe
from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.model import names

REFERENCE: Final = "reference"

# Never reset to the default: validation; how the data are read; input size and training length;
# keys without a sensible default; numbers to tune rather than techniques; keys that do not affect
# the score.
KEPT: Final = frozenset(
    {
        "seed",
        "folds",
        "photo.height",
        "photo.width",
        "photo.margin",
        "photo.face.detector",
        "photo.face.sha256",
        "photo.face.margin",
        "labels.truth",
        "labels.tier",
        "labels.columns",
        "labels.map",
        "model.backbone",
        "model.arguments",
        "optimizer.lr",
        "optimizer.weight_decay",
        "optimizer.arguments",
        "pseudo.thresholds",
        "pseudo.weight",
        "schedule.min_lr",
        "schedule.arguments",
        "training.epochs",
        "training.epochs_from",
        "training.batch_size",
        "training.accumulate",
        "training.validation_batch_size",
        "training.validation_epochs",
    }
)
# Keys that depend on another key, and are reset with it.
WITH: Final = {
    "model.beside": ("model.beside_arguments",),
    "optimizer.name": ("optimizer.lr", "optimizer.weight_decay", "optimizer.arguments"),
    "schedule.name": ("schedule.arguments", "schedule.min_lr"),
}
# Three keys for one setting: where the weights come from.
START: Final = ("model.pretrained", "model.weights", "model.init", "model.start_head")
# Arguments of a backbone that are techniques; all others define the network.
DROPPED: Final = ("drop_path_rate", "drop_rate", "drop_block_rate")


@dataclass(frozen=True)
class Change:
    """A change: its name, and its `key.sub=value` overrides."""

    name: str
    overrides: tuple[str, ...]


def read(path: Path) -> list[Change]:
    """The changes in a YAML file: a mapping of names to `key.sub: value`, or a list of those.

    Raises MaskgateError for anything else.
    """
    content = settings.read(path, "list of changes")
    if not isinstance(content, dict | list) or not content:
        raise MaskgateError(
            f"{path}: has no changes; write a name and below it key.sub: value, or a list of"
            " key.sub: value"
        )
    changes = []
    for name, keys in _entries(content):
        if not isinstance(keys, dict) or not keys or not all(isinstance(k, str) for k in keys):
            raise MaskgateError(
                f"{path}: {name} is not a change; write its keys below it as key.sub: value"
            )
        overrides = tuple(f"{key}={settings.override_text(value)}" for key, value in keys.items())
        changes.append(Change(folder_name(overrides) if name is None else str(name), overrides))
    return changes


def _entries(content: dict[Any, Any] | list[Any]) -> Iterator[tuple[Any, Any]]:
    if isinstance(content, dict):
        yield from content.items()
        return
    for entry in content:
        yield None, dict([settings.split(entry)]) if isinstance(entry, str) else entry


def from_override(override: str) -> Change:
    """The change of one `key.sub=value`, named after it. Raises MaskgateError."""
    settings.split(override)
    return Change(folder_name([override]), (override,))


def folder_name(overrides: Sequence[str]) -> str:
    """A name for a change that can be used as a folder name."""
    text = re.sub(r"[^\w.=+]+", "-", " ".join(overrides).replace('"', ""))
    return text[:60].strip("-.=")


def check(changes: Sequence[Change], load: Callable[[Sequence[str]], Recipe]) -> None:
    """Raise MaskgateError with all changes for which `load` fails, or that name what is unknown."""
    faults = []
    for change in changes:
        try:
            names.check(load(change.overrides))
        except MaskgateError as error:
            faults.append(f"change {change.name}: {error}")
    if faults:
        raise MaskgateError("; ".join(faults))


# ------------------------------------------------------------------------- leave one out


def leave_one_out(recipe: Recipe) -> list[Change]:
    """Every technique of the recipe reset to its default, one at a time.

    Entries of lists (`augment`, `mixing`, `data`, the parts of a summed loss) are removed one by
    one. Keys in `KEPT` are not changed.
    """
    dumped, default = recipe.model_dump(mode="json"), Recipe().model_dump(mode="json")
    changes: list[Change] = []
    for key in _differing_keys(Recipe, dumped, default):
        value, default_value = _value_at(dumped, key), _value_at(default, key)
        if key == "labels.corrections" and dumped["labels"]["truth"]:
            continue  # labels.truth needs them
        if key == "sampling":
            limits = ("worn_per_person", "incorrect_per_person")
            default_value = default_value | {name: value[name] for name in limits}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            changes += _without_each(key, value)
        elif key not in START:
            dependent = [(each, _value_at(default, each)) for each in WITH.get(key, ())]
            changes.append(_restore(key, default_value, [(key, default_value), *dependent]))
    keys = [(key, _value_at(default, key)) for key in START]
    keys = [(key, value) for key, value in keys if _value_at(dumped, key) != value]
    if keys:
        changes.append(_restore("model.start", None, keys))
    if dumped["loss"]["name"] == "sum":
        changes += _without_each("loss.parts", dumped["loss"]["parts"])
    arguments = dumped["model"]["arguments"]
    for name in DROPPED:
        if arguments.get(name):
            rest = {key: value for key, value in arguments.items() if key != name}
            changes.append(_restore(name, None, [("model.arguments", rest)]))
    return _with_unique_names(changes)


def _with_unique_names(changes: list[Change]) -> list[Change]:
    names = [change.name for change in changes]
    return [
        change
        if (count := names[: at + 1].count(change.name)) == 1
        else replace(change, name=f"{change.name}-{count}")
        for at, change in enumerate(changes)
    ]


def _differing_keys(
    section: type[BaseModel], dumped: Mapping[str, Any], default: Any, above: str = ""
) -> Iterator[str]:
    """Dotted keys whose values differ from the defaults, as deep as a key is a technique."""
    for name, field in section.model_fields.items():
        key, value = f"{above}{name}", dumped[name]
        if default is None and field.is_required():
            continue  # it has no default
        default_value = default[name] if default is not None else field.default
        if isinstance(default_value, BaseModel):
            default_value = default_value.model_dump(mode="json")
        inner_section = settings.section_of(field.annotation)
        if value == default_value or key in KEPT:
            continue
        if (
            inner_section is not None
            and issubclass(inner_section, Component)
            and inner_section.model_fields.keys() > {"name"}
        ):
            yield from _component_keys(key, value, default_value)
        elif (
            inner_section is None or issubclass(inner_section, Component) or isinstance(value, list)
        ):
            yield key
        else:
            if default_value is None:  # the section itself is a technique, and so are its keys
                yield key
            yield from _differing_keys(inner_section, value, default_value, f"{key}.")


def _component_keys(key: str, value: Any, default: Any) -> Iterator[str]:
    """The differing keys of a component that has keys of its own: the component, and those keys."""
    if isinstance(value, list):
        yield key
        return
    keys = [name for name in default if name != "name"]
    if {k: v for k, v in value.items() if k not in keys} != {"name": default["name"]}:
        yield key
    yield from (f"{key}.{name}" for name in keys if value[name] != default[name])


def _value_at(content: Any, key: str) -> Any:
    """The value at a dotted key; its default if the section is absent by default."""
    place, section = content, Recipe
    for part in key.split("."):
        field = section.model_fields.get(part) if section is not None else None
        if isinstance(place, dict):
            place = place.get(part)
        elif field is not None:
            place = field.default
        section = settings.section_of(field.annotation) if field is not None else None  # type: ignore[assignment]
    return place


def _without_each(key: str, entries: list[dict[str, Any]]) -> Iterator[Change]:
    names = [str(entry.get("name", Path(str(entry.get("path", ""))).name)) for entry in entries]
    for number, name in enumerate(names):
        rest = [entry for other, entry in enumerate(entries) if other != number]
        if not rest and key == "loss.parts":
            continue
        twice = f"-{names[: number + 1].count(name)}" if names.count(name) > 1 else ""
        yield Change(
            f"without-{folder_name([name])}{twice}", (f"{key}={settings.override_text(rest)}",)
        )


def _restore(key: str, default_value: Any, keys: Sequence[tuple[str, Any]]) -> Change:
    """The change that resets `keys`, named `without-…` or `default-…`."""
    what = key.removesuffix(".name").rpartition(".")[2]
    word = "without" if not default_value else "default"
    overrides = tuple(f"{each}={settings.override_text(value)}" for each, value in keys)
    return Change(f"{word}-{what}", overrides)
