"""Small charts as inline SVG: no script, no fonts, sharp at any size."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import cycle

COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
_WIDTH, _HEIGHT = 460, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 30


def lines(series: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str) -> str:
    """A line chart; `series` maps a name to its (x, y) points."""
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, right = min(xs), max(max(xs), min(xs) + 1e-9)
    ticks = _ticks(min(0.0, *ys), max(1e-9, *ys))
    low, high = ticks[0], ticks[-1]

    def at(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        up = _TOP + (high - y) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return across, up

    parts = []
    for y in ticks:
        _, up = at(left, y)
        parts.append(f'<path class="grid" d="M{_LEFT} {up:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{up + 4:.1f}" text-anchor="end">{y:.3g}</text>')
    for x in sorted({left, right}):
        across, _ = at(x, low)
        parts.append(f'<text x="{across:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{x:g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{_HEIGHT - 2}" text-anchor="middle">{escape(x_label)}</text>'
    )
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*at(x, y)) for x, y in line)
        if len(line) == 1:
            across, up = at(*line[0])
            parts.append(f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3" fill="{colour}"/>')
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2">'
            f"<title>{escape(name)}</title></polyline>"
        )
    legend = " ".join(
        f'<span class="key"><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in zip(series, cycle(COLOURS), strict=False)
    )
    return (
        f'<figure><figcaption>{escape(y_label)}</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' role="img" aria-label="{escape(y_label)}">{"".join(parts)}</svg>'
        f'<div class="legend">{legend}</div></figure>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round values that span low…high."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def interval_bar(value: float, low: float, high: float) -> str:
    """A bar of `value` (0–1) with its interval as a whisker."""
    return (
        '<svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none">'
        '<rect class="track" width="100" height="12"/>'
        f'<rect class="value" width="{100 * value:.1f}" height="12"/>'
        f'<line class="whisker" x1="{100 * low:.1f}" x2="{100 * high:.1f}" y1="6" y2="6"/></svg>'
    )
