"""A chart of counts over time, stacked by kind, as inline SVG."""

from collections.abc import Mapping, Sequence
from html import escape

from maskgate.core import charts

_WIDTH, _HEIGHT = 460, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 12, 30


def stacked_columns(
    series: Mapping[str, Sequence[int]],
    names: Sequence[str],
    title: str,
    x_label: str,
    empty: Sequence[tuple[float, float]] = (),
    ticks: Mapping[int, str] | None = None,
    colours: Sequence[str] = charts.COLOURS,
) -> str:
    """Columns (B) of counts, those of each of the `series` (B,) on top of the one before it.

    `names` (B,) are those of the columns, `ticks` the texts below some of them, by number. `empty`
    are parts of the x axis, from 0 to B, that are drawn in grey: nothing was counted there.
    """
    count = len(names)
    totals = [sum(column) for column in zip(*series.values(), strict=True)]
    marks = charts.round_values(0, float(max(1, *totals, 1)), about=5)
    marks = [mark for mark in marks if mark == int(mark)]
    high = max(marks[-1], *totals, 1)
    width = (_WIDTH - _LEFT - _RIGHT) / max(1, count)

    def y_of(y: float) -> float:
        return _TOP + (high - y) / high * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<rect class="empty" x="{_LEFT + start * width:.1f}" y="{_TOP}"'
        f' width="{(end - start) * width:.1f}" height="{_HEIGHT - _TOP - _BOTTOM}"/>'
        for start, end in empty
    ]
    for y in marks:
        parts.append(f'<path class="grid" d="M{_LEFT} {y_of(y):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y_of(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    below = [0] * count
    for (name, counts), colour in zip(series.items(), colours, strict=False):
        for number, value in enumerate(counts):
            if value:
                top = y_of(below[number] + value)
                parts.append(
                    f'<rect x="{_LEFT + number * width:.1f}" y="{top:.1f}"'
                    f' width="{max(0.5, width - min(1.5, 0.15 * width)):.1f}"'
                    f' height="{y_of(below[number]) - top:.1f}" fill="{colour}">'
                    f"<title>{escape(names[number])}, {escape(name)}: {value:,}</title></rect>"
                )
                below[number] += value
    for number, text in (ticks or {}).items():
        x = _LEFT + number * width
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 16}">{escape(text)}</text>')
    return charts.figure(parts, list(series), x_label, title, height=_HEIGHT, colours=colours)
