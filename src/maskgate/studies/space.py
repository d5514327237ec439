"""The search space: the keys of a recipe to search, and their values."""

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

# These would change the validation people, the labels that trials are scored against, or luck.
_NOT_SEARCHABLE: Final = ("folds", "seed", "labels.truth")
_MAX_STEPS: Final = 1_000_000_000
_DIGITS: Final = 4  # significant digits of a value; more would only make commands long


class Range(Section):
    """Numbers from `low` to `high`: on a log scale if `log`, in steps of `step`."""

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
            if steps > _MAX_STEPS:
                raise ValueError(f"from low to high are over {_MAX_STEPS:,} steps of {self.step:g}")
            if not math.isclose(steps, round(steps), rel_tol=1e-9):
                raise ValueError(f"high is not a whole number of steps of {self.step:g} above low")
        return self

    @property
    def is_integer(self) -> bool:
        """Whether low, high and step are whole numbers."""
        return all(isinstance(n, int) for n in (self.low, self.high, self.step or 1))


@dataclass(frozen=True)
class Parameter:
    """A key to search: among choices, as text after `key=`, or in a range."""

    key: str
    values: tuple[str, ...] | Range
    is_integer: bool = False  # only whole numbers, of a range

    @property
    def kind(self) -> Literal["choices", "log", "numbers"]:
        if not isinstance(self.values, Range):
            return "choices"
        return "log" if self.values.log else "numbers"

    @property
    def ends(self) -> list[str]:
        """Each choice, or both ends of the range, as text."""
        if isinstance(self.values, Range):
            return [self.text_of(self.values.low), self.text_of(self.values.high)]
        return list(self.values)

    @property
    def description(self) -> str:
        """The values to search, in words."""
        if not isinstance(self.values, Range):
            return " · ".join(self.values)
        ends = f"{self.ends[0]} to {self.ends[1]}"
        if self.values.step is not None:
            return f"{ends} in steps of {self.values.step:g}"
        return f"{ends}, on a log scale" if self.values.log else ends

    def suggest(self, trial: "Trial") -> str:
        """The value of a trial, drawn if it has none yet, as text."""
        if not isinstance(self.values, Range):
            return self.text_of(trial.suggest_categorical(self.key, self.values))
        low, high = self.values.low, self.values.high
        step, log = self.values.step, self.values.log
        if self.is_integer:
            return self.text_of(
                trial.suggest_int(self.key, int(low), int(high), step=int(step or 1), log=log)
            )
        return self.text_of(trial.suggest_float(self.key, low, high, step=step, log=log))

    def text_of(self, value: Any) -> str:
        """A trial's value as text, rounded."""
        if not isinstance(self.values, Range):
            return str(value)
        if self.is_integer or value in (self.values.low, self.values.high):
            return text(value)
        rounded = float(f"{value:.{_DIGITS}g}")
        return text(min(max(rounded, self.values.low), self.values.high))


@dataclass(frozen=True)
class Space:
    """All keys to search, in the order of the file."""

    name: str
    parameters: tuple[Parameter, ...]

    def suggest(self, trial: "Trial") -> dict[str, str]:
        """The values of a trial by key, as text, drawn if it has none yet."""
        return {parameter.key: parameter.suggest(trial) for parameter in self.parameters}

    def of(self, trial: "FrozenTrial") -> dict[str, str]:
        """The values of a trial by key, as text; without keys that it has no value for."""
        values = trial.params
        return {
            each.key: each.text_of(values[each.key])
            for each in self.parameters
            if each.key in values
        }

    @property
    def digest(self) -> str:
        """Of the keys and values, not of the file name."""
        contents = [
            [each.key, each.is_integer, each.values.model_dump()]
            if isinstance(each.values, Range)
            else [each.key, each.values]
            for each in self.parameters
        ]
        return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


NOTHING: Final = Space("", ())


def text(value: Any) -> str:
    """A value as text after `key=`."""
    return yaml12.line(value)


