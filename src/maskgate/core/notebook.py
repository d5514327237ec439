"""HTML in which results show themselves in a notebook."""

from collections.abc import Sequence
from html import escape
from typing import Final

from maskgate.errors import escape_control

ROWS: Final = 20  # of a long table; the others are counted


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{_escaped(text)}</p>"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of plain values. Of a long one the first ROWS rows, and how many more there are."""
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows[:ROWS])
    text = f"<table><thead><tr>{_cells('th', header)}</tr></thead><tbody>{body}</tbody></table>"
    more = len(rows) - ROWS
    return text + (paragraph(f"and {more:,} more") if more > 0 else "")


def _cells(tag: str, values: Sequence[object]) -> str:
    return "".join(f"<{tag}>{_escaped(str(value))}</{tag}>" for value in values)


def _escaped(text: str) -> str:
    return escape(escape_control(text))
