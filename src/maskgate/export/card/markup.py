"""Tables, figures and escaped text in a card's Markdown."""

from collections.abc import Iterator, Sequence

from maskgate.runs.records.results import Figure


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """The lines of a table; columns of whole numbers are aligned to the right."""
    yield _row(head)
    yield _row(["---:" if _is_count(rows, at) else "---" for at in range(len(head))])
    for row in rows:
        yield _row([plain(f"{each:,}" if isinstance(each, int) else str(each)) for each in row])


def _is_count(rows: Sequence[Sequence[object]], column: int) -> bool:
    return bool(rows) and all(isinstance(row[column], int) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """Text with everything escaped that means something in Markdown; code stays code."""
    if not text.startswith("`"):
        text = "".join(f"\\{letter}" if letter in "\\`*_<>[]#" else letter for letter in text)
    return " ".join(text.replace("|", "\\|").split())


def score_text(figure: Figure) -> str:
    """A score with its interval, such as `0.912 [0.901, 0.923]`."""
    values = (f"{value:.3f}".replace("-", "−") for value in (figure.value, figure.low, figure.high))
    value, low, high = ("0.000" if each == "−0.000" else each for each in values)
    return f"{value} [{low}, {high}]"


def percent(figure: Figure, digits: int = 1) -> str:
    """A share with its interval in percent."""
    ends = f"[{figure.low:.{digits}%}, {figure.high:.{digits}%}]"
    return f"{figure.value:.{digits}%} {ends}"


def and_list(words: Sequence[str]) -> str:
    """The words as a list with commas, and “and” before the last."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