def overlap(key: str, other: str) -> bool:
    """Whether the keys are equal or one is part of the other."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def shipped() -> Path:
    """The folder of the search spaces that come with maskgate."""
    return files.shipped("searches")


def find(name: str) -> Path:
    """The file of a search space, by its path or as a shipped one by name. Raises MaskgateError."""
    return settings.find(name, "search space", shipped())


def load(path: Path, recipe: Recipe) -> Space:
    """The search space in the file at `path`, for that recipe. Raises MaskgateError.

    A range is of fractional values if the recipe's value is one, even if its ends are written as
    whole numbers.
    """
    content = settings.read(path, "search space")
    if content is not None and not isinstance(content, Mapping):
        raise MaskgateError(f"{path}: a search space is a mapping of keys such as 'optimizer.lr:'")
    if not content:
        raise MaskgateError(f"{path}: has no keys; write keys such as 'optimizer.lr:' into it")
    keys = [str(key) for key in content]
    dumped = recipe.model_dump(mode="json")
    try:
        parameters = tuple(
            _parameter(key, value, _value_at(dumped, key))
            for key, value in zip(keys, content.values(), strict=True)
        )
        for key in keys:
            _check_key(key, keys, recipe)
    except MaskgateError as error:
        raise MaskgateError(f"{path}: {error}") from error
    return Space(path.stem, parameters)


def _value_at(content: Any, key: str) -> Any:
    """The recipe's value at a key; None if there is none."""
    for part in key.split("."):
        if isinstance(content, list):
            content = content[int(part)] if part.isdecimal() and int(part) < len(content) else None
        else:
            content = content.get(part) if isinstance(content, Mapping) else None
    return content


def _parameter(key: str, value: Any, current: Any) -> Parameter:
    if isinstance(value, Mapping):
        try:
            range_ = Range.model_validate(value)
        except ValidationError as error:
            raise MaskgateError(f"{key}: {settings.describe_errors(error, Range)}") from error
        return Parameter(key, range_, range_.is_integer and not isinstance(current, float))
    if not isinstance(value, list):
        raise MaskgateError(
            f"{key}: write a list of choices, or a range {{low: …, high: …}}, not {text(value)}"
        )
    choices = tuple(map(text, value))
    if len(set(choices)) != len(choices):
        raise MaskgateError(f"{key}: a choice is listed twice; remove one of the two")
    if len(choices) < 2:
        raise MaskgateError(f"{key}: needs two choices or more; for a single one, set {key}=…")
    return Parameter(key, choices)


def _check_key(key: str, keys: list[str], recipe: Recipe) -> None:
    """Raise MaskgateError for a key that cannot be searched, alone or with the other keys."""
    above = next((other for other in keys if key.startswith(f"{other}.")), None)
    if above is not None:
        raise MaskgateError(f"{key}: is part of {above}, which is searched as a whole; keep one")
    fixed = (*_NOT_SEARCHABLE, *(["labels.corrections"] if recipe.labels.truth is not None else []))
    if any(overlap(key, each) for each in fixed):
        raise MaskgateError(
            f"{key}: cannot be searched, as every trial is scored on the same folds and seed,"
            " against the same labels"
        )


def check(
    space: Space,
    path: Path,
    load_recipe: Callable[[list[str]], Recipe],
    try_recipe: Callable[[Recipe], object],
) -> None:
    """Try every choice and both ends of every range, one at a time.

    `load_recipe` gives the recipe with changes, `try_recipe` raises if it cannot be trained; a
    MaskgateError of either is raised with the key and its value.
    """
    ends = [(each.key, end) for each in space.parameters for end in each.ends]
    for key, end in track(ends, "checking the search space", len(ends)):
        try:
            try_recipe(load_recipe([f"{key}={end}"]))
        except MaskgateError as error:
            raise MaskgateError(f"{path}: {key}={end} cannot be tried: {error}") from error
