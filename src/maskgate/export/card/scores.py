"""Out-of-fold scores, in all and by group."""

from collections.abc import Iterator, Sequence

from maskgate import labels
from maskgate.bundle.manifest import Manifest
from maskgate.export.card.markup import score_text, table
from maskgate.export.card.words import ATTRIBUTES, VALUES, group_title
from maskgate.runs.records.results import ClassScores, Results, SubsetScores


def section(manifest: Manifest) -> Iterator[str]:
    """The scores of all photos, and of each value of each attribute."""
    scores = manifest.scores
    if scores is None or not scores.validated or scores.score is None:
        yield "The model was not validated, so there are no scores."
        if manifest.held_out is not None:
            yield "See “Tested on other people”."
        return
    yield (
        f"On {scores.photos:,} photos of {scores.people:,} people, none of whom was in the training"
        f" data of the network that was scored on them. In brackets: {scores.interval}."
    )
    if manifest.precision != "fp32":
        yield ""
        yield "These are scores in full precision; see Precision for the loss."
    yield ""
    title = scores.score_of
    if title == "macro F1":
        title = f"all {labels.COUNT} classes, macro F1"
    rows = [(title, score_text(scores.score))]
    for name, each in scores.attributes.items():
        rows.append((f"{ATTRIBUTES[name]}, macro F1", score_text(each.macro_f1)))
        rows.append((f"{ATTRIBUTES[name]}, accuracy", score_text(each.accuracy)))
    yield from table(("score", "value"), rows)
    yield ""
    yield from _classes(scores)


def _classes(scores: Results) -> Iterator[str]:
    def row(attribute: str, each: ClassScores) -> tuple[object, ...]:
        value = VALUES.get(each.name, each.name)
        return (
            attribute,
            value,
            each.photos,
            each.people,
            score_text(each.recall),
            score_text(each.f1),
        )

    rows = [
        row(ATTRIBUTES[name], each)
        for name, attribute in scores.attributes.items()
        for each in attribute.classes
    ]
    yield from table(("attribute", "value", "photos", "people", "recall", "F1"), rows)


def by_group(manifest: Manifest) -> Iterator[str]:
    """The accuracies by mask state, gender and age band."""
    if not manifest.groups or manifest.scores is None:
        return
    names = list(manifest.scores.attributes)
    yield "A dash: too few people."
    yield ""
    yield from table(
        ("group", "photos", "people", *(ATTRIBUTES[name] for name in names)),
        [
            (
                group_title(title),
                part.photos,
                part.people,
                *_accuracies(part, list(map(str, names))),
            )
            for title, part in manifest.groups.items()
        ],
    )


def _accuracies(part: SubsetScores, names: Sequence[str]) -> list[str]:
    by_name = {str(name): figure for name, figure in part.accuracy.items()}
    return [score_text(by_name[name]) if name in by_name else "–" for name in names]
