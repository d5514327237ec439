"""The page of a comparison of two sets of photos. It shows no photo."""

from pathlib import Path
from typing import Any

from maskgate.core import charts
from maskgate.dataset_shift.comparing import LEVEL, Comparison, Difference
from maskgate.dataset_shift.sets import PhotoSet
from maskgate.reports import pages


def write(comparison: Comparison, path: Path) -> None:
    """Write the page. Raises MaskgateError."""
    pages.write(
        path,
        "compare_data.html",
        a=_facts(comparison.a),
        b=_facts(comparison.b),
        model=comparison.model,
        leaks=comparison.leaks,
        sentences=comparison.sentences,
        decided=comparison.decided,
        differences=comparison.differences,
        tables=[_table(each) for each in comparison.differences if each.shares is not None],
        bar=_bar,
        number=_number,
        level=LEVEL,
        share_bar=charts.share_bar,
    )


def _facts(photo_set: PhotoSet) -> dict[str, Any]:
    return {
        "name": photo_set.name,
        "photos": len(photo_set.photos.table),
        "people": photo_set.people,
        "has_people": photo_set.has_people,
        "sample": len(photo_set.rows),
        "unreadable": photo_set.unreadable,
    }


def _bar(each: Difference) -> str:
    """The size of an effect with its interval, as a bar."""
    effect = each.effect
    ends = sorted((abs(effect.low), abs(effect.high)))
    low = 0.0 if effect.low < 0 < effect.high else ends[0]
    return charts.interval_bar(effect.size, low, ends[1])


def _number(value: float) -> str:
    """Such as `+.42`."""
    return f"{value:+.2f}".replace("0.", ".")


def _table(each: Difference) -> dict[str, Any]:
    shares = each.shares
    assert shares is not None  # the caller has chosen such
    rows = zip(shares.names, shares.a, shares.b, shares.low, shares.high, strict=True)
    return {
        "title": each.title,
        "rows": [
            (name.replace("_", " "), *(100 * float(value) for value in values))
            for name, *values in rows
        ],
    }
