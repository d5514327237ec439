"""The system: a YAML file that lists models and how their answers are combined."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BeforeValidator, Field, model_validator

from maskgate import config, files, recipe
from maskgate.config import Named, Section
from maskgate.errors import MaskgateError
from maskgate.recipe import Folds, Recipe, name_alone

_MARKS: Final = ("members:", "combine:")  # keys that no recipe has


class Member(Section):
    """One model of a system: a recipe with changes."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = Field(
        description="what the member is called, and its folder"
    )
    recipe: str = Field(
        description="a recipe's file, seen from the system's own, or the name of a shipped one"
    )
    changes: dict[str, Any] = Field(
        {}, description="changes to the recipe, `key.sub: value`, as on the command line"
    )
    weight: Annotated[float, Field(gt=0)] = Field(1.0, description="how much its vote counts")


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

    def recipe_of(self, member: Member) -> Recipe:
        """The member's recipe, on the folds of the system. Raises MaskgateError."""
        changes = [f"{key}={_plain(value)}" for key, value in member.changes.items()]
        changes += [
            f"folds.{key}={_plain(value)}" for key, value in self.folds.model_dump().items()
        ]
        try:
            return recipe.load(recipe.find(member.recipe), changes)
        except MaskgateError as error:
            raise MaskgateError(f"member {member.name}: {error}") from error

    def digest(self, members: Mapping[str, str]) -> str:
        """Eight hex digits of the system, given a digest of all that makes each member."""
        told = [[member.name, member.weight, members[member.name]] for member in self.members]
        text = json.dumps([told, self.combine.model_dump(mode="json")])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def write(self, path: Path, recipes: Mapping[str, Recipe]) -> None:
        """The system as resolved, in a file that can be trained again.

        The members' `recipes` are written into a folder beside it, with all changes made.
        """
        (path.parent / "recipes").mkdir(exist_ok=True)
        members = []
        for member in self.members:
            beside = f"recipes/{member.name}.yaml"
            recipes[member.name].write(path.parent / beside)
            members.append(member.model_copy(update={"recipe": beside, "changes": {}}))
        dumped = self.model_copy(update={"members": tuple(members)}).model_dump(mode="json")
        files.replace_text(path, yaml.safe_dump(dumped, sort_keys=False, allow_unicode=True))

    def settings(self) -> dict[str, Any]:
        """What determines the models: `folds`, `combine`, and by name each of the `members`, its
        weight and the keys of its recipe. Raises MaskgateError."""
        members = {}
        for member in self.members:
            keys = self.recipe_of(member).model_dump(mode="json", exclude={"folds"})
            members[member.name] = {"weight": member.weight} | keys
        return {
            "folds": self.folds.model_dump(mode="json"),
            "combine": self.combine.model_dump(mode="json"),
            "members": members,
        }


def _plain(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def shipped() -> Path:
    """The folder of the systems that come with maskgate."""
    return files.shipped("systems")


def is_system(name: str) -> bool:
    """Whether `name` is a system rather than a recipe: a shipped one, or a file with members.

    Of two that ship under one name, the recipe is taken; `systems/NAME` is the other. What is
    neither is a system where its name is nearest to one's, so that it is told as that.
    """
    path = Path(name)
    if path.is_file():
        text = path.read_text("utf-8", errors="replace")
        return any(line.startswith(_MARKS) for line in text.splitlines())
    if path.parent == Path("systems"):
        return True
    recipes, systems = (
        {file.stem for file in place.glob("*.yaml")} for place in (recipe.shipped(), shipped())
    )
    if name in recipes | systems:
        return name not in recipes
    near = difflib.get_close_matches(path.stem, sorted(recipes | systems), 1)
    return bool(near) and near[0] not in recipes


def find(name: str) -> Path:
    """The file of a system given as a path, as `systems/NAME`, or as a shipped one's name."""
    path = Path(name)
    inside = path.parent == Path("systems") and not path.is_file()
    return config.find(path.stem if inside else name, "system", shipped())


def load(path: Path, overrides: list[str]) -> System:
    """The system in `path`; `overrides` of recipe keys go to every member. Raises MaskgateError.

    Overrides of `folds.…`, `members.…` and `combine…` are the system's own.
    """
    own = [o for o in overrides if o.partition("=")[0].split(".")[0] in System.model_fields]
    system = config.load(System, path, "system", own)
    theirs = dict(config.split(override) for override in overrides if override not in own)
    members = []
    for member in system.members:
        beside = path.parent / member.recipe
        # What the command line sets, it sets as a whole: what lies below it goes as well.
        kept = {
            key: value
            for key, value in member.changes.items()
            if not any(f"{key}.".startswith(f"{other}.") for other in theirs)
        }
        changed = {
            "recipe": str(beside) if beside.is_file() else member.recipe,
            "changes": kept | theirs,
        }
        members.append(member.model_copy(update=changed))
    return system.model_copy(update={"members": tuple(members)})
