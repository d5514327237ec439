"""The system: a YAML file that lists models and how their probabilities are combined."""

import difflib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from maskgate.config import recipe, settings, yaml12
from maskgate.config.recipe import Folds, Recipe, expand_bare_name
from maskgate.config.settings import Component, ListOf, Section
from maskgate.core import files
from maskgate.errors import MaskgateError

_SYSTEM_KEYS: Final = ("members:", "combine:")  # keys that no recipe has


class Member(Section):
    """One model of a system: a recipe with changes, or a finished run."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = Field(
        description="name of the member and of its folder"
    )
    recipe: str | None = Field(
        None,
        description="a recipe file, relative to the system's file, or the name of a shipped one",
    )
    run: str | None = Field(
        None, description="the folder of a finished run instead, of a recipe or of a system"
    )
    changes: dict[str, Any] = Field(
        {}, description="changes to the recipe, `key.sub: value`, as on the command line"
    )
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        1.0, description="weight of its vote"
    )
    tta: ListOf[Annotated[Component, BeforeValidator(expand_bare_name)]] | None = Field(
        None, description="for a run: test-time augmentation instead of its recipe's"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "Member":
        if (self.recipe is None) == (self.run is None):
            raise ValueError(f"member {self.name} is of a recipe or of a run; name one of the two")
        if self.run is not None and self.changes:
            raise ValueError(
                f"member {self.name}: a run is trained already; leave out its changes, or name a"
                " recipe"
            )
        if self.recipe is not None and self.tta is not None:
            raise ValueError(f"member {self.name}: give the recipe its tta among the changes")
        return self


class System(Section):
    """Models and how they are combined. All are validated on the same folds."""

    folds: Folds = Field(Folds(), description="how people are split, for every member")
    members: ListOf[Member] = Field(min_length=1, description="the models")
    combine: Annotated[Component, BeforeValidator(expand_bare_name)] = Field(
        Component(name="soft_vote"), description="how the members' probabilities are combined"
    )
    adjust: ListOf[Annotated[Component, BeforeValidator(expand_bare_name)]] = Field(
        (), description="adjustments of the combined probabilities, in order"
    )

    @model_validator(mode="after")
    def _of_one_kind(self) -> "System":
        if len({member.run is None for member in self.members}) > 1:
            raise ValueError("some members are recipes and some are runs; train the recipes first")
        if self.is_of_runs and "folds" in self.model_fields_set:
            raise ValueError("the folds of members that are runs are theirs; leave out folds")
        return self

    @model_validator(mode="after")
    def _weights_are_heard(self) -> "System":
        name = self.combine.name
        if name in ("weights", "stacking") and any(each.weight != 1 for each in self.members):
            raise ValueError(f"combine {name} learns how much members count; leave out weight")
        return self

    @property
    def is_of_runs(self) -> bool:
        """Whether its members are finished runs."""
        return self.members[0].run is not None

    @model_validator(mode="after")
    def _names_differ(self) -> "System":
        names = [member.name for member in self.members]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two members are called {twice[0]}; give each its own name")
        return self

    def recipes(self) -> dict[str, Recipe]:
        """The recipe of every member to be trained, by name. Raises MaskgateError."""
        return {each.name: self.recipe_of(each) for each in self.members if each.run is None}

    def recipe_of(self, member: Member) -> Recipe:
        """The member's recipe, with the system's folds. Raises MaskgateError."""
        assert member.recipe is not None, "a member that is a run has the recipe of its training"
        folds = {f"folds.{key}": value for key, value in self.folds.model_dump().items()}
        changes = [
            f"{key}={settings.override_text(value)}"
            for key, value in [*member.changes.items(), *folds.items()]
        ]
        try:
            return recipe.load(recipe.find(member.recipe), changes)
        except MaskgateError as error:
            raise MaskgateError(f"member {member.name}: {error}") from error

    def digest(self, members: Mapping[str, str]) -> str:
        """Eight hex digits of the system, given a digest of each member."""
        parts: list[list[Any]] = []
        for member in self.members:
            part: list[Any] = [member.name, member.weight, members[member.name]]
            if member.tta is not None:
                part.append([step.model_dump(mode="json") for step in member.tta])
            parts.append(part)
        after = [step.model_dump(mode="json") for step in self.adjust]
        text = json.dumps([parts, self.combine.model_dump(mode="json"), *after])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def write(self, path: Path, recipes: Mapping[str, Recipe]) -> None:
        """Write the resolved system into a file that can be trained again.

        Members' `recipes`, with all changes applied, are written into `recipes/` next to it.
        """
        members = []
        for member in self.members:
            if member.run is not None:
                # Relative to the file, so that both can be moved together.
                run = os.path.relpath(Path(member.run).resolve(), path.parent.resolve())
                members.append(member.model_copy(update={"run": run}))
                continue
            (path.parent / "recipes").mkdir(exist_ok=True)
            recipe_file = _recipe_file(member)
            recipes[member.name].write(path.parent / recipe_file)
            members.append(member.model_copy(update={"recipe": recipe_file, "changes": {}}))
        dumped = self.model_copy(update={"members": tuple(members)}).model_dump(mode="json")
        if self.is_of_runs:
            del dumped["folds"]  # they are the runs'
        files.replace_text(path, yaml12.write(dumped))

    def settings(self) -> dict[str, Any]:
        """All settings: `folds`, `combine`, `adjust`, and by name each of the `members`, its weight
        and the keys of its recipe. Raises MaskgateError."""
        members: dict[str, Any] = {}
        for member in self.members:
            if member.run is not None:
                members[member.name] = member.model_dump(
                    mode="json", include={"weight", "run", "tta"}
                )
                continue
            keys = self.recipe_of(member).model_dump(mode="json", exclude={"folds"})
            members[member.name] = {"weight": member.weight} | keys
        return {
            "folds": self.folds.model_dump(mode="json"),
            "combine": self.combine.model_dump(mode="json"),
            "adjust": [adjustment.model_dump(mode="json") for adjustment in self.adjust],
            "members": members,
        }


def apply_changes(system: System, changes: Mapping[str, object]) -> System:
    """The system with these keys replaced. Raises MaskgateError as `load` does."""
    keys = {key: getattr(system, key) for key in system.model_fields_set}
    try:
        return System.model_validate({**keys, **changes})
    except ValidationError as error:
        raise MaskgateError(settings.describe_errors(error, System)) from error


def shipped() -> Path:
    """The folder of the systems that come with maskgate."""
    return files.shipped("systems")


def is_system(name: str) -> bool:
    """Whether `name` is a system rather than a recipe: a shipped one, or a file with members.

    If both ship under one name, it is the recipe; `systems/NAME` is the system. An unknown name
    counts as a system if it is nearest to a system's, so that the error suggests that.
    """
    path = Path(name)
    if path.is_file():
        text = yaml12.head(path).decode("utf-8", errors="replace")
        return any(line.startswith(_SYSTEM_KEYS) for line in text.splitlines())
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
    return settings.find(path.stem if inside else name, "system", shipped())


def load(path: Path, overrides: list[str], alone: bool = False) -> System:
    """The system in `path`; `overrides` of recipe keys apply to every member. Raises MaskgateError.

    Overrides of `folds.…`, `members.…` and `combine…` apply to the system. If `alone`, as in a run,
    neither it nor a recipe may have a base, and the recipes must be those that `write` leaves.
    """
    system_overrides = [
        override
        for override in overrides
        if override.partition("=")[0].split(".")[0] in System.model_fields
    ]
    system = settings.load(System, path, "system", overrides=system_overrides, alone=alone)
    recipe_overrides = dict(
        settings.split(override) for override in overrides if override not in system_overrides
    )
    members = []
    if system.is_of_runs:
        if recipe_overrides:
            raise MaskgateError(
                f"{path}: its members are trained already; leave out"
                f" {', '.join(sorted(recipe_overrides))}"
            )
        return _resolve_run_paths(system, path.parent)
    for member in system.members:
        assert member.recipe is not None
        recipe_path = path.parent / member.recipe
        if alone:
            _check_member_recipe(path, member)
        # An override replaces the whole value: the member's changes of its parts are dropped.
        member_changes = {
            key: value
            for key, value in member.changes.items()
            if not any(f"{key}.".startswith(f"{other}.") for other in recipe_overrides)
        }
        update = {
            "recipe": str(recipe_path) if recipe_path.is_file() else member.recipe,
            "changes": member_changes | recipe_overrides,
        }
        members.append(member.model_copy(update=update))
    return system.model_copy(update={"members": tuple(members)})


def _check_member_recipe(path: Path, member: Member) -> None:
    """Raise MaskgateError unless a member's recipe is the file that training writes."""
    if member.recipe != _recipe_file(member):
        raise MaskgateError(
            f"{path}: member {member.name} names the recipe {member.recipe}, which in a run is"
            f" {_recipe_file(member)}; get the run again from where it comes"
        )
    recipe.load(path.parent / member.recipe, alone=True)


def _recipe_file(member: Member) -> str:
    """Where `System.write` puts a member's recipe, relative to the system's file."""
    return f"recipes/{member.name}.yaml"


def _resolve_run_paths(system: System, folder: Path) -> System:
    """The system with the paths of its runs relative to the working folder."""
    members = []
    for member in system.members:
        assert member.run is not None
        run_path = folder / member.run
        run = run_path if run_path.is_dir() else Path(member.run)
        members.append(member.model_copy(update={"run": str(run)}))
    return system.model_copy(update={"members": tuple(members)})
