"""A table of runs that never cuts a name: where it is too wide, each run gets lines of its own."""

from collections.abc import Sequence
from typing import Final, Literal

from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

Order = Literal["date", "score", "name"]
SETTINGS: Final = "differs"  # the column that may be wrapped
_NARROW: Final = 24  # characters; settings in a narrower column are hard to read
_WIDE: Final = 10_000
_INDENT: Final = 2
_SEPARATOR: Final = " · "
_NOTHING: Final = "–"  # a cell without content


class RunTable:
    """Rows of cells, the first of which is the run's name, in the order in which they are added."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self.rows: list[tuple[str, ...]] = []

    def add(self, cells: Sequence[str]) -> None:
        """Add a run; cells that are left out are empty."""
        missing = len(self.columns) - len(cells)
        self.rows.append((*cells, *("" for _ in range(missing))))

    def print(self, console: Console) -> None:
        """Print a table if the console is wide enough for it, else a paragraph for each run."""
        if self._width(console) <= console.width:
            console.print(self._table())
            return
        for name, *cells in self.rows:
            console.print(name, soft_wrap=True)
            pairs = zip(self.columns[1:], cells, strict=True)
            filled = [f"{column} {cell}" for column, cell in pairs if cell not in ("", _NOTHING)]
            for line in _lines(filled, console.width - _INDENT):
                console.print(Padding(line, (0, 0, 0, _INDENT)))

    def _table(self, longest: int | None = None) -> Table:
        """All rows; settings have at most `longest` characters in a line, all else is in one."""
        table = Table(box=None, pad_edge=False)
        for column in self.columns:
            is_settings = column == SETTINGS
            table.add_column(
                column, no_wrap=not is_settings, max_width=longest if is_settings else None
            )
        for row in self.rows:
            table.add_row(*row)
        return table

    def _width(self, console: Console) -> int:
        """The width that the table needs at least."""
        options = console.options.update(max_width=_WIDE)
        return Measurement.get(console, options, self._table(_NARROW)).maximum


def _lines(parts: Sequence[str], width: int) -> list[str]:
    """The parts in lines of at most `width` characters; a longer part has a line of its own."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(_SEPARATOR) + len(part) <= width:
            lines[-1] += _SEPARATOR + part
        else:
            lines.append(part)
    return lines
