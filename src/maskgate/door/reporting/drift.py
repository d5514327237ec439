"""Drift: do people's pictures differ from those that the model was validated on?

A bundle lists the 5% and the 95% quantile of each measure over its validation photos. Of people who
look like those, about one in twenty is below the first and one in twenty above the second. A
sentence is written only if the interval of such a share lies above MOST, which is twice as many.
The intervals hold for all measures, cameras and days at once (Bonferroni).

Only these two quantiles are used: a person's value is a mean over several faces, which lies closer
to the middle than that of a single photo. This makes the shares at both ends smaller, never larger,
while a median of such means may differ from that of the photos although nothing has changed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from itertools import product
from typing import Final, Literal

from maskgate.bundle.manifest import Distribution
from maskgate.core import wilson
from maskgate.door.acceptance.rule import Share
from maskgate.door.reporting.people import Person

Side = Literal["low", "high"]
EXPECTED: Final = 0.05  # share of people on each side if nothing has changed
MOST: Final = 0.1  # share of people that is no drift yet
FEWEST: Final = 20  # people of a day for which the day counts as a test of its own

NAMES: Final = {
    "brightness": "Brightness",
    "sharpness": "Sharpness",
    "face_width": "Face width",
    "face_score": "Face score",
    "confidence_mask": "Confidence",
}
"""The measures, with their titles."""

TESTED: Final[dict[tuple[str, Side], tuple[str, str]]] = {
    ("brightness", "low"): ("are darker", "look at the light of camera {camera}"),
    ("brightness", "high"): (
        "are brighter",
        "look for the sun or a lamp in the view of camera {camera}",
    ),
    ("sharpness", "low"): (
        "are less sharp",
        "clean the lens of camera {camera} and check its focus",
    ),
    ("sharpness", "high"): (
        "have stronger edges or more noise",
        "look at the light and at the sharpening of camera {camera}",
    ),
    ("face_width", "low"): (
        "show smaller faces",
        "people stand further away, or camera {camera} has a lower resolution; no fault in itself",
    ),
    ("face_width", "high"): (
        "show larger faces",
        "people stand closer, or camera {camera} has a higher resolution; no fault in itself",
    ),
    ("face_score", "low"): (
        "show faces that the detector finds with less certainty",
        "look at the height and the angle of camera {camera}",
    ),
    ("confidence_mask", "low"): (
        "get less certain verdicts on the mask",
        "look at the unsure answers of camera {camera}",
    ),
}
"""What may have drifted to which side, in words, and what to do."""


@dataclass(frozen=True)
class Drift:
    """The people of a camera, on one `day` or on all (None), whose `measure` is beyond the 5%
    (low) or the 95% quantile (high), `bound`, of the validation photos. `interval` holds for all
    tests at once."""

    camera: str
    measure: str
    side: Side
    day: date | None
    share: Share
    bound: float
    interval: tuple[float, float]

    @property
    def is_found(self) -> bool:
        """Whether the interval says that it is drift."""
        return self.interval[0] > MOST

    @property
    def sentence(self) -> str:
        """What was found, and what to do."""
        difference, advice = TESTED[self.measure, self.side]
        when = "" if self.day is None else f"On {self.day.isoformat()} "
        pictures = f"{'p' if when else 'P'}ictures of camera {self.camera}"
        low, high = self.interval
        return (
            f"{when}{pictures} {difference} than those the model was validated on:"
            f" {100 * self.share.count / self.share.total:.0f}% [{100 * low:.0f}, {100 * high:.0f}]"
            f" of the people are {'below' if self.side == 'low' else 'above'} {self.bound:.3g},"
            f" where {100 * EXPECTED:.0f}% are expected."
            f" {_upper(advice.format(camera=self.camera))}."
        )


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def find(
    people: Sequence[Person], reference: Mapping[str, Distribution], zone: tzinfo | None
) -> list[Drift]:
    """All shares of people who have left, by camera, measure and side: of all days, then of each
    day in the time zone. `reference` is a bundle's; measures that it lacks are left out."""
    groups: dict[tuple[str, date | None], list[Person]] = defaultdict(list)
    left = [person for person in people if person.has_left]
    for person in left:
        groups[person.camera, None].append(person)
    if len({_day(person, zone) for person in left}) > 1:  # a single day is the whole
        for person in left:
            groups[person.camera, _day(person, zone)].append(person)
    tests = [each for each in TESTED if each[0] in reference]
    chosen = {key: members for key, members in groups.items() if _counts(key[1], members)}
    normal = wilson.quantile(max(1, len(tests) * len(chosen)))
    order = sorted(chosen, key=lambda key: (key[0], key[1] is not None, key[1] or date.min))
    return [
        _drift(key, chosen[key], test, reference=reference, normal=normal)
        for key, test in product(order, tests)
    ]


def _day(person: Person, zone: tzinfo | None) -> date:
    return person.time.astimezone(zone).date()


def _counts(day: date | None, people: Sequence[Person]) -> bool:
    return day is None or len(people) >= FEWEST


def _drift(
    key: tuple[str, date | None],
    people: Sequence[Person],
    test: tuple[str, Side],
    *,
    reference: Mapping[str, Distribution],
    normal: float,
) -> Drift:
    measure, side = test
    quantiles = reference[measure].quantiles
    bound = quantiles[0] if side == "low" else quantiles[-1]
    values = [getattr(person.measures, measure) for person in people]
    count = sum(value < bound if side == "low" else value > bound for value in values)
    share = Share(count, len(values))
    return Drift(
        camera=key[0],
        measure=measure,
        side=side,
        day=key[1],
        share=share,
        bound=bound,
        interval=wilson.interval(count, len(values), normal),
    )


def to_report(drifts: Sequence[Drift]) -> list[Drift]:
    """Those to tell: drift on all days together, and on single days where that is not found."""
    on_all_days = {
        (each.camera, each.measure, each.side)
        for each in drifts
        if each.day is None and each.is_found
    }
    return [
        each
        for each in drifts
        if each.is_found
        and (each.day is None or (each.camera, each.measure, each.side) not in on_all_days)
    ]
