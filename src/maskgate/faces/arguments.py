"""What a detector can be told: numbers within bounds."""

import math


def number(name: str, value: object, low: float, high: float) -> float:
    """`value` where it is a number from `low` to `high`. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, not a number")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; it lies in {low}–{high}")
    return value


def whole(name: str, value: object, low: int, high: int) -> int:
    """`value` where it is a whole number from `low` to `high`. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {value!r}, not a whole number")
    return int(number(name, value, low, high))
