"""The search space: which keys of a recipe are searched, and among which values."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, StrictFloat, StrictInt, ValidationError, model_validator

from maskgate.config import settings, yaml12
from maskgate.config.recipe import Recipe
from maskgate.config.settings import Section
from maskgate.core import files
from maskgate.core.progress import track
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

Number = Annotated[StrictInt | StrictFloat, Field(ge=-1e15, le=1e15)]

# With these, trials would be scored on other people, against another truth, or by their luck.
_FIXED: Final = ("folds", "seed", "labels.truth")
_STEPS: Final = 1_000_000_000
_DIGITS: Final = 4  # of a number that is tried; more would only make commands long


class Range(Section):
    """Numbers from `low` to `high`: by factors where `log`, in steps where `step`."""

    low: Number
    high: Number
    log: bool = False
    step: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low must be below high, not {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0, not {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other; keep one")
        if self.step is not None:
            steps = (self.high - self.low) / self.step
            if steps > _STEPS:
                raise ValueError(f"from low to high are over {_STEPS:,} steps of {self.step:g}")
            if not math.isclose(steps, round(steps), rel_tol=1e-9):
                raise ValueError(f"high is not a whole number of steps of {self.step:g} above low")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether all of it is written in whole numbers."""
        return all(isinstance(n, int) for n in (self.low, self.high, self.step or 1))


@dataclass(frozen=True)
class Parameter:
    """A key that is searched: among the texts of its choices, as after `key=`, or in a range."""

    key: str
    values: tuple[str, ...] | Range
    whole: bool = False  # of a range: whole numbers only

    @property
    def kind(self) -> Literal["choices", "log", "numbers"]:
        if not isinstance(self.values, Range):
            return "choices"
        return "log" if self.values.log else "numbers"

    @property
    def ends(self) -> list[str]:
        """Each choice, or both ends of the range, as text."""
        if isinstance(self.values, Range):
            return [self.shown(self.values.low), self.shown(self.values.high)]
        return list(self.values)

    @property
    def told(self) -> str:
        """What is searched, in words."""
        if not isinstance(self.values, Range):
            return " · ".join(self.values)
        ends = f"{self.ends[0]} to {self.ends[1]}"
        if self.values.step is not None:
            return f"{ends} in steps of {self.values.step:g}"
        return f"{ends}, by factors" if self.values.log else ends

    def suggest(self, trial: "Trial") -> str:
        """The value that a trial has, or gets now, as text."""
        if not isinstance(self.values, Range):
            return self.shown(trial.suggest_categorical(self.key, self.values))
        low, high = self.values.low, self.values.high
        step, log = self.values.step, self.values.log
        if self.whole:
            return self.shown(
                trial.suggest_int(self.key, int(low), int(high), step=int(step or 1), log=log)
            )
        return self.shown(trial.suggest_float(self.key, low, high, step=step, log=log))

    def shown(self, value: Any) -> str:
        """A value of a trial's as it is tried and told."""
        if not isinstance(self.values, Range):
            return str(value)
        if self.whole or value in (self.values.low, self.values.high):
            return text(value)
        rounded = float(f"{value:.{_DIGITS}g}")
        return text(min(max(rounded, self.values.low), self.values.high))


