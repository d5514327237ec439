"""The command door-report."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskgate.cli.app import app
from maskgate.core import terminal
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_DAY = 10  # characters of a date without a time


def _moment(text: str, option: str, zone: "ZoneInfo | None") -> datetime.datetime:
    """A time in the zone, unless it names its own; of a date, the beginning, or for --to the end.
    Raises MaskgateError."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise MaskgateError(
            f"{option} {text}: not a time such as 2026-11-27 or 2026-11-27T08:30"
        ) from None
    if len(text) <= _DAY and option == "--to":
        time += datetime.timedelta(days=1)
    if time.tzinfo is None:
        time = time.astimezone() if zone is None else time.replace(tzinfo=zone)
    return time.astimezone(datetime.UTC)


def _time_zone(name: str | None) -> "ZoneInfo | None":
    """The time zone of that name. Raises MaskgateError."""
    from zoneinfo import ZoneInfo

    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise MaskgateError(
            f"--time-zone {name}: no such time zone; give a name such as Asia/Seoul"
        ) from error


@app.command("door-report")
def door_report(
    events: Annotated[
        list[Path],
        typer.Argument(
            metavar="EVENTS...",
            help="Files of events from `maskgate watch`, also rotated or compressed ones, or of the"
            " service's /v1/events.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Page to write.")] = Path(
        "door-report.html"
    ),
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE",
            help="Bundle that the door uses: pictures are compared with its validation photos.",
            show_default="the default model",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Beginning, a date or time such as 2026-11-27."
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End; of a date, its last minute.")
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Time zone, such as Asia/Seoul.", show_default="the machine's"
        ),
    ] = None,
) -> None:
    """Report on a door from its events: people, verdicts, waiting times, faults, drift.

    The page contains no picture of a person: it uses events only.
    """
    from maskgate.bundle import is_bundle
    from maskgate.core import default_model, files

    zone = _time_zone(time_zone)
    begin = None if start is None else _moment(start, "--from", zone)
    finish = None if end is None else _moment(end, "--to", zone)
    if begin is not None and finish is not None and finish <= begin:
        raise MaskgateError(f"--to {end}: is not after --from {start}")
    if out.suffix != ".html":
        raise MaskgateError(f"{out}: a page ends in .html; name such a file")
    if model is not None and not is_bundle(model):
        raise MaskgateError(f"{model}: not a bundle; give a folder or zip from `maskgate export`")
    for path in events:
        files.check_name(path)
        if not path.is_file():
            raise MaskgateError(f"{path}: no such file of events; fix the path")
    files.check_target(out)
    files.check_new(out)

    from maskgate.door.reporting import findings, log
    from maskgate.reports import door_report as page

    manifest = findings.read_manifest(model or default_model.folder())
    report = findings.find(log.read(events), manifest, zone, start=begin, end=finish)
    page.write(out, report, manifest.reference)
    for line in page.sentences(report):
        terminal.show(line)
    terminal.show(out)
