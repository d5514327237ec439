"""The page of what happened at a door. It needs only the base install, so that it can be made on
the machine at the door."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Final

import numpy as np

from maskgate.bundle.manifest import Distribution
from maskgate.core import charts, files
from maskgate.core.stacked_columns import stacked_columns
from maskgate.door.acceptance.rule import Share
from maskgate.door.reporting import drift, findings
from maskgate.door.reporting.drift import Drift
from maskgate.door.reporting.findings import Findings
from maskgate.door.reporting.gaps import REASONS
from maskgate.door.reporting.people import Person

_TEMPLATES: Final = Path(__file__).parent / "templates"
_HOURLY: Final = timedelta(days=10)  # a longer time is shown by day
_LONGEST: Final = 10.0  # seconds; the last column of the waiting times holds those above
_MAX_GAPS: Final = 200
_NONE: Final = "–"
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
_TEXT: Final = {"camera", "what", "door"}  # columns that hold text
_MESSAGES: Final = {
    "moment": "one moment",
    "closer": "come closer",
    "empty": "nobody there",
    "let_in": "let in by staff",
    "none": "no verdict, a fault",
} | {str(key): word for key, word in VERDICTS.items() if key}
_CALLS: Final = {
    ("override", "operator"): "staff let somebody in",
    ("alert", "help"): "somebody asked for help",
    ("alert", "waiting"): "somebody had not been let in for long",
    ("alert", "no_verdict"): "there had been no verdict for long",
}


class Html(str):
    """Text that is HTML already; other text is escaped."""


def write(path: Path, found: Findings, reference: dict[str, Distribution]) -> None:
    """Write the page. `reference` is that of the bundle. Raises MaskgateError."""
    files.replace_text(path, html(found, reference))


def sentences(found: Findings) -> list[str]:
    """The most important of the page, for a terminal."""
    times = findings.waits(found.people)
    lines = [
        f"{_time(found, found.start)} to {_time(found, found.end)}: {_people(found.people)}",
        *([f"unsure: {_share(found.unsure)}"] if found.unsure.total else []),
        *([f"without a verdict: {_share(found.without_verdict)}"] if found.unsure.total else []),
    ]
    if times:
        lines.append(f"time to a verdict: median {times[0]:.1f} s, 95% within {times[1]:.1f} s")
    for camera in found.cameras:
        if camera.share:
            lines.append(f"{camera.name}: faults in {100 * camera.share:.1f}% of the time")
    if found.calls:
        calls = Counter(_CALLS.get((call.kind, call.reason), call.reason) for call in found.calls)
        lines.append("; ".join(f"{what}: {count}" for what, count in calls.items()))
    return [*lines, *(each.sentence for each in found.drift_found), *found.notes]


def html(found: Findings, reference: dict[str, Distribution]) -> str:
    """The page as one text."""
    style = "".join((_TEMPLATES / name).read_text("utf-8") for name in ("style.css", _CSS))
    script = (_TEMPLATES / "intervals.js").read_text("utf-8")
    period = f"{_time(found, found.start)} to {_time(found, found.end)}"
    sections = [
        _section("To look at", _advice(found)),
        _section("People", _over_time(found)) if found.people else "",
        _section("Time from coming near to a verdict", _waits(found)),
        _section("Cameras", _cameras(found)),
        _section("Times without verdicts", _gaps(found)),
        _section("Pictures compared with the validation photos", _drift(found, reference)),
        _section("What the door said", _messages(found)),
        _section("Staff", _calls(found)),
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Door report, {escape(period)}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Door report</h1>
<p class="soft">{escape(period)}, times in {escape(_zone(found))}. Made of events alone: no picture
of anybody was stored.</p>
{_tiles(found)}
{"".join(sections)}
</main>
<script>{script}</script>
</body>
</html>
"""


_CSS: Final = "door_report.css"


def _zone(found: Findings) -> str:
    return str(found.zone) if found.zone is not None else f"{found.start.astimezone():%Z}"


def _time(found: Findings, time: datetime) -> str:
    return f"{found.local(time):%Y-%m-%d %H:%M}"


def _people(members: Sequence[Person]) -> str:
    return "1 person" if len(members) == 1 else f"{len(members):,} people"


