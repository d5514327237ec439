"""The parts of the door report on people over time and on waiting times."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from maskgate.core import charts
from maskgate.core.stacked_columns import stacked_columns
from maskgate.door.reporting import findings
from maskgate.door.reporting.findings import Findings
from maskgate.door.reporting.people import Person
from maskgate.reports.door_table import table

_HOURLY: Final = timedelta(days=10)  # a longer time is shown by day
_LONGEST: Final = 10.0  # seconds; the last column of the waiting times holds those above
VERDICTS: Final = {
    "go": "may pass",
    "put_on": "put a mask on",
    "cover": "cover mouth and nose",
    "take_off": "take the mask off",
    None: "no verdict",
}
"""A person's last verdict, in words."""
_COLOURS: Final = {
    "go": "#059669",
    "put_on": "#d97706",
    "cover": "#7c3aed",
    "take_off": "#2563eb",
    None: "#6b7280",
}


def over_time(report: Findings) -> str:
    """People by verdict, per hour or day, and by hour of the day."""
    is_daily = report.end - report.start > _HOURLY
    edges = findings.steps(report.start, report.end, report.zone, is_daily)
    starts = [edge.timestamp() for edge in edges]
    unit = "day" if is_daily else "hour"

    def place(time: datetime) -> float:
        """Where a time is, in columns."""
        return float(np.interp(time.timestamp(), starts, np.arange(len(starts))))

    times = [min(int(place(each.time)), len(edges) - 2) for each in report.people]
    series = _counts(report.people, times, len(edges) - 1)
    names = [f"{edge:%Y-%m-%d}" if is_daily else f"{edge:%Y-%m-%d %H:%M}" for edge in edges[:-1]]
    chart = stacked_columns(
        series,
        names,
        f"People by last verdict, per {unit}",
        x_label=f"{unit}s; grey: no camera gave verdicts",
        empty=[(place(start), place(end)) for start, end in report.unwatched],
        ticks=_ticks(edges[:-1], is_daily),
        colours=_colours(report.people),
    )
    hours = _counts(report.people, [report.local(each.time).hour for each in report.people], 24)
    of_day = stacked_columns(
        hours,
        [f"{hour}:00 to {hour + 1}:00" for hour in range(24)],
        "People by hour of the day, all days",
        x_label="hour",
        ticks={hour: str(hour) for hour in range(0, 24, 6)},
        colours=_colours(report.people),
    )
    rows = [
        (name, *(f"{counts[number]:,}" for counts in series.values()))
        for number, name in enumerate(names)
        if any(counts[number] for counts in series.values())
    ]
    numbers = table([unit, *series], rows)
    return (
        f'<div class="halves">{chart}{of_day}</div>\n'
        f"<details><summary>The numbers per {unit}</summary>\n{numbers}</details>\n"
        '<p class="soft after">A person counts at the time of coming near, with the last verdict.'
        " Somebody who leaves and comes back counts again.</p>"
    )


def _counts(members: Sequence[Person], times: Sequence[int], size: int) -> dict[str, list[int]]:
    """How many people had each verdict at each time, for the verdicts that somebody had."""
    counts = {}
    for verdict, word in VERDICTS.items():
        chosen = [
            time for person, time in zip(members, times, strict=True) if verdict == person.verdict
        ]
        if chosen:
            counts[word] = np.bincount(chosen, minlength=size).tolist()
    return counts


def _colours(members: Sequence[Person]) -> list[str]:
    verdicts = {person.verdict for person in members}
    return [colour for verdict, colour in _COLOURS.items() if verdict in verdicts]


def _ticks(edges: Sequence[datetime], is_daily: bool) -> dict[int, str]:
    """Texts below the columns: at most about six."""
    if is_daily:
        every = max(1, -(-len(edges) // 6))
        return {number: f"{edges[number]:%m-%d}" for number in range(0, len(edges), every)}
    if len(edges) <= 24:
        every = max(1, -(-len(edges) // 6))
        return {number: f"{edges[number]:%H:%M}" for number in range(0, len(edges), every)}
    days = [number for number, edge in enumerate(edges) if edge.hour == 0]
    return {number: f"{edges[number]:%m-%d}" for number in days[:: max(1, -(-len(days) // 6))]}


def waits(report: Findings) -> str:
    """How long people waited for a verdict; empty where nobody did."""
    seconds = [person.waited for person in report.people if person.waited is not None]
    times = findings.waits(report.people)
    if times is None:
        return ""
    edges = np.arange(0, _LONGEST + 0.5, 0.5)
    counts, _ = np.histogram(np.clip(seconds, 0, _LONGEST - 0.25), edges)
    chart = charts.columns(
        {"people": counts.tolist()},
        edges.tolist(),
        f"seconds; the last column: more than {_LONGEST - 0.5:g}",
        "People by time to their first verdict",
        marks=[round(each, 1) for each in times if each < _LONGEST],
    )
    return (
        f"<p>Of {len(seconds):,} people: median {times[0]:.1f} s, 95% within {times[1]:.1f} s"
        f' (dashed lines).</p>\n<div class="halves">{chart}<div></div></div>'
    )
