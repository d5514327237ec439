"""The system: a YAML file that lists models and how their answers are combined."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, model_validator

from maskgate import config, files, recipe
from maskgate.config import Named, Section
from maskgate.recipe import Folds, Recipe, name_alone


class Member(Section):
    """One model of a system: a recipe with changes."""

    name: Annotated[str, Field(pattern=r"[a-z0-9][a-z0-9-]*")] = Field(
        description="what the member is called, and its folder"
    )
    recipe: str = Field(description="a recipe's file, or the name of a shipped one")
    changes: dict[str, Any] = Field(
        {}, description="changes to the recipe, `key.sub: value`, as on the command line"
    )
    weight: Annotated[float, Field(gt=0)] = Field(1.0, description="weight of its vote")


class System(Section):
    """Models and how they are combined. All are validated on the same folds."""

    folds: Folds = Field(Folds(), description="how people are split, for every member")
    members: tuple[Member, ...] = Field(min_length=1, description="the models")
    combine: Annotated[Named, BeforeValidator(name_alone)] = Field(
        Named(name="soft_vote"), description="from the members' probabilities to one"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "System":
        names = [member.name for member in self.members]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two members are called {twice[0]}; give each its own name")
        return self

    def digest(self, *more: str) -> str:
        """Eight hex digits of the system and of `more`."""
        told = json.dumps([self.model_dump(mode="json"), *more], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:8]

    def recipe_of(self, member: Member) -> Recipe:
        """The member's recipe, on the folds of the system. Raises MaskgateError."""
        changes = [f"{key}={_plain(value)}" for key, value in member.changes.items()]
        changes += [
            f"folds.{key}={_plain(value)}" for key, value in self.folds.model_dump().items()
        ]
        return recipe.load(recipe.find(member.recipe), changes)

    def write(self, path: Path) -> None:
        """The system as resolved."""
        dumped = self.model_dump(mode="json")
        files.replace_text(path, yaml.safe_dump(dumped, sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> str:
    return "" if value is None else json.dumps(value)


def shipped() -> Path:
    """The folder of the systems that come with maskgate."""
    return files.shipped("systems")


def is_system(name: str) -> bool:
    """Whether `name` is a system rather than a recipe: a shipped one, or a file with members.

    Of two that ship under one name, the recipe is taken; `systems/NAME.yaml` is the other.
    """
    path = Path(name)
    if path.is_file():
        return any(line.startswith("members:") for line in path.read_text("utf-8").splitlines())
    return not (recipe.shipped() / f"{name}.yaml").exists() and (
        (shipped() / f"{name}.yaml").exists()
        or (path.parent.name == "systems" and (shipped() / f"{path.stem}.yaml").exists())
    )


def find(name: str) -> Path:
    """The file of a system given as a path, as `systems/NAME`, or as a shipped one's name."""
    path = Path(name)
    inside = path.parent.name == "systems" and not path.is_file()
    return config.find(path.stem if inside else name, "system", shipped())


def load(path: Path, overrides: list[str]) -> System:
    """The system in `path`; `overrides` of recipe keys go to every member. Raises MaskgateError.

    Overrides of `folds.…`, `members.…` and `combine…` are the system's own.
    """
    own = [o for o in overrides if o.split("=")[0].split(".")[0] in System.model_fields]
    system = config.load(System, path, "system", own)
    theirs = [o for o in overrides if o not in own]
    changes = dict(o.partition("=")[::2] for o in theirs)
    parsed = {key: yaml.safe_load(value) if value else None for key, value in changes.items()}
    members = tuple(
        member.model_copy(update={"changes": {**member.changes, **parsed}})
        for member in system.members
    )
    return system.model_copy(update={"members": members})