def _share(share: Share) -> str:
    """Such as `12.0% [5.6, 23.8]`."""
    if not share.total:
        return _NONE
    low, high = share.interval
    return f"{100 * share.count / share.total:.1f}% [{100 * low:.1f}, {100 * high:.1f}]"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>\n" if content else ""


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names the row; text is escaped unless it is Html."""
    first, *others = titles
    head = f'<th scope="row">{escape(first)}</th>' if first else "<td></td>"
    classes = [' class="left"' if title in _TEXT else "" for title in others]
    head += "".join(
        f'<th scope="col"{kind}>{escape(title)}</th>'
        for title, kind in zip(others, classes, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(
            f"<td{kind}>{cell if isinstance(cell, Html) else escape(cell)}</td>"
            for cell, kind in zip(cells, classes, strict=True)
        )
        + "</tr>\n"
        for name, *cells in rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>"
    )


def _tile(title: str, value: str, more: str) -> str:
    return (
        f'<div class="tile">{escape(title)}<b>{escape(value)}</b>'
        f'<span class="soft">{escape(more)}</span></div>\n'
    )


def _tiles(found: Findings) -> str:
    tiles = []
    if found.people:
        cameras = len({person.camera for person in found.people})
        at = "1 camera" if cameras == 1 else f"{cameras} cameras"
        tiles.append(_tile("People", f"{len(found.people):,}", f"at {at}"))
        for title, share in (("Unsure", found.unsure), ("No verdict", found.without_verdict)):
            if share.total:
                low, high = share.interval
                tiles.append(
                    _tile(
                        title,
                        f"{100 * share.count / share.total:.1f}%",
                        f"{100 * low:.1f} to {100 * high:.1f}%, {share.count:,} people",
                    )
                )
    if times := findings.waits(found.people):
        tiles.append(_tile("Time to a verdict", f"{times[0]:.1f} s", f"95% in {times[1]:.1f} s"))
    lost = max((camera.share for camera in found.cameras), default=0)
    tiles.append(_tile("Faults", f"{100 * lost:.1f}%", "of the time, worst camera"))
    if found.calls:
        tiles.append(_tile("Staff", f"{len(found.calls):,}", "calls, or let somebody in"))
    return f'<div class="tiles">\n{"".join(tiles)}</div>'


def _advice(found: Findings) -> str:
    items = [each.sentence for each in found.drift_found] + found.notes
    if not items:
        return ""
    lines = "".join(f"<li>{escape(each)}</li>\n" for each in items)
    return f'<ul class="advice">\n{lines}</ul>'


def _over_time(found: Findings) -> str:
    is_daily = found.end - found.start > _HOURLY
    edges = findings.steps(found.start, found.end, found.zone, is_daily)
    starts = [edge.timestamp() for edge in edges]
    unit = "day" if is_daily else "hour"

    def place(time: datetime) -> float:
        """Where a time is, in columns."""
        return float(np.interp(time.timestamp(), starts, np.arange(len(starts))))

    times = [min(int(place(each.time)), len(edges) - 2) for each in found.people]
    series = _counts(found.people, times, len(edges) - 1)
    names = [f"{edge:%Y-%m-%d}" if is_daily else f"{edge:%Y-%m-%d %H:%M}" for edge in edges[:-1]]
    chart = stacked_columns(
        series,
        names,
        f"People by last verdict, per {unit}",
        f"{unit}s; grey: no camera gave verdicts",
        [(place(start), place(end)) for start, end in found.unwatched],
        _ticks(edges[:-1], is_daily),
        _colours(found.people),
    )
    hours = _counts(found.people, [found.local(each.time).hour for each in found.people], 24)
    of_day = stacked_columns(
        hours,
        [f"{hour}:00 to {hour + 1}:00" for hour in range(24)],
        "People by hour of the day, all days",
        "hour",
        ticks={hour: str(hour) for hour in range(0, 24, 6)},
        colours=_colours(found.people),
    )
    rows = [
        (name, *(f"{counts[number]:,}" for counts in series.values()))
        for number, name in enumerate(names)
        if any(counts[number] for counts in series.values())
    ]
    table = _table([unit, *series], rows)
    return (
        f'<div class="halves">{chart}{of_day}</div>\n'
        f"<details><summary>The numbers per {unit}</summary>\n{table}</details>\n"
        '<p class="soft after">A person counts at the time of coming near, with the last verdict.'
        " Somebody who leaves and comes back counts again.</p>"
    )


def _counts(members: Sequence[Person], times: Sequence[int], size: int) -> dict[str, list[int]]:
    """How many people had each verdict at each time, for the verdicts that somebody had."""
    counts = {}
    for verdict, word in VERDICTS.items():
        own = [
            time for person, time in zip(members, times, strict=True) if verdict == person.verdict
        ]
        if own:
            counts[word] = np.bincount(own, minlength=size).tolist()
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


def _waits(found: Findings) -> str:
    seconds = [person.waited for person in found.people if person.waited is not None]
    times = findings.waits(found.people)
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


def _cameras(found: Findings) -> str:
    if len(found.cameras) < 2:
        return ""
    rows = []
    for camera in found.cameras:
        times = findings.waits(camera.people)
        rows.append(
            (
                camera.name,
                f"{len(camera.people):,}",
                _share(findings.unsure(camera.people)),
                _share(findings.without_verdict(camera.people)),
                _NONE if times is None else f"{times[0]:.1f} s",
                _duration(camera.watched),
                f"{100 * camera.share:.1f}%",
            )
        )
    titles = ["camera", "people", "unsure", "no verdict", "median wait", "gave verdicts", "faults"]
    return _table(titles, rows)


def _gaps(found: Findings) -> str:
    if not found.gaps:
        return "<p>None.</p>" if found.cameras else ""
    shares = ", ".join(
        f"{camera.name} {100 * camera.share:.1f}%" for camera in found.cameras if camera.share
    )
    longest = sorted(found.gaps, key=lambda gap: -gap.seconds)[:_MAX_GAPS]
    rows = [
        (
            _time(found, gap.start),
            gap.camera,
            REASONS.get(gap.reason, gap.reason),
            _duration(gap.seconds),
        )
        for gap in sorted(longest, key=lambda gap: gap.start)
    ]
    more = len(found.gaps) - len(rows)
    rest = f'<p class="soft after">The {_MAX_GAPS} longest of {len(found.gaps):,}.</p>'
    faults = f"<p>Faults, as a share of the time: {escape(shares)}.</p>\n" if shares else ""
    return faults + _table(["from", "camera", "what", "for"], rows) + (rest if more else "")


def _drift(found: Findings, reference: dict[str, Distribution]) -> str:
    if not found.drifts:
        return ""
    whole = [each for each in found.drifts if each.day is None]
    by_camera: dict[str, list[Drift]] = defaultdict(list)
    for each in whole:
        by_camera[each.camera].append(each)
    parts = []
    for camera, drifts in by_camera.items():
        rows = []
        for measure, title in drift.NAMES.items():
            own = {each.side: each for each in drifts if each.measure == measure}
            if own:
                quantiles = reference[measure].quantiles
                rows.append(
                    (
                        title,
                        f"{quantiles[0]:.3g} to {quantiles[-1]:.3g}",
                        f"{_median(found, camera, measure):.3g}",
                        _side(own.get("low")),
                        _side(own.get("high")),
                    )
                )
        titles = ["measure", "90% of the validation photos", "median here", "below", "above"]
        people_of = whole_total(drifts)
        parts.append(f"<h3>{escape(camera)}: {people_of:,} people</h3>{_table(titles, rows)}")
    days = _drift_by_day(found)
    return (
        '<p class="soft">Each person is compared by the mean over their faces near the camera. If'
        f" nothing has changed, about {100 * drift.EXPECTED:.0f}% are below and above. Drift is"
        f" named where the interval is above {100 * drift.MOST:.0f}%; the intervals hold for all"
        " measures, cameras and days at once.</p>\n"
        + "".join(parts)
        + days
        + '<p class="soft after">Face width is in pixels: it depends on the resolution of the'
        " camera and on where people stand, so a difference is no fault in itself. Sharpness is"
        " the variance of the Laplacian of the model's input; confidence is the probability of the"
        " likeliest mask state.</p>"
    )


def whole_total(drifts: Sequence[Drift]) -> int:
    """The number of people who were compared."""
    return max((each.share.total for each in drifts), default=0)


def _median(found: Findings, camera: str, measure: str) -> float:
    values = [
        getattr(person.measures, measure)
        for person in found.people
        if person.camera == camera and person.measures is not None
    ]
    return float(np.median(values))


def _side(each: Drift | None) -> str:
    if each is None:
        return _NONE
    low, high = each.interval
    text = f"{100 * each.share.count / each.share.total:.0f}% [{100 * low:.0f}, {100 * high:.0f}]"
    return Html(f'<span class="found">{text} drift</span>') if each.is_found else text


def _drift_by_day(found: Findings) -> str:
    """By day and camera, the share of people beyond each bound."""
    rows: dict[tuple[date, str], dict[tuple[str, str], Drift]] = defaultdict(dict)
    for each in found.drifts or []:
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
    return f"<details><summary>By day</summary>\n{_table(titles, lines)}</details>\n"


def _messages(found: Findings) -> str:
    if not found.messages:
        return ""
    rows = [
        (_MESSAGES.get(each.name, each.name), f"{each.count:,}", _duration(each.seconds))
        for each in found.messages
    ]
    return _table(["message", "times", "in all"], rows)


def _calls(found: Findings) -> str:
    if not found.calls:
        return ""
    groups: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    for call in found.calls:
        groups[call.kind, call.reason, call.door].append(call.time)
    rows = [
        (
            _CALLS.get((kind, reason), f"{kind} {reason}"),
            door,
            f"{len(times):,}",
            _time(found, max(times)),
        )
        for (kind, reason, door), times in groups.items()
    ]
    return _table(["what", "door", "times", "latest"], rows)
