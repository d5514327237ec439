"""Named changes of a recipe: from a file, from the command line, or back to the defaults.

A change is written as on the command line of `maskgate train`: a list of `key.sub=value`.
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

REFERENCE: Final = "reference"

# What is never put back to its default: how it is validated; how large and long; what a default
# cannot stand in for; numbers to be tuned rather than techniques; what does not touch the score.
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
# Keys that mean nothing without the one before them, and go back with it.
WITH: Final = {
    "model.beside": ("model.beside_arguments",),
    "optimizer.name": ("optimizer.lr", "optimizer.weight_decay", "optimizer.arguments"),
    "schedule.name": ("schedule.arguments", "schedule.min_lr"),
}
# Where the weights come from is one thing with three keys.
START: Final = ("model.pretrained", "model.weights", "model.init")
# Arguments of a backbone that are techniques; all others make it the network it is.
DROPPED: Final = ("drop_path_rate", "drop_rate", "drop_block_rate")


@dataclass(frozen=True)
class Change:
    """What is called by this name, and the `key.sub=value` that make it."""

    name: str
    overrides: tuple[str, ...]


def read(path: Path) -> list[Change]:
    """The changes in a YAML file: a mapping of names to `key.sub: value`, or a list of those.

    Raises MaskgateError where it holds something else.
    """
    content = settings.read(path, "list of changes")
    if not isinstance(content, dict | list) or not content:
        raise MaskgateError(
            f"{path}: holds no changes; write a name and below it key.sub: value, or a list of"
            " key.sub: value"
        )
    found = []
    for name, keys in _entries(content):
        if not isinstance(keys, dict) or not keys or not all(isinstance(k, str) for k in keys):
            raise MaskgateError(
                f"{path}: {name} is no change; write its keys below it as key.sub: value"
            )
        overrides = tuple(f"{key}={settings.override_text(value)}" for key, value in keys.items())
        found.append(Change(named(overrides) if name is None else str(name), overrides))
    return found


def _entries(content: dict[Any, Any] | list[Any]) -> Iterator[tuple[Any, Any]]:
    if isinstance(content, dict):
        yield from content.items()
        return
    for entry in content:
        yield None, dict([settings.split(entry)]) if isinstance(entry, str) else entry


def given(override: str) -> Change:
    """The change that one `key.sub=value` makes, named after itself. Raises MaskgateError."""
    settings.split(override)
    return Change(named([override]), (override,))


def named(overrides: Sequence[str]) -> str:
    """A name for a change that can be that of a folder."""
    text = re.sub(r"[^\w.=+]+", "-", " ".join(overrides).replace('"', ""))
    return text[:60].strip("-.=")


def check(changes: Sequence[Change], load: Callable[[Sequence[str]], Recipe]) -> None:
    """Raise MaskgateError of all changes with which `load` makes no recipe."""
    faults = []
    for change in changes:
        try:
            load(change.overrides)
        except MaskgateError as error:
            faults.append(f"change {change.name}: {error}")
    if faults:
        raise MaskgateError("; ".join(faults))


# ------------------------------------------------------------------------- leave one out


def leave_one_out(recipe: Recipe) -> list[Change]:
    """Every technique of the recipe put back to its default, one at a time.

    Entries of lists (`augment`, `mixing`, `data`, the parts of a summed loss) are taken out one by
    one. What is `KEPT` stays.
    """
    own, default = recipe.model_dump(mode="json"), Recipe().model_dump(mode="json")
    found: list[Change] = []
    for key in _differing(Recipe, own, default):
        value, usual = _at(own, key), _at(default, key)
        if key == "labels.corrections" and own["labels"]["truth"]:
            continue  # the truth needs them
        if key == "sampling":
            usual = usual | {"worn_per_person": value["worn_per_person"]}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found += _without_each(key, value)
        elif key not in START:
            more = [(each, _at(default, each)) for each in WITH.get(key, ())]
            found.append(_back(key, usual, [(key, usual), *more]))
    if any(_at(own, key) != _at(default, key) for key in START):
        keys = [(key, _at(default, key)) for key in START]
        found.append(_back("model.start", None, keys))
    if own["loss"]["name"] == "sum":
        found += _without_each("loss.parts", own["loss"]["parts"])
    arguments = own["model"]["arguments"]
    for name in DROPPED:
        if arguments.get(name):
            rest = {key: value for key, value in arguments.items() if key != name}
            found.append(_back(name, None, [("model.arguments", rest)]))
    return _told_apart(found)


def _told_apart(changes: list[Change]) -> list[Change]:
    names = [change.name for change in changes]
    return [
        change
        if (count := names[: at + 1].count(change.name)) == 1
        else replace(change, name=f"{change.name}-{count}")
        for at, change in enumerate(changes)
    ]


def _differing(
    section: type[BaseModel], own: Mapping[str, Any], default: Any, above: str = ""
) -> Iterator[str]:
    """Dotted keys whose values are not the default ones, the smallest techniques there are."""
    for name, field in section.model_fields.items():
        key, value = f"{above}{name}", own[name]
        if default is None and field.is_required():
            continue  # it has no default to go back to
        usual = default[name] if default is not None else field.default
        if isinstance(usual, BaseModel):
            usual = usual.model_dump(mode="json")
        inner = settings.section_of(field.annotation)
        if value == usual or key in KEPT:
            continue
        if (
            inner is not None
            and issubclass(inner, Component)
            and inner.model_fields.keys() > {"name"}
        ):
            yield from _of_named(key, value, usual)
        elif inner is None or issubclass(inner, Component) or isinstance(value, list):
            yield key
        else:
            if usual is None:  # the whole section is a technique, and so is what stands in it
                yield key
            yield from _differing(inner, value, usual, f"{key}.")


def _of_named(key: str, value: Any, usual: Any) -> Iterator[str]:
    """Of something named that has keys of its own: the name with its arguments, and those keys."""
    if isinstance(value, list):
        yield key
        return
    own = [name for name in usual if name != "name"]
    if {k: v for k, v in value.items() if k not in own} != {"name": usual["name"]}:
        yield key
    yield from (f"{key}.{name}" for name in own if value[name] != usual[name])


def _at(content: Any, key: str) -> Any:
    """What stands at a dotted key; the default of one in a section that is not there by default."""
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
        yield Change(f"without-{named([name])}{twice}", (f"{key}={settings.override_text(rest)}",))


def _back(key: str, usual: Any, keys: Sequence[tuple[str, Any]]) -> Change:
    """The change that puts `keys` back; it is called after what it takes away or brings back."""
    what = key.removesuffix(".name").rpartition(".")[2]
    word = "without" if not usual else "default"
    changes = tuple(f"{each}={settings.override_text(value)}" for each, value in keys)
    return Change(f"{word}-{what}", changes)
