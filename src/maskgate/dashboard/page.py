"""The page as a file, and what it is made of."""

from pathlib import Path
from typing import Any

from maskgate.dashboard import contents
from maskgate.dashboard.grouping import Grouper
from maskgate.dashboard.reader import Reader
from maskgate.dashboard.verdicts import Verdicts
from maskgate.reports import links, pages
from maskgate.runs.sources import Source


def write(sources: list[Source], page: Path) -> None:
    """Write the page of all runs in these folders. Raises MaskgateError where there is none, and if
    the file cannot be written."""
    entries = Reader(sources).read()
    grouping = Grouper().group([entry.row for entry in entries])
    verdicts = Verdicts()
    verdicts.compare_best(grouping)
    data = contents.collect(
        entries, grouping, verdicts, lambda run, _: links.to_report(page.parent, run.path)
    )
    pages.write(page, "dashboard.html", data=data, title=title(sources), live=False)


def title(sources: list[Source]) -> str:
    """The title of the page: whose runs it shows."""
    names = ", ".join(source.name for source in sources if source.name)
    return f"Runs of {names}" if names else "Runs"


def live(sources: list[Source]) -> str:
    """The page as the server gives it, which asks for its data."""
    data: dict[str, Any] = {}
    return pages.render("dashboard.html", data=data, title=title(sources), live=True)
