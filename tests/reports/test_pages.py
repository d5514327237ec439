"""Names on pages break at their parts, never within a word; colours are told from their ground."""

import re
from pathlib import Path

import pytest

from maskgate.core import charts
from maskgate.reports import pages

STYLE = Path(pages.__file__).with_name("templates") / "style.css"
LEAST = 3.0  # contrast of what is not text (WCAG 2.2, 1.4.11)


def test_lines_end_only_between_the_parts_of_a_name() -> None:
    assert pages.breaking("optimizer.weight_decay") == "optimizer.<wbr>weight_<wbr>decay"
    assert pages.breaking("runs/a=b") == "runs/<wbr>a=<wbr>b"
    assert pages.breaking("complete") == "complete"
    assert pages.breaking("0.5") == "0.5"
    assert pages.breaking("[-0.0277, +0.0138]") == "[-0.0277, +0.0138]"
    hostile = "<b>&amp;_x"
    assert re.sub("<wbr>", "", pages.breaking(hostile)) == "&lt;b&gt;&amp;amp;_x"


def luminance(colour: str) -> float:
    """The relative luminance of `#rgb` or `#rrggbb`, as WCAG defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_and_bars_differ_from_their_ground(scheme: str) -> None:
    assert contrast("#000", "#fff") == pytest.approx(21)
    light, dark = STYLE.read_text().split("prefers-color-scheme: dark")
    names = dict(
        re.findall(r"--([a-z]+): (#[0-9a-f]{3,6});", {"light": light, "dark": dark}[scheme])
    )
    for colour in (*charts.COLOURS, names["bar"], names["whisker"], names["blue"]):
        assert contrast(colour, names["paper"]) >= LEAST, colour
    for colour in (names["bar"], names["whisker"]):
        assert contrast(colour, names["track"]) >= LEAST, colour
