"""Photos and people that are in both of two sets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskgate.dataset_shift.sets import PhotoSet
from maskgate.pipeline import near_duplicates


@dataclass(frozen=True)
class Leaks:
    """What is in both sets: the number of files, near-duplicates among the other photos as pairs of
    their names, which are of so many `pairs_of_people`, and names of people."""

    identical: int
    near_duplicates: list[tuple[str, str]]
    people: list[str]
    pairs_of_people: int = 0

    @property
    def sentences(self) -> list[str]:
        """One for each kind that there is."""
        lines = []
        if self.identical:
            lines.append(f"{_photos(self.identical)} in both sets, byte for byte.")
        if self.near_duplicates:
            one, other = self.near_duplicates[0]
            count = len(self.near_duplicates)
            pairs = "1 pair" if count == 1 else f"{count:,} pairs"
            of_people = f", of {self.pairs_of_people:,} pairs of people" if count > 1 else ""
            lines.append(
                f"{pairs} of near-duplicates across the sets{of_people}, such as {one} = {other}."
            )
        if self.people:
            count = len(self.people)
            names = "1 person has" if count == 1 else f"{count:,} people have"
            lines.append(
                f"{names} the same name in both sets, such as {self.people[0]}: the same people,"
                " unless both sets count from the same number."
            )
        if lines:
            lines.append("A model trained on one set cannot be validated on the other.")
        return lines


def _photos(count: int) -> str:
    return "1 photo is" if count == 1 else f"{count:,} photos are"


def find(a: PhotoSet, b: PhotoSet, cache: Path) -> Leaks:
    """All that is in both sets, not only in their samples."""
    digests_a, digests_b = a.store.digests, b.store.digests
    same = set(digests_a) & set(digests_b)
    pairs = near_duplicates.pairs_between(
        digests_a,
        a.store.thumbnails_of,
        digests_b,
        read_other_thumbnails=lambda: b.store.thumbnails_of(np.arange(len(digests_b))),
        folder=cache,
    )
    name_a = dict(zip(digests_a, a.photos.table["photo"], strict=True))
    name_b = dict(zip(digests_b, b.photos.table["photo"], strict=True))
    # A pair of a photo that is in both sets anyway says nothing new.
    near = [
        (name_a[one], name_b[other])
        for one, other in pairs
        if not {one, other} & same and one in name_a and other in name_b
    ]
    people: set[str] = set()
    if a.has_people and b.has_people:
        people = set(a.photos.table["person"]) & set(b.photos.table["person"])
    person_a, person_b = (
        dict(zip(each.photos.table["photo"], each.photos.table["person"], strict=True))
        for each in (a, b)
    )
    pairs_of_people = {(person_a[one], person_b[other]) for one, other in near}
    return Leaks(len(same), near, sorted(people), pairs_of_people=len(pairs_of_people))
