"""One reviewer's pass over the questions: what the page shows, and what its keys write."""

import io
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import numpy as np

from maskgate import labels
from maskgate.config.recipe import Tier
from maskgate.data import names, seven_photos
from maskgate.data.corrections import TIERS
from maskgate.imaging.pixels import PhotoError
from maskgate.review import decisions, photos, questions
from maskgate.review.decisions import CHOICES, Decision, Journal, Subject
from maskgate.review.neighbours import Neighbours
from maskgate.review.opinions import Opinion
from maskgate.review.people import People, Prediction, Rows
from maskgate.review.questions import Question

_SIDE: Final = 640  # pixels of a photo on the page
_PHOTOS_IN_MEMORY: Final = 64
_LONGEST_NOTE: Final = 500  # characters
# The order of a person's seven photos on the page.
_PLACES: Final = {stem: place for place, stem in enumerate(reversed(seven_photos.STEMS))}


class RefusedError(Exception):
    """What a page asked for does not exist."""


@dataclass(frozen=True)
class Options:
    """Who reviews, and how sure the decisions are unless the page says otherwise."""

    author: str
    tier: Tier = "likely"


class Session:
    """The questions in order; others that the reviewer asks are added at the end. Thread-safe."""

    def __init__(
        self,
        people: People,
        asked_questions: Sequence[Question],
        journal: Journal,
        options: Options,
        *,
        neighbours: Neighbours,
        opinion: Opinion | None = None,
    ) -> None:
        self._people, self._journal, self.options = people, journal, options
        self._neighbours, self._opinion = neighbours, opinion
        self._lock = threading.Lock()
        self._questions = list(asked_questions)
        self._numbers = {each.subject: number for number, each in enumerate(self._questions)}
        for decision in journal.decisions:
            if decision.subject not in self._numbers and self._exists(decision.subject):
                self._add(decision.subject)
        self.photo = lru_cache(_PHOTOS_IN_MEMORY)(self._photo)

    def overview(self) -> dict[str, Any]:
        """The decision on each question, and the first question without one."""
        with self._lock:
            latest = decisions.latest(self._journal.decisions)
            dropped = _dropped(latest.values())
        states = []
        for question in self._questions:
            decision = latest.get(question.subject)
            state = decision.decision if decision else ""
            subject = question.subject
            if not state and dropped & {(subject.person, ""), (subject.person, subject.photo)}:
                state = "drop"
            states.append(state)
        open_questions = [number for number, state in enumerate(states) if not state]
        return {
            "author": self.options.author,
            "tier": self.options.tier,
            "tiers": list(TIERS),
            "states": states,
            "counts": Counter(filter(None, states)),
            "first": open_questions[0] if open_questions else None,
            "file": self._journal.path.name,
        }

    def question(self, number: int) -> dict[str, Any]:
        """All that the page shows of a question. Raises RefusedError."""
        question = self._question(number)
        subject, people = question.subject, self._people
        rows = people.rows_by_name[subject.person]
        concerned = questions.rows_of(subject, people)
        with self._lock:
            decision = decisions.latest(self._journal.decisions).get(subject)
        prediction = people.prediction(concerned, subject.attribute)
        return {
            "number": number,
            "person": subject.person,
            "attribute": subject.attribute,
            "photo": int(concerned[0]) if subject.photo else None,
            "photos": [self._shown_photo(row, concerned) for row in self._ordered(rows)],
            "labels": {name: people.label(rows, name) for name in labels.ATTRIBUTES},
            "age": self._years(rows),
            "label": people.label(concerned, subject.attribute),
            "values": list(labels.ATTRIBUTES[subject.attribute]),
            "model": _prediction(prediction),
            "predicted": question.predicted,
            "opinion": self._opinion_about(subject),
            "reason": question.reason,
            "probability": question.probability,
            "decision": decision and {"choice": decision.decision, "value": decision.value,
                                      "tier": decision.tier, "author": decision.author},
            "neighbours": [
                {
                    "person": each.person,
                    "row": each.row,
                    "near_duplicate": each.is_near_duplicate,
                    "labels": {
                        name: people.label(people.rows_by_name[each.person], name)
                        for name in ("gender", "age_band")
                    },
                    "age": self._years(people.rows_by_name[each.person]),
                }
                for each in self._neighbours.of(subject.person)
            ],
        }  # fmt: skip

    def ask(self, number: int, attribute: str, row: int | None) -> int:
        """The number of the question on another attribute of the same person, or on the mask in
        the photo of that row. Raises RefusedError."""
        person = self._question(number).subject.person
        photo = ""
        if attribute not in labels.ATTRIBUTES or (attribute == "mask") != (row is not None):
            raise RefusedError("no such attribute")
        if row is not None:
            if row not in self._people.rows_by_name[person]:
                raise RefusedError("no such photo of this person")
            photo = names.normalise(self._people.table["photo"].iloc[row])
        subject = Subject(person, photo, attribute)
        with self._lock:
            if subject not in self._numbers:
                self._add(subject)
            return self._numbers[subject]

    def decide(self, number: int, choice: str, value: str, *, tier: str, note: str) -> None:
        """Write a decision. A change to the present label keeps it. Raises RefusedError, and
        MaskgateError if it cannot be written."""
        question = self._question(number)
        subject = question.subject
        values = labels.ATTRIBUTES[subject.attribute]
        if choice not in CHOICES or tier not in TIERS:
            raise RefusedError("no such decision")
        if choice == "change" and value not in values:
            raise RefusedError(f"no such value of {subject.attribute}")
        label = self._people.label(questions.rows_of(subject, self._people), subject.attribute)
        if choice == "change" and value == label:
            choice = "keep"
        decision = Decision(
            time=_now(),
            author=self.options.author,
            person=subject.person,
            photo=subject.photo,
            attribute=subject.attribute,
            label=label,
            decision=choice,
            value=value if choice == "change" else "",
            tier=tier,
            reason=" ".join(note.split())[:_LONGEST_NOTE] or question.reason,
        )
        with self._lock:
            self._journal.add(decision)

    def undo(self) -> int | None:
        """Take back the reviewer's last decision; the number of its question, None if there was
        none. Raises MaskgateError."""
        with self._lock:
            undone = self._journal.undo(self.options.author, _now())
            return self._numbers.get(undone.subject) if undone else None

    def _photo(self, row: int) -> bytes:
        """The photo of a row of the table as JPEG, reduced. Raises RefusedError if there is
        none, or if it cannot be read."""
        if not 0 <= row < len(self._people.table):
            raise RefusedError("no such photo")
        try:
            image = photos.read(self._people, row)
        except PhotoError as error:
            raise RefusedError(str(error)) from error
        image.info = {}
        image.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    def _question(self, number: int) -> Question:
        if not 0 <= number < len(self._questions):
            raise RefusedError("no such question")
        return self._questions[number]

    def _exists(self, subject: Subject) -> bool:
        return subject.person in self._people.rows_by_name and (
            not subject.photo or subject.photo in self._people.row_by_photo
        )

    def _add(self, subject: Subject) -> None:
        self._numbers[subject] = len(self._questions)
        self._questions.append(Question(subject))

    def _ordered(self, rows: Rows) -> list[int]:
        """The rows of a person's photos, the bare face first."""
        stems = self._people.table["photo"].iloc[rows].str.rpartition("/")[2].str.rpartition(".")[0]
        places = [_PLACES.get(stem.lower(), len(_PLACES)) for stem in stems]
        return [int(rows[each]) for each in np.argsort(places, kind="stable")]

    def _shown_photo(self, row: int, concerned: Rows) -> dict[str, Any]:
        one = np.array([row], np.int64)
        return {
            "row": row,
            "name": self._people.table["photo"].iloc[row].rpartition("/")[2],
            "mask": self._people.label(one, "mask"),
            "model": _prediction(self._people.prediction(one, "mask")),
            "concerned": bool(row in concerned),
        }

    def _opinion_about(self, subject: Subject) -> str:
        if self._opinion is None:
            return ""
        rows = questions.rows_of(subject, self._people)
        return self._opinion.about(subject.attribute, rows)

    def _years(self, rows: Rows) -> str:
        ages = self._people.table["age"].iloc[rows].dropna()
        return f"{ages.iloc[0]:g}" if len(ages) else ""


def _prediction(prediction: Prediction | None) -> dict[str, Any] | None:
    return None if prediction is None else prediction._asdict()


def _dropped(latest: Iterable[Decision]) -> set[tuple[str, str]]:
    """Person and photo (empty for all) of what is dropped."""
    return {(each.person, each.photo) for each in latest if each.decision == "drop"}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
