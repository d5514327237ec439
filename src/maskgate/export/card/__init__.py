"""The model card of a bundle, as Markdown and as a page (Mitchell et al., Model cards for model
reporting, FAT* 2019). It shows what the manifest holds, and nothing else."""

import re
from html import escape
from importlib import resources
from typing import Final

from markdown_it import MarkdownIt

from maskgate.bundle.manifest import Manifest
from maskgate.export.card import (
    calibration,
    contents,
    held_out,
    origin,
    scores,
    summary,
    thresholds,
)
from maskgate.export.card.markup import plain

_INTERVAL: Final = re.compile(r" (\[[−.%\d]+,) (?=[−.%\d]+\])")


def markdown(manifest: Manifest) -> str:
    """The card as Markdown (GitHub's tables)."""
    lines = [f"# Model card: {plain(manifest.name)}", "", *summary.section(manifest)]
    for title, section in (
        ("Intended use", summary.intended_use()),
        ("Scores", scores.section(manifest)),
        ("Calibration", calibration.section(manifest)),
        ("Thresholds", thresholds.section(manifest)),
        ("Accuracy by group", scores.by_group(manifest)),
        ("Tested on other people", held_out.section(manifest)),
        ("Precision", origin.precision(manifest)),
        ("Training", origin.training(manifest)),
        ("Input", contents.inputs(manifest)),
        ("Photos it was validated on", contents.reference(manifest)),
        ("Files", contents.files(manifest)),
    ):
        body = list(section)
        if body:
            lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def html(manifest: Manifest, text: str) -> str:
    """The card's Markdown `text` as a page that needs no other file."""
    style = (resources.files("maskgate.export.card") / "card.css").read_text("utf-8")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = body.replace("<table>", '<div class="table"><table>').replace(
        "</table>", "</table></div>"
    )
    for title, diagrams in (
        ("Calibration", calibration.diagrams(manifest)),
        ("Thresholds", thresholds.diagrams(manifest)),
    ):
        body = _with_diagrams(body, title, diagrams)
    body = _INTERVAL.sub("\u00a0\\1\u00a0", body)  # a score and its interval stay on one line
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Model card: {escape(manifest.name)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _with_diagrams(body: str, title: str, diagrams: str) -> str:
    """The card's body with diagrams at the end of the section of that title."""
    if not diagrams:
        return body
    start = body.index(f"<h2>{title}</h2>")
    end = body.index("<h2>", start + 1)
    return f'{body[:end]}<div class="charts">{diagrams}</div>\n{body[end:]}'
