"""The page of what happened at a door. It needs only the base install, so that it can be made on
the machine at the door."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Final

from maskgate.bundle.manifest import Distribution
from maskgate.core import files
from maskgate.door.acceptance.rule import Share
from maskgate.door.reporting import findings
from maskgate.door.reporting.findings import Findings
from maskgate.door.reporting.gaps import REASONS
from maskgate.door.reporting.people import Person
from maskgate.reports import door_charts, door_drift, door_table

_TEMPLATES: Final = Path(__file__).parent / "templates"
_MAX_GAPS: Final = 200
_NONE: Final = "–"
_MESSAGES: Final = {
    "moment": "one moment",
    "closer": "come closer",
    "empty": "nobody there",
    "let_in": "let in by staff",
    "none": "no verdict, a fault",
} | {str(key): word for key, word in door_charts.VERDICTS.items() if key}
_CALLS: Final = {
    ("override", "operator"): "staff let somebody in",
    ("alert", "help"): "somebody asked for help",
    ("alert", "waiting"): "somebody had not been let in for long",
    ("alert", "no_verdict"): "there had been no verdict for long",
}


def write(path: Path, report: Findings, reference: dict[str, Distribution]) -> None:
    """Write the page. `reference` is that of the bundle. Raises MaskgateError."""
    files.replace_text(path, html(report, reference))


def sentences(report: Findings) -> list[str]:
    """The most important of the page, for a terminal."""
    times = findings.waits(report.people)
    lines = [
        f"{_time(report, report.start)} to {_time(report, report.end)}: {_people(report.people)}",
        *([f"unsure: {_share(report.unsure)}"] if report.unsure.total else []),
        *([f"without a verdict: {_share(report.without_verdict)}"] if report.unsure.total else []),
    ]
    if times:
        lines.append(f"time to a verdict: median {times[0]:.1f} s, 95% within {times[1]:.1f} s")
    for camera in report.cameras:
        if camera.share:
            lines.append(f"{camera.name}: faults in {100 * camera.share:.1f}% of the time")
    if report.calls:
        calls = Counter(_CALLS.get((call.kind, call.reason), call.reason) for call in report.calls)
        lines.append("; ".join(f"{what}: {count}" for what, count in calls.items()))
    return [*lines, *(each.sentence for each in report.drift_found), *report.notes]


def html(report: Findings, reference: dict[str, Distribution]) -> str:
    """The page as one text."""
    style = "".join((_TEMPLATES / name).read_text("utf-8") for name in ("style.css", _CSS))
    script = (_TEMPLATES / "intervals.js").read_text("utf-8")
    period = f"{_time(report, report.start)} to {_time(report, report.end)}"
    drift = door_drift.section(report, reference)
    sections = [
        _section("To look at", _advice(report)),
        _section("People", door_charts.over_time(report)) if report.people else "",
        _section("Time from coming near to a verdict", door_charts.waits(report)),
        _section("Cameras", _cameras(report)),
        _section("Times without verdicts", _gaps(report)),
        _section("Pictures compared with the validation photos", drift),
        _section("What the door said", _messages(report)),
        _section("Staff", _calls(report)),
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
<p class="soft">{escape(period)}, times in {escape(_zone(report))}. Based on events only: no picture
of anybody was stored.</p>
{_tiles(report)}
{"".join(sections)}
</main>
<script>{script}</script>
</body>
</html>
"""


_CSS: Final = "door_report.css"


def _zone(report: Findings) -> str:
    return str(report.zone) if report.zone is not None else f"{report.start.astimezone():%Z}"


def _time(report: Findings, time: datetime) -> str:
    return f"{report.local(time):%Y-%m-%d %H:%M}"


def _people(members: Sequence[Person]) -> str:
    if not members:
        return "nobody was counted"
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


def _tile(title: str, value: str, more: str) -> str:
    return (
        f'<div class="tile">{escape(title)}<b>{escape(value)}</b>'
        f'<span class="soft">{escape(more)}</span></div>\n'
    )


def _tiles(report: Findings) -> str:
    tiles = []
    if report.people:
        cameras = len({person.camera for person in report.people})
        at = "1 camera" if cameras == 1 else f"{cameras} cameras"
        tiles.append(_tile("People", f"{len(report.people):,}", f"at {at}"))
        for title, share in (("Unsure", report.unsure), ("No verdict", report.without_verdict)):
            if share.total:
                low, high = share.interval
                tiles.append(
                    _tile(
                        title,
                        f"{100 * share.count / share.total:.1f}%",
                        f"{100 * low:.1f} to {100 * high:.1f}%, {share.count:,} people",
                    )
                )
    if times := findings.waits(report.people):
        tiles.append(_tile("Time to a verdict", f"{times[0]:.1f} s", f"95% in {times[1]:.1f} s"))
    lost = max((camera.share for camera in report.cameras), default=0)
    tiles.append(_tile("Faults", f"{100 * lost:.1f}%", "of the time, worst camera"))
    if report.calls:
        tiles.append(_tile("Staff", f"{len(report.calls):,}", "calls, or let somebody in"))
    return f'<div class="tiles">\n{"".join(tiles)}</div>'


def _advice(report: Findings) -> str:
    items = [each.sentence for each in report.drift_found] + report.notes
    if not items:
        return ""
    lines = "".join(f"<li>{escape(each)}</li>\n" for each in items)
    return f'<ul class="advice">\n{lines}</ul>'


def _cameras(report: Findings) -> str:
    if len(report.cameras) < 2:
        return ""
    rows = []
    for camera in report.cameras:
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
    return door_table.table(titles, rows)


def _gaps(report: Findings) -> str:
    if not report.gaps:
        return "<p>None.</p>" if report.cameras else ""
    shares = ", ".join(
        f"{camera.name} {100 * camera.share:.1f}%" for camera in report.cameras if camera.share
    )
    longest = sorted(report.gaps, key=lambda gap: -gap.seconds)[:_MAX_GAPS]
    rows = [
        (
            _time(report, gap.start),
            gap.camera,
            REASONS.get(gap.reason, gap.reason),
            _duration(gap.seconds),
        )
        for gap in sorted(longest, key=lambda gap: gap.start)
    ]
    more = len(report.gaps) - len(rows)
    rest = f'<p class="soft after">The {_MAX_GAPS} longest of {len(report.gaps):,}.</p>'
    faults = f"<p>Faults, as a share of the time: {escape(shares)}.</p>\n" if shares else ""
    return (
        faults + door_table.table(["from", "camera", "what", "for"], rows) + (rest if more else "")
    )


def _messages(report: Findings) -> str:
    if not report.messages:
        return ""
    rows = [
        (_MESSAGES.get(each.name, each.name), f"{each.count:,}", _duration(each.seconds))
        for each in report.messages
    ]
    return door_table.table(["message", "times", "in all"], rows)


def _calls(report: Findings) -> str:
    if not report.calls:
        return ""
    groups: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    for call in report.calls:
        groups[call.kind, call.reason, call.door].append(call.time)
    rows = [
        (
            _CALLS.get((kind, reason), f"{kind} {reason}"),
            door,
            f"{len(times):,}",
            _time(report, max(times)),
        )
        for (kind, reason, door), times in groups.items()
    ]
    return door_table.table(["what", "door", "times", "latest"], rows)
