"""Tables of the door report, as HTML."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

_TEXT: Final = {"camera", "what", "door"}  # columns that hold text


class Html(str):
    """Text that is HTML already; other text is escaped."""


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
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
