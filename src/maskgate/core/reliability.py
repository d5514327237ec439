"""Reliability diagrams as inline SVG: the share that is right against the confidence."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import cycle
from typing import Final

from maskgate.core import charts

Point = tuple[float, float, float, float]  # confidence, accuracy and the ends of its interval

_SIZE, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _FOOT = 52, 12, 12, 270
_LOWEST: Final = 0.9  # the axes begin at or below it


def draw(series: Mapping[str, Sequence[Point]], title: str) -> str:
    """The diagram; `series` maps a name to its points, one a bin of photos. On the dashed diagonal
    probabilities are calibrated; below it they are too confident."""
    ends = [min(point) for points in series.values() for point in points]
    start = math.floor(10 * min(_LOWEST, *ends)) / 10
    ticks = [value for value in charts.round_values(start, 1.0) if start - 1e-9 <= value < 1 + 1e-9]

    def x_of(value: float) -> float:
        return _LEFT + (value - start) / (1 - start) * (_SIZE - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _TOP + (1 - value) / (1 - start) * (_FOOT - _TOP)

    parts = []
    for tick in ticks:
        x, y = x_of(tick), y_of(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_SIZE - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.3g}</text>')
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{tick:.3g}</text>')
    parts.append(f'<path class="mark" d="M{_LEFT} {_FOOT}L{_SIZE - _RIGHT} {_TOP}"/>')
    for (name, points), colour in zip(series.items(), cycle(charts.COLOURS), strict=False):
        for confidence, accuracy, low, high in points:
            x, y = x_of(confidence), y_of(accuracy)
            words = f"{name}: confidence {confidence:.3f}, {accuracy:.3f} right"
            parts.append(
                f'<path d="M{x:.1f} {y_of(low):.1f}V{y_of(high):.1f}" stroke="{colour}"'
                f' stroke-width="1.5"/><circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"'
                f' fill="{colour}"><title>{escape(words)} [{low:.3f}, {high:.3f}]</title></circle>'
            )
    label = "confidence; upwards the share that is right"
    names = list(series) if len(series) > 1 else []
    return charts.figure(parts, names, label, title=title, height=_HEIGHT)
