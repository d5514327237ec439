"""Checks the arguments that settings give to a name against the function that takes them.

Without this check true would count as 1, and text would fail deep inside with a message about
Python's types.
"""

import inspect
import numbers
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, Final, get_args, get_origin

from maskgate.config import yaml12
from maskgate.errors import shorten_middle

_NUMBER: Final = "a number"
_TRUTH: Final = "true or false"
_TEXT: Final = "text"


def check(make: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raise ValueError for true, false or text where `make` takes a number, alone or in a list, and
    for text where it takes true or false.

    Annotations and defaults say what it takes. A parameter without either is not checked.
    """
    parameters = _signature(make).parameters
    for name in arguments.keys() & parameters.keys():
        parameter = parameters[name]
        kinds = _annotation_kinds(parameter.annotation) | _value_kinds(parameter.default)
        expected = next((kind for kind in (_NUMBER, _TRUTH) if kind in kinds), None)
        for value in _flattened(arguments[name]):
            kind = next(iter(_value_kinds(value)), None)
            is_wrong = kind == _TEXT or (kind == _TRUTH and expected == _NUMBER)
            if expected is not None and is_wrong and kind not in kinds:
                text = shorten_middle(yaml12.line(value), 60, 20)
                if expected == _NUMBER:
                    raise ValueError(f"{name} should be a number, not {text}")
                raise ValueError(f"{name} is {text}, neither true nor false")


def _signature(make: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(make, eval_str=True)
    except NameError:  # an annotation as text, of names that only a type checker imports
        return inspect.signature(make)


def _annotation_kinds(annotation: Any) -> set[str]:
    """The kinds of values, or of values in a list, that an annotation allows."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, bool):
            return {_TRUTH}
        if issubclass(annotation, numbers.Number):
            return {_NUMBER}
        return {_TEXT} if issubclass(annotation, str | Enum) else set()
    origin, parts = get_origin(annotation), get_args(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        parts = parts[1:]  # the keys are names
    return set().union(*map(_annotation_kinds, parts))


def _value_kinds(value: Any) -> set[str]:
    if isinstance(value, list | tuple):
        return set().union(*map(_value_kinds, value))
    return set() if value is inspect.Parameter.empty else _annotation_kinds(type(value))


def _flattened(value: Any) -> Iterator[Any]:
    """The value itself, or all values in it if it is a list."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _flattened(part)
    else:
        yield value
