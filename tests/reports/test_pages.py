"""Names on pages break at their parts, never within a word."""

import re

from maskgate.reports import pages


def test_lines_end_only_between_the_parts_of_a_name() -> None:
    assert pages.breaking("optimizer.weight_decay") == "optimizer.<wbr>weight_<wbr>decay"
    assert pages.breaking("runs/a=b") == "runs/<wbr>a=<wbr>b"
    assert pages.breaking("complete") == "complete"
    assert pages.breaking("0.5") == "0.5"
    assert pages.breaking("[-0.0277, +0.0138]") == "[-0.0277, +0.0138]"
    hostile = "<b>&amp;_x"
    assert re.sub("<wbr>", "", pages.breaking(hostile)) == "&lt;b&gt;&amp;amp;_x"
