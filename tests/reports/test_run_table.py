"""The table of runs never cuts a name, sorts and filters."""

import io

import pytest
from rich.console import Console

from maskgate.reports.run_table import SETTINGS, RunTable

LONG = "a-run-whose-name-is-longer-than-a-terminal-of-eighty-columns-is-wide-and-then-some-more"


def table(*rows: tuple[str, ...]) -> RunTable:
    result = RunTable(("run", "recipe", SETTINGS, "score", "people", "time", "started"))
    for row in rows:
        result.add(row)
    return result


def printed(runs: RunTable, width: int = 80) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    runs.print(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def row(name: str, differs: str = "–", score: str = "0.4480 [0.4200, 0.4760]") -> tuple[str, ...]:
    return name, "baseline", differs, score, "1356", "12 min", "2026-11-27 10:08"


def test_a_run_that_fits_is_a_row() -> None:
    header, line = printed(table(row("a")), width=120)
    assert header.split() == ["run", "recipe", "differs", "score", "people", "time", "started"]
    assert line.split()[:2] == ["a", "baseline"]


def test_long_settings_are_wrapped_in_their_column() -> None:
    lines = printed(table(row("a", "loss={name: focal}, " * 8)), width=120)
    assert len(lines) > 2
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", ["default-1234abcd", LONG])
def test_80_columns_cut_nothing(name: str) -> None:
    lines = printed(table(row("a"), row(name, "loss={name: focal}, " * 8)))
    assert name in lines
    text = " ".join(" ".join(lines).split())
    assert text.count("score 0.4480 [0.4200, 0.4760] · people 1356 · time 12 min") == 2
    assert text.count("loss={name: focal}") == 8
    assert all(len(line) <= 80 or line == LONG for line in lines)
