"""Links between pages: from a run to its system, its teacher and the run it was started from, and
from a comparison to its runs. A link is relative, so it holds where both folders are moved."""

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from maskgate.runs import RunFolder


def relative(folder: Path, page: Path) -> str:
    """The link from a page in `folder` to another page."""
    return quote(Path(os.path.relpath(page, folder)).as_posix())


def to_report(folder: Path, run: Path) -> str:
    """The link from a page in `folder` to a run's report; "" where there is none."""
    report = RunFolder(run).report_file
    return relative(folder, report) if has_report(run) else ""


def has_report(run: Path) -> bool:
    """Whether a run has a report; no if its folder may not be read."""
    with suppress(OSError):
        return RunFolder(run).report_file.is_file()
    return False


def related(run: RunFolder) -> list[tuple[str, str, str]]:
    """The runs that a run came from: what each is to it, its name, and the link to its report."""
    links = []
    folder = run.path.absolute().parent
    if folder.name == "members" and (system := RunFolder(folder.parent)).is_system:
        # Its report is written after those of its members.
        links.append(("Member of", system.path.name, relative(run.path, system.report_file)))
    if not run.is_system:
        recipe = run.recipe()
        sources = {
            "Started from": recipe.model.init,
            "Teacher": recipe.teacher,
            "Pseudo labels by": recipe.pseudo.run if recipe.pseudo else None,
        }
        for role, name in sources.items():
            if name and (link := to_report(run.path, Path(name))):
                links.append((role, Path(name).name, link))
    return links