@dataclass(frozen=True)
class Space:
    """All that is searched, in the order of its file."""

    name: str
    parameters: tuple[Parameter, ...]

    def suggest(self, trial: "Trial") -> dict[str, str]:
        """By key the value of a trial, as text."""
        return {parameter.key: parameter.suggest(trial) for parameter in self.parameters}

    def of(self, trial: "FrozenTrial") -> dict[str, str]:
        """By key the value that a trial has, as text; without those that it did not get."""
        told = trial.params
        return {
            each.key: each.shown(told[each.key]) for each in self.parameters if each.key in told
        }

    @property
    def digest(self) -> str:
        """Of what is searched, whatever the file is called."""
        told = [
            [each.key, each.whole, each.values.model_dump()]
            if isinstance(each.values, Range)
            else [each.key, each.values]
            for each in self.parameters
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


NOTHING: Final = Space("", ())


def text(value: Any) -> str:
    """A value as it stands after `key=`."""
    return yaml12.line(value)


def overlap(key: str, other: str) -> bool:
    """Whether one of two keys is the other, or a part of it."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def shipped() -> Path:
    """The folder of the search spaces that come with maskgate."""
    return files.shipped("searches")


def find(name: str) -> Path:
    """The file of a search space, by its path or as a shipped one by name. Raises MaskgateError."""
    return settings.find(name, "search space", shipped())


def load(path: Path, recipe: Recipe) -> Space:
    """The search space in the file at `path`, for that recipe. Raises MaskgateError.

    A range of a key that holds a broken number in the recipe is one of broken numbers, even where
    its ends are written without a point.
    """
    content = settings.read(path, "search space")
    if content is not None and not isinstance(content, Mapping):
        raise MaskgateError(f"{path}: a search space is a mapping of keys such as 'optimizer.lr:'")
    if not content:
        raise MaskgateError(f"{path}: searches nothing; write keys such as 'optimizer.lr:' into it")
    keys = [str(key) for key in content]
    dumped = recipe.model_dump(mode="json")
    try:
        parameters = tuple(
            _parameter(key, value, _at(dumped, key))
            for key, value in zip(keys, content.values(), strict=True)
        )
        for key in keys:
            _check_key(key, keys, recipe)
    except MaskgateError as error:
        raise MaskgateError(f"{path}: {error}") from error
    return Space(path.stem, parameters)


def _at(content: Any, key: str) -> Any:
    """What the recipe holds at a key; None for nothing."""
    for part in key.split("."):
        if isinstance(content, list):
            content = content[int(part)] if part.isdecimal() and int(part) < len(content) else None
        else:
            content = content.get(part) if isinstance(content, Mapping) else None
    return content


def _parameter(key: str, value: Any, now: Any) -> Parameter:
    if isinstance(value, Mapping):
        try:
            found = Range.model_validate(value)
        except ValidationError as error:
            raise MaskgateError(f"{key}: {settings.describe_errors(error, Range)}") from error
        return Parameter(key, found, found.is_whole and not isinstance(now, float))
    if not isinstance(value, list):
        raise MaskgateError(
            f"{key}: write a list of choices, or a range {{low: …, high: …}}, not {text(value)}"
        )
    choices = tuple(map(text, value))
    if len(set(choices)) != len(choices):
        raise MaskgateError(f"{key}: a choice stands there twice; remove one of the two")
    if len(choices) < 2:
        raise MaskgateError(f"{key}: needs two choices or more; a single one is a change {key}=…")
    return Parameter(key, choices)


def _check_key(key: str, keys: list[str], recipe: Recipe) -> None:
    """Raise MaskgateError for a key that cannot be searched, or not beside the others."""
    above = next((other for other in keys if key.startswith(f"{other}.")), None)
    if above is not None:
        raise MaskgateError(f"{key}: is part of {above}, which is searched as a whole; keep one")
    fixed = (*_FIXED, *(["labels.corrections"] if recipe.labels.truth is not None else []))
    if any(overlap(key, each) for each in fixed):
        raise MaskgateError(
            f"{key}: cannot be searched, for every trial is scored alike: on the same folds and"
            " seed, against the same truth"
        )


def check(
    space: Space,
    path: Path,
    load_recipe: Callable[[list[str]], Recipe],
    try_recipe: Callable[[Recipe], object],
) -> None:
    """Try every choice and both ends of every range, one at a time.

    `load_recipe` gives the recipe with changes, `try_recipe` raises where it cannot be trained;
    a MaskgateError of either is raised with the key and its value.
    """
    ends = [(each.key, end) for each in space.parameters for end in each.ends]
    for key, end in track(ends, "checking the search space", len(ends)):
        try:
            try_recipe(load_recipe([f"{key}={end}"]))
        except MaskgateError as error:
            raise MaskgateError(f"{path}: {key}={end} cannot be tried: {error}") from error
