"""Small charts as inline SVG, without scripts or fonts."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import cycle

COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#db2777", "#4d7c0f")
_WIDTH, _HEIGHT = 460, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 30
_ROW, _MAX_NAME = 44, 48  # of a forest: height of a row, characters of its name


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    x_label: str,
    y_label: str,
    rings: Mapping[str, float] | None = None,
) -> str:
    """A line chart; `series` maps a name to its (x, y) points, `rings` to an x to mark."""
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, right = min(xs), max(max(xs), min(xs) + 1e-9)
    ticks = round_values(min(0.0, *ys), max(1e-9, *ys))
    low, high = ticks[0], ticks[-1]

    def point(x: float, y: float) -> tuple[float, float]:
        x_pixel = _LEFT + (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)
        y_pixel = _TOP + (high - y) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return x_pixel, y_pixel

    parts = []
    for y in ticks:
        _, y_pixel = point(left, y)
        parts.append(f'<path class="grid" d="M{_LEFT} {y_pixel:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y_pixel + 4:.1f}" text-anchor="end">{y:.3g}</text>'
        )
    for x in _round_between(left, max(xs)):
        x_pixel, _ = point(x, low)
        parts.append(
            f'<text x="{x_pixel:.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{x:g}</text>'
        )
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*point(x, y)) for x, y in line)
        if len(line) == 1:
            x_pixel, y_pixel = point(*line[0])
            parts.append(f'<circle cx="{x_pixel:.1f}" cy="{y_pixel:.1f}" r="3" fill="{colour}"/>')
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2">'
            f"<title>{escape(name)}</title></polyline>"
        )
        for x, y in line:
            if rings and rings.get(name) == x:
                x_pixel, y_pixel = point(x, y)
                ring = f'cx="{x_pixel:.1f}" cy="{y_pixel:.1f}" r="5" stroke="{colour}"'
                parts.append(f'<circle class="ring" {ring}/>')
    return figure(parts, list(series), x_label, y_label)


def round_values(low: float, high: float, about: int = 5) -> list[float]:
    """About `about` round values that cover low…high."""
    step = _step((high - low) / about)
    first, last = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _step(rough: float) -> float:
    """The round value at or above `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough * 0.999)


def _round_between(low: float, high: float) -> list[float]:
    """Both ends, and round whole values between that are not too close to them."""
    step = max(1.0, _step((high - low) / 6 or 1.0))
    between = [number * step for number in range(math.ceil(low / step), int(high / step) + 1)]
    room = 0.4 * step
    return sorted({low, high, *(x for x in between if low + room <= x <= high - room)})


def interval_bar(value: float, low: float, high: float) -> str:
    """A bar of `value` (0–1) with its interval as a whisker."""
    return (
        '<svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none">'
        '<rect class="track" width="100" height="12"/>'
        f'<rect class="value" width="{100 * value:.1f}" height="12"/>'
        f'<line class="whisker" x1="{100 * low:.1f}" x2="{100 * high:.1f}" y1="6" y2="6"/></svg>'
    )


def share_bar(share: float) -> str:
    """A bar of a share (0–1) of a count, without interval."""
    return (
        '<svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none">'
        '<rect class="track" width="100" height="12"/>'
        f'<rect class="value" width="{100 * share:.1f}" height="12"/></svg>'
    )


def columns(
    series: Mapping[str, Sequence[int]],
    edges: Sequence[float],
    x_label: str,
    y_label: str,
    marks: Sequence[float] = (),
) -> str:
    """A histogram: counts (B,) between `edges` (B+1,), the first series up, a second down.

    `marks` are x positions of dashed lines.
    """
    names = list(series)
    upper, lower = series[names[0]], series[names[1]] if len(names) > 1 else []
    ticks = round_values(-float(max(lower, default=0)), float(max(1, *upper)), about=7)
    low, high = ticks[0], ticks[-1]
    left, right = edges[0], edges[-1]

    def x_of(x: float) -> float:
        return _LEFT + (x - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(y: float) -> float:
        return _TOP + (high - y) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for y in ticks:
        y_pixel = y_of(y)
        parts.append(f'<path class="grid" d="M{_LEFT} {y_pixel:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{y_pixel + 4:.1f}" text-anchor="end">{abs(y):g}</text>'
        )
    for sign, name, counts, colour in zip((1, -1), names, (upper, lower), COLOURS, strict=False):
        for first, last, count in zip(edges, edges[1:], counts, strict=False):
            if count:
                top, bottom = sorted((y_of(sign * count), y_of(0)))
                width = max(0.5, x_of(last) - x_of(first) - 0.5)
                parts.append(
                    f'<rect x="{x_of(first):.1f}" y="{top:.1f}" width="{width:.1f}"'
                    f' height="{bottom - top:.1f}" fill="{colour}">'
                    f"<title>{escape(name)}, {x_label} {first:g}: {count}</title></rect>"
                )
    for mark in (mark for mark in marks if left < mark < right):
        x = x_of(mark)
        parts.append(f'<path class="mark" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
    for x in (left, *marks, right):
        if left <= x <= right:
            parts.append(
                f'<text x="{x_of(x):.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{x:g}</text>'
            )
    return figure(parts, names, x_label, y_label)


def forest(rows: Sequence[tuple[str, float, float, float]], x_label: str, title: str) -> str:
    """A forest plot of differences: for each (name, value, low, high) a point on its interval.

    Green: the interval is above zero; red: below; grey: it includes zero.
    """
    ends = [end for _, _, low, high in rows for end in (low, high)]
    ticks = round_values(min(-0.01, *ends), max(0.01, *ends), about=4)
    bottom = _TOP + _ROW * len(rows)
    left, right = _RIGHT, _WIDTH - _RIGHT

    def x_of(x: float) -> float:
        return left + (x - ticks[0]) / (ticks[-1] - ticks[0]) * (right - left)

    parts = []
    for x in ticks:
        anchor = "start" if x == ticks[0] else "end" if x == ticks[-1] else "middle"
        label = "0" if abs(x) < 1e-9 else f"{x:+.2g}"
        parts.append(f'<path class="grid" d="M{x_of(x):.1f} {_TOP}V{bottom}"/>')
        parts.append(
            f'<text x="{x_of(x):.1f}" y="{bottom + 14}" text-anchor="{anchor}">{label}</text>'
        )
    parts.append(f'<path class="mark" d="M{x_of(0):.1f} {_TOP}V{bottom}"/>')
    for number, (name, value, low, high) in enumerate(rows):
        colour = COLOURS[2] if low > 0 else COLOURS[3] if high < 0 else "#6b7280"
        y = _TOP + _ROW * number + 30
        short_name = name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"
        parts.append(f'<text class="name" x="{left}" y="{y - 11}">{escape(short_name)}</text>')
        parts.append(
            f'<path d="M{x_of(low):.1f} {y}H{x_of(high):.1f}" stroke="{colour}"'
            f' stroke-width="3"><title>{escape(name)}: {value:+z.4f} [{low:+z.4f}, {high:+z.4f}]'
            f'</title></path><circle cx="{x_of(value):.1f}" cy="{y}" r="5" fill="{colour}"/>'
        )
    return figure(parts, (), x_label, title=title, height=bottom + _BOTTOM)


def figure(
    parts: Sequence[str],
    names: Sequence[str],
    x_label: str,
    title: str,
    height: int = _HEIGHT,
    colours: Sequence[str] = COLOURS,
) -> str:
    """The chart as a figure, with title, axis label and legend."""
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    label = f'<text x="{middle}" y="{height - 2}" text-anchor="middle">{escape(x_label)}</text>'
    legend = " ".join(
        f'<span class="key"><i style="background:{colour}"></i>{escape(name)}</span>'
        for name, colour in zip(names, cycle(colours), strict=False)
    )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {height}"'
        f' role="img" aria-label="{escape(title)}">{"".join(parts)}{label}</svg>'
        f'<div class="legend">{legend}</div></figure>'
    )
