"""Who is let in or stopped wrongly, by the rules of a door."""

from collections.abc import Iterator, Sequence
from typing import Final

from maskgate.bundle.passing import Outcome, Passing, Rates
from maskgate.core import charts
from maskgate.export.card.markup import table
from maskgate.export.card.thresholds import cell
from maskgate.export.card.words import group_title
from maskgate.runs.records.results import Figure

_MOST: Final = 30.0  # percent of either mistake: where the curve ends
_POLICIES: Final = {
    "worn": "people with a mask may pass",
    "bare": "people with a bare face may pass",
}


def section(passings: Sequence[Passing]) -> Iterator[str]:
    """What a door does with each policy, by the threshold of the mask and by costs."""
    for number, each in enumerate(passings):
        costs = {str(name): cost for name, cost in each.costs.items()}
        if number:
            yield ""
        yield (
            f"With the policy {each.policy}, {_POLICIES[each.policy]}. By the threshold,"
            f" whether they may is unsure below {each.threshold:.3f}, and means another look. By"
            f" costs of"
            f" {costs['let_in']:g} for letting in somebody who may not pass, {costs['stopped']:g}"
            f" for stopping somebody who may, and {costs['look']:g} for another look, what costs"
            " the least is done."
        )
        yield ""
        parts = {"all": each.all, **{group_title(name): part for name, part in each.groups.items()}}
        yield from table(
            ("group", "photos", "people", "rule", "let in wrongly", "stopped wrongly",
             "another look"),
            [row for name, part in parts.items() for row in _outcome(name, part)],
        )  # fmt: skip


def diagrams(passings: Sequence[Passing]) -> str:
    """The trade-off of both mistakes for each policy, in SVG, with a point for each rule."""
    return "".join(map(_diagram, passings))


def _outcome(group: str, outcome: Outcome) -> Iterator[Sequence[object]]:
    for rule, rates in (("threshold", outcome.threshold), ("costs", outcome.costs)):
        cells: tuple[Figure | None, ...] = (None, None, None)
        if rates is not None:
            cells = (rates.let_in, rates.stopped, rates.another_look)
        yield group, outcome.photos, outcome.people, rule, *map(cell, cells)


def _diagram(passing: Passing) -> str:
    curve = passing.tradeoff
    pairs = zip(curve.let_in, curve.stopped, strict=True)
    percents = ((round(100 * x, 1), 100 * y) for x, y in pairs)
    points = sorted((each for each in percents if max(each) <= _MOST), key=lambda p: (p[0], -p[1]))
    series = {"every limit": points}
    for name, rates in (("threshold", passing.all.threshold), ("costs", passing.all.costs)):
        if rates is not None:
            series[name] = [_point(rates)]
    return charts.lines(
        series,
        "% let in, of people who may not pass",
        f"policy {passing.policy}: % stopped, of people who may pass",
    )


def _point(rates: Rates) -> tuple[float, float]:
    return round(100 * rates.let_in.value, 1), 100 * rates.stopped.value
