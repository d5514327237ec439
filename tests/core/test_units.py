"""Times and sizes in the units that a person reads."""

import pytest

from maskgate.core import units


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (99, "99 s"),
        (99.6, "2 min"),
        (720, "12 min"),
        (5960, "99 min"),
        (5990, "1 h 40 min"),
        (7200, "2 h"),
        (7199, "2 h"),
        (12_000, "3 h 20 min"),
        (86_370, "1 d"),
        (86_400 * 2 + 3600 * 4, "2 d 4 h"),
    ],
)
def test_a_time(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (7_400_000, "7.4 MB"),
        (999_900, "1.0 MB"),
        (156_000, "156 kB"),
        (2_340_000_000, "2.3 GB"),
    ],
)
def test_a_size(count: int, text: str) -> None:
    assert units.size(count) == text
