"""The people in a log: each with the first verdict, the last one, and how long it took."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from maskgate.door.decision.voting import Value
from maskgate.door.events import Changed, Event, FirstVerdict, Left, Measures, PersonSeen, Started

VERDICTS: Final[tuple[Value, ...]] = ("go", "put_on", "cover", "take_off")
"""The verdicts on a person; `moment` and `closer` are none."""
_MOSTLY: Final = 0.5  # share of a person's faces


@dataclass
class Person:
    """Somebody who came near a camera at `time`. `verdict` is the last verdict, None without any;
    `waited` the seconds to the first. What is known only when somebody leaves is None where the log
    ends before. `model` is the SHA-256 of the bundle, None where the start is not in the log."""

    camera: str
    time: datetime
    model: str | None
    verdict: Value | None = None
    waited: float | None = None
    unsure_share: float | None = None
    measures: Measures | None = None

    @property
    def has_left(self) -> bool:
        """Whether the log says that the person left."""
        return self.measures is not None

    @property
    def is_unsure(self) -> bool:
        """Whether most of the person's faces were unsure."""
        return self.unsure_share is not None and self.unsure_share > _MOSTLY


def of_events(events: Sequence[Event]) -> list[Person]:
    """The people in events by time. A number belongs to another person in another process; events
    of old versions do not name it, so there each start is taken for a new one."""
    people: dict[tuple[str, UUID | int, int], Person] = {}
    starts: Counter[str] = Counter()
    models: dict[str, str] = {}  # of events without a process, by camera
    known = {each.process: each.model for each in events if isinstance(each, Started)}
    for event in events:
        if isinstance(event, Started):
            starts.update(event.cameras)
            models |= dict.fromkeys(event.cameras, event.model)
        elif isinstance(event, PersonSeen | FirstVerdict | Changed | Left):
            if event.process is None:
                process: UUID | int = starts[event.camera]
                model = models.get(event.camera)
            else:
                process, model = event.process, known.get(event.process)
            new = Person(event.camera, event.time, model)
            _add(people.setdefault((event.camera, process, event.track), new), event)
    return list(people.values())


def _add(person: Person, event: PersonSeen | FirstVerdict | Changed | Left) -> None:
    if event.verdict in VERDICTS:
        person.verdict = event.verdict
    if isinstance(event, FirstVerdict):
        person.waited = event.waited
    if isinstance(event, Left):
        person.unsure_share, person.measures = event.unsure_share, event.measures
