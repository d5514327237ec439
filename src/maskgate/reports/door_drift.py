"""The part of the door report on drift of the pictures."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Final

import numpy as np

from maskgate.bundle.manifest import Distribution
from maskgate.door.reporting import drift
from maskgate.door.reporting.drift import Drift
from maskgate.door.reporting.findings import Findings
from maskgate.reports.door_table import Html, table

_NONE: Final = "–"


def section(report: Findings, reference: dict[str, Distribution]) -> str:
    """Tables of all cameras and days; empty where nothing could be compared."""
    if not report.drifts:
        return ""
    of_all_days = [each for each in report.drifts if each.day is None]
    by_camera: dict[str, list[Drift]] = defaultdict(list)
    for each in of_all_days:
        by_camera[each.camera].append(each)
    parts = []
    for camera, drifts in by_camera.items():
        rows = []
        for measure, title in drift.NAMES.items():
            sides = {each.side: each for each in drifts if each.measure == measure}
            if sides:
                quantiles = reference[measure].quantiles
                rows.append(
                    (
                        title,
                        f"{quantiles[0]:.3g} to {quantiles[-1]:.3g}",
                        f"{_median(report, camera, measure):.3g}",
                        _side(sides.get("low")),
                        _side(sides.get("high")),
                    )
                )
        titles = ["measure", "90% of the validation photos", "median here", "below", "above"]
        count = _people(drifts)
        parts.append(f"<h3>{escape(camera)}: {count:,} people</h3>{table(titles, rows)}")
    days = _drift_by_day(report)
    return (
        '<p class="soft">Each person is compared by the mean over their faces near the camera. If'
        f" nothing has changed, about {100 * drift.EXPECTED:.0f}% are below and above. Drift is"
        f" reported where the interval is above {100 * drift.MOST:.0f}%; the intervals hold for all"
        " measures, cameras and days at once.</p>\n"
        + "".join(parts)
        + days
        + '<p class="soft after">Face width is in pixels: it depends on the resolution of the'
        " camera and on where people stand, so a difference is no fault in itself. Sharpness is"
        " the variance of the Laplacian of the model's input; confidence is the probability of the"
        " likeliest mask state.</p>"
    )


def _people(drifts: Sequence[Drift]) -> int:
    """The number of people who were compared."""
    return max((each.share.total for each in drifts), default=0)


def _median(report: Findings, camera: str, measure: str) -> float:
    values = [
        getattr(person.measures, measure)
        for person in report.people
        if person.camera == camera and person.measures is not None
    ]
    return float(np.median(values))


def _side(each: Drift | None) -> str:
    if each is None:
        return _NONE
    low, high = each.interval
    text = f"{100 * each.share.count / each.share.total:.0f}% [{100 * low:.0f}, {100 * high:.0f}]"
    return Html(f'<span class="found">{text} drift</span>') if each.is_found else text


def _drift_by_day(report: Findings) -> str:
    """By day and camera, the share of people beyond each bound."""
    rows: dict[tuple[date, str], dict[tuple[str, str], Drift]] = defaultdict(dict)
    for each in report.drifts or []:
        if each.day is not None:
            rows[each.day, each.camera][each.measure, each.side] = each
    if not rows:
        return ""
    tests = [test for test in drift.TESTED if any(test in row for row in rows.values())]
    signs = {"low": "below", "high": "above"}
    titles = ["day, camera", *(f"{drift.NAMES[name]} {signs[side]}" for name, side in tests)]
    lines = [
        (f"{day.isoformat()} {camera}", *(_side(row.get(test)) for test in tests))
        for (day, camera), row in sorted(rows.items())
    ]
    return f"<details><summary>By day</summary>\n{table(titles, lines)}</details>\n"
