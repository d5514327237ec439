"""Where a run's score is lost: against the most frequent class, by year of age, by person."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import charts
from maskgate.core.score import Score
from maskgate.evaluation import age_by_year, agreement, majority
from maskgate.evaluation.age_by_year import Years
from maskgate.evaluation.agreement import Agreement, Differing
from maskgate.reports.compare import signed
from maskgate.runs.records.results import Results, known_attributes

_WIDTH, _HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 36
_COLOURS: Final = (charts.COLOURS[0], charts.COLOURS[1])


def context(
    results: Results, table: pd.DataFrame, probabilities: npt.NDArray[np.floating]
) -> dict[str, Any]:
    """What the page needs, of a photo table with probabilities (N, 18): the `majority` of each
    attribute and of `label`, the `years` of age with their `chart`, and for each attribute in words
    its `agreement`, gain and rows. Empty where nothing is known."""
    attributes = known_attributes(results)
    years = age_by_year.errors(probabilities, table) if "age_band" in attributes else []
    agreements = agreement.evaluate(probabilities, table, attributes)
    return {
        "majority": majority.scores(table, attributes),
        "years": years,
        "chart": chart(years) if years else "",
        "agreement": [
            (
                name.replace("_", " "),
                each,
                signed(each.gain),
                [(_words(row, each), row) for row in each.differing],
            )
            for name, each in agreements.items()
        ],
    }


def _words(row: Differing, of: Agreement) -> str:
    """How many photos differ, in words."""
    if row.photos == 0:
        return f"all {of.most} agree" if of.fewest == of.most else "all agree"
    more = " or more" if row.photos == agreement.MOST else ""
    return f"{row.photos}{more} differ{'' if row.photos > 1 or more else 's'}"


def chart(years: Sequence[Years]) -> str:
    """Bars of the share predicted in a wrong age band, by year: in a younger one, and on top of it
    in an older one, with the interval of both together. Dashed lines are the limits of the bands.
    """
    left, right = years[0].first, years[-1].last + 1
    highest = max(each.wrong.high for each in years)
    ticks = charts.round_values(0.0, max(0.05, highest))

    def x_of(year: float) -> float:
        return _LEFT + (year - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(share: float) -> float:
        return _TOP + (1 - share / ticks[-1]) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for tick in ticks:
        y = y_of(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.0%}</text>')
    for year in range(-(-left // 5) * 5, right, 5):
        x = x_of(year + 0.5)
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 20}" text-anchor="middle">{year}</text>')
    for each in years:
        parts.append(_bar(each, x_of, y_of))
    for limit in labels.AGE_BOUNDARIES:
        if left < limit < right:
            d = f"M{x_of(limit):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"
            parts.append(f'<path class="mark" d="{d}"/>')
    return charts.figure(
        parts,
        ("predicted younger", "predicted older"),
        "year of age",
        title="Photos predicted in a wrong age band, by year of age",
        height=_HEIGHT,
        colours=_COLOURS,
    )


def _bar(years: Years, x_of: Callable[[float], float], y_of: Callable[[float], float]) -> str:
    x, end = x_of(years.first), x_of(years.last + 1)
    middle, width = (x + end) / 2, max(1.0, end - x - 1)
    parts, share = [], 0.0
    for score, colour in zip((years.younger, years.older), _COLOURS, strict=True):
        top = y_of(share + score.value)
        parts.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}"'
            f' height="{y_of(share) - top:.1f}" fill="{colour}"/>'
        )
        share += score.value
    low, high = y_of(years.wrong.low), y_of(years.wrong.high)
    whisker = f'<path class="whisker" d="M{middle:.1f} {low:.1f}V{high:.1f}"/>'
    words = (
        f"{years.name} years, {years.people} people: {_percent(years.wrong)} wrong;"
        f" {_percent(years.younger)} younger, {_percent(years.older)} older"
    )
    return f"<g><title>{escape(words)}</title>{''.join(parts)}{whisker}</g>"


def _percent(score: Score) -> str:
    return f"{100 * score.value:.0f}% [{100 * score.low:.0f}, {100 * score.high:.0f}]"
