"""Which answers are unsure, and what that is worth."""

from collections.abc import Iterator, Mapping, Sequence

from maskgate.bundle.manifest import Manifest
from maskgate.bundle.thresholds import Selection, Threshold
from maskgate.core import charts
from maskgate.export.card.markup import percent, table
from maskgate.export.card.words import ATTRIBUTES, group_title
from maskgate.runs.records.results import Attribute, Figure

Thresholds = Mapping[Attribute, Threshold]


def section(manifest: Manifest) -> Iterator[str]:
    """The thresholds, and what they do in all and by group."""
    if not manifest.thresholds:
        return
    yield (
        "An answer is unsure, and needs another look, where its confidence is below the attribute's"
        " threshold. That is the lowest at which of the sure answers at most the stated share is"
        " wrong, fitted to the out-of-fold photos, and never below .5. Each person is scored with"
        " thresholds that were fitted to others."
    )
    yield ""
    yield from fitted(manifest.thresholds)


def fitted(thresholds: Thresholds) -> Iterator[str]:
    """Fitted thresholds as tables, in all and by group."""
    yield from table(
        ("attribute", "stated error", "threshold", "error of sure answers", "another look"),
        [(ATTRIBUTES[name], *_row(each)) for name, each in thresholds.items()],
    )
    for name, each in thresholds.items():
        if each.confidence is None:
            yield ""
            yield (
                f"No threshold for the {ATTRIBUTES[name]} has an error of {100 * each.target:g}%,"
                " or too few people are above it, so there is none."
            )
    for name, each in thresholds.items():
        if each.groups and each.confidence is not None:
            yield ""
            yield f"Answers on the {ATTRIBUTES[name]}, by group:"
            yield ""
            yield from selections(each.groups)


def selections(groups: Mapping[str, Selection]) -> Iterator[str]:
    """What thresholds do with groups of photos, as a table."""
    yield from table(
        ("group", "photos", "people", "error of sure answers", "another look"),
        [
            (group_title(group), each.photos, each.people, *_figures(each))
            for group, each in groups.items()
        ],
    )


def diagrams(thresholds: Thresholds) -> str:
    """The risk–coverage curve of each attribute, in SVG, with a ring at the threshold."""
    return "".join(_diagram(ATTRIBUTES[name], each) for name, each in thresholds.items())


def _row(threshold: Threshold) -> Sequence[object]:
    is_met = threshold.confidence is not None
    confidence = f"{threshold.confidence:.3f}" if is_met else "–"
    return f"{100 * threshold.target:g}%", confidence, *_figures(threshold.all)


def _figures(selection: Selection) -> tuple[str, str]:
    return cell(selection.error), cell(selection.another_look)


def cell(figure: Figure | None) -> str:
    """A share in percent, or a dash."""
    return "–" if figure is None else percent(figure, digits=2)


def _diagram(title: str, threshold: Threshold) -> str:
    curve, rings = threshold.all.curve, {}
    if curve is None:
        return ""
    points = {round(100 * x, 1): 100 * y for x, y in zip(curve.coverage, curve.error, strict=True)}
    error, another_look = threshold.all.error, threshold.all.another_look
    if threshold.confidence is not None and error is not None and another_look is not None:
        rings[title] = round(100 * (1 - another_look.value), 1)
        points[rings[title]] = 100 * error.value
    return charts.lines(
        {title: sorted(points.items())},
        "% of answers that are sure",
        f"{title}: % of these that are wrong",
        rings=rings,
    )
