"""What the scores of a run decide, in sentences; `evaluation.conclusions` decides."""

from collections.abc import Sequence
from typing import Final

from maskgate.core.score import Score
from maskgate.evaluation.conclusions import Conclusions, Part, Place, Weakness

_MOST_PLACES: Final = 2  # kinds of photos in a sentence; the report's slices have all


def sentences(conclusions: Conclusions) -> list[tuple[str, str]]:
    """What is strong, what is weak, and the reason: a title and a sentence each. A single one where
    nothing is decided; a reason that is not known is left out."""
    if not conclusions.weak:
        scores = _with_scores(conclusions.parts, conclusions.score_of)
        return [("Undecided", f"no score is shown to be above another: {scores}.")]
    others = [part for part in conclusions.parts if part not in conclusions.weak]
    above = [part for part in others if all(part.is_above(each) for each in conclusions.weak)]
    below = f", below {_words(above)}" if above else ""
    strong = _with_scores(conclusions.strong, conclusions.score_of)
    weak = _with_scores(conclusions.weak, conclusions.score_of)
    reasons = [("Why", text) for each in conclusions.weaknesses if (text := _reason(each))]
    return [("Strong", f"{strong}."), ("Weak", f"{weak}{below}."), *reasons]


def _with_scores(parts: Sequence[Part], score_of: str) -> str:
    return "; ".join(f"{_plain(part.name)}, {score_of} {_decimals(part.score)}" for part in parts)


def _words(parts: Sequence[Part]) -> str:
    return " and ".join(_plain(part.name) for part in parts)


def _reason(weakness: Weakness) -> str:
    """Why an attribute is weak; empty where the run's files do not say."""
    name, reasons = _plain(weakness.attribute), []
    if weakness.absent:
        classes = " or ".join(map(_plain, weakness.absent))
        reasons.append(f"no photo is labelled {classes}, which counts as an F1 of 0")
    if weakness.common is not None:
        common, share = weakness.common
        reasons.append(
            f"the accuracy of {name}, {_decimals(weakness.accuracy)}, is not shown to be above"
            f" {share:.3f}, that of always answering {_plain(common)}"
        )
    if weakness.places:
        where = " and ".join(_place(weakness, each) for each in weakness.places[:_MOST_PLACES])
        reasons.append(f"{name} is wrong more often {where}")
    elif weakness.places is not None:
        reasons.append(f"no part of the photos is shown to be worse than the others in {name}")
    return f"{'; '.join(reasons)}." if reasons else ""


def _place(weakness: Weakness, place: Place) -> str:
    names = " or ".join(map(_plain, place.names))
    kind = "the label" if place.kind == weakness.attribute else place.kind
    errors = f"{_percent(place.errors)} of its errors, in {place.photos:.0%} of the photos"
    return f"where {kind} is {names} ({errors})"


def _plain(name: str) -> str:
    """A name of the records in words; numbers that only order slices are left out."""
    number, dot, rest = name.partition(". ")
    return (rest if dot and number.isdigit() else name).replace("_", " ")


def _decimals(score: Score) -> str:
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def _percent(score: Score) -> str:
    return f"{score.value:.0%} [{score.low:.0%}, {score.high:.0%}]"
