"""Checks the arguments of a detector: numbers within bounds."""

import math


def check_number(name: str, value: object, low: float, high: float) -> float:
    """`value`, if it is a number from `low` to `high`. Raises ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a number")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; it must be in {low}–{high}")
    return value


def check_integer(name: str, value: object, low: int, high: int) -> int:
    """`value`, if it is a whole number from `low` to `high`. Raises ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}, not a whole number")
    return int(check_number(name, value, low, high))
