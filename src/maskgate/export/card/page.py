"""A card as a page of HTML."""

import re
from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Final

from markdown_it import MarkdownIt

_INTERVAL: Final = re.compile(r" (\[[−.%\d]+,) (?=[−.%\d]+\])")


def page(title: str, text: str, diagrams: Mapping[str, str]) -> str:
    """A page that needs no other file, from Markdown; `diagrams` are SVG by the title of the
    section at whose end they stand."""
    style = (resources.files("maskgate.export.card") / "card.css").read_text("utf-8")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = body.replace("<table>", '<div class="table" tabindex="0"><table>').replace(
        "</table>", "</table></div>"
    )
    for section, pictures in diagrams.items():
        body = _with_diagrams(body, section, pictures)
    body = _INTERVAL.sub("\u00a0\\1\u00a0", body)  # a score and its interval stay on one line
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _with_diagrams(body: str, title: str, diagrams: str) -> str:
    if not diagrams:
        return body
    start = body.index(f"<h2>{title}</h2>")
    end = body.find("<h2>", start + 1)
    end = len(body) if end < 0 else end
    return f'{body[:end]}<div class="charts">{diagrams}</div>\n{body[end:]}'
