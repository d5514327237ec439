"""Scatter charts of scores as inline SVG: dots with intervals; trials without a score below."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from maskgate.core import charts

_WIDTH, _HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _FOOT = (
    52,
    16,
    12,
    200,
)  # scores end at _FOOT; others are below
_BELOW: Final = 212
_COLOURS: Final = {"pruned": "#6b7280", "failed": "#dc2626", "unfinished": "#d97706"}
_MAX_NAME: Final = 16  # characters of a name below the axis


@dataclass(frozen=True)
class Dot:
    """A trial at `x`: its score as (value, low, high), or its state if it has none."""

    x: float
    label: str
    score: tuple[float, float, float] | None
    state: str = ""


@dataclass(frozen=True)
class Axis:
    """An x axis: the position of an x between 0 and 1, and the ticks."""

    share: Callable[[float], float]
    ticks: list[tuple[float, str]]


def integer_axis(numbers: Sequence[int]) -> Axis:
    """An axis of whole numbers from the first to the last."""
    return number_axis([float(number) for number in numbers])


def category_axis(names: Sequence[str]) -> Axis:
    """An axis of names, at 0, 1, 2 …"""
    short = [name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…" for name in names]
    return Axis(lambda x: (x + 0.5) / len(names), list(enumerate(short)))


def number_axis(values: Sequence[float], log: bool = False) -> Axis:
    """An axis over all values, on a log scale if `log`."""
    scale: Callable[[float], float] = math.log10 if log else float
    low, high = min(map(scale, values)), max(map(scale, values))
    room = 0.06 * (high - low) or 0.5
    low, high = low - room, high + room
    ticks = [(x, f"{x:.3g}") for x in _round_ticks(low + room, high - room, log)]
    return Axis(lambda x: (scale(x) - low) / (high - low), ticks)


def _round_ticks(low: float, high: float, log: bool) -> list[float]:
    """A few round values in low…high (logarithms if `log`), or both ends."""
    if log:
        steps = [(1,), (1, 3), (1, 2, 5)]
        for nice in steps:
            powers = range(math.floor(low), math.ceil(high) + 1)
            candidates = [n * 10.0**p for p in powers for n in nice]
            inside = [x for x in candidates if low - 1e-9 <= math.log10(x) <= high + 1e-9]
            if len(inside) >= 3:
                return inside
        return sorted({10**low, 10**high})
    if high <= low:
        return [low]
    inside = [x for x in charts.round_values(low, high, about=5) if low - 1e-9 <= x <= high + 1e-9]
    return inside if len(inside) >= 2 else [low, high]


def draw(
    dots: Sequence[Dot],
    axis: Axis,
    x_label: str,
    title: str,
    line: Sequence[tuple[float, float]] = (),
) -> str:
    """The chart; `line` has the points of a step line, such as the best so far."""
    ends = [end for dot in dots if dot.score is not None for end in dot.score]
    bottom, top = min(ends, default=0.0), max(ends, default=1.0)
    ticks = charts.round_values(bottom, max(top, bottom + 1e-6))
    low, high = ticks[0], ticks[-1]

    def x_of(x: float) -> float:
        return _LEFT + axis.share(x) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(y: float) -> float:
        return _TOP + (high - y) / (high - low) * (_FOOT - _TOP)

    parts = [
        f'<path class="grid" d="M{_LEFT} {y_of(y):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{y_of(y) + 4:.1f}" text-anchor="end">{y:.3g}</text>'
        for y in ticks
    ]
    for x, name in axis.ticks:
        place = f'x="{x_of(x):.1f}" y="{_HEIGHT - 22}"'
        parts.append(f'<text {place} text-anchor="middle">{escape(name)}</text>')
    parts += _staircase([(x_of(x), y_of(y)) for x, y in line])
    parts += [_mark(dot, x_of(dot.x), y_of) for dot in dots]
    names, colours = _legend(dots, bool(line))
    return charts.figure(parts, names, x_label, title=title, height=_HEIGHT, colours=colours)


def _staircase(points: Sequence[tuple[float, float]]) -> list[str]:
    if len(points) < 2:
        return []
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    path += "".join(f"H{x:.1f}V{y:.1f}" for x, y in points[1:])
    return [f'<path d="{path}" fill="none" stroke="{charts.COLOURS[2]}" stroke-width="1.5"/>']


def _mark(dot: Dot, x: float, y_of: Callable[[float], float]) -> str:
    title = f"<title>{escape(dot.label)}</title>"
    if dot.score is None:
        colour = _COLOURS[dot.state]
        cross = f"M{x - 4:.1f} {_BELOW - 4}l8 8m0 -8l-8 8"
        return f'<path d="{cross}" stroke="{colour}" stroke-width="2">{title}</path>'
    value, low, high = map(y_of, dot.score)
    colour = charts.COLOURS[0]
    return (
        f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}"'
        f' stroke-width="2"/><circle cx="{x:.1f}" cy="{value:.1f}" r="4" fill="{colour}">'
        f"{title}</circle>"
    )


def _legend(dots: Sequence[Dot], line: bool) -> tuple[list[str], list[str]]:
    """Names and colours of the states that occur."""
    states = {dot.state for dot in dots}
    entries = [("complete", charts.COLOURS[0])]
    entries += [(f"{state}, no score", c) for state, c in _COLOURS.items() if state in states]
    entries += [("best so far", charts.COLOURS[2])] if line else []
    return [name for name, _ in entries], [colour for _, colour in entries]
