"""What happens before one camera, as events."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from maskgate.door.decision import Decision, Person
from maskgate.door.decision.voting import UNDECIDED
from maskgate.door.events import (
    CameraBack,
    CameraLost,
    Changed,
    DoorChanged,
    DoorState,
    Event,
    FirstVerdict,
    Left,
    PersonSeen,
    Reason,
)
from maskgate.door.readings import Policy, Reading
from maskgate.door.verdict import Measured, Verdict
from maskgate.door.watching.visit import Visit


class Observer:
    """Turns verdicts and faults of one camera into events.

    `rule` is what a verdict says, see `readings.reading`; `near` is as for `Decision`; `numbers`
    gives each person a number; `wall` is the clock on the wall at a time of the camera's clock,
    by which all other times are; `process` is in every event.
    """

    def __init__(
        self,
        camera: str,
        policy: Policy,
        *,
        rule: Callable[[Verdict], Reading],
        near: float,
        numbers: Iterator[int],
        process: UUID,
        wall: Callable[[float], datetime],
    ) -> None:
        self._camera, self._policy = camera, policy
        self._rule, self._decision = rule, Decision(rule, near)
        self._numbers, self._wall = numbers, wall
        self._process = process
        self._visits: dict[int, Visit] = {}  # by the decision's number
        self._fault: tuple[Reason, float] | None = None
        self.door: DoorState = "none"
        self.is_empty = True  # whether the newest judged frame shows nobody

    @property
    def fault(self) -> Reason | None:
        """The fault that was reported, as long as it lasts."""
        return None if self._fault is None else self._fault[0]

    def see(self, faces: Sequence[Measured], size: tuple[int, int], time: float) -> list[Event]:
        """The events of a frame of this `size`, width and height in pixels, with these faces."""
        if self._fault is not None:
            return []
        situation = self._decision.update([each.verdict for each in faces], size, time)
        self.is_empty = not situation.people
        events = self._gone({person.track for person in situation.people}, time)
        for person in situation.people:
            face = None if person.face is None else faces[person.face]
            events += self._person(person, face, time)
        return events + self._say(situation.door, time)

    def report(self, reason: Reason | None, time: float) -> list[Event]:
        """The events of what is wrong with the camera now; None if nothing is."""
        if reason == self.fault:
            return []
        events: list[Event] = []
        if self._fault is not None:
            ended, since = self._fault
            gap = max(0.0, time - since)
            events.append(CameraBack(reason=ended, gap=gap, **self._common(time)))
            self._fault = None
        if reason is not None:
            self._fault = reason, time
            events.append(CameraLost(reason=reason, **self._common(time)))
            events += self.end(time)
        return events

    def end(self, time: float) -> list[Event]:
        """The events of the end of watching, or of a fault: nobody is known any more."""
        self._decision.restart()
        self.is_empty = True
        return self._gone(set(), time) + self._say("none", time)

    def _gone(self, tracks: set[int], time: float) -> list[Event]:
        """The events of everybody who is not among these tracks."""
        events: list[Event] = []
        for track in [track for track in self._visits if track not in tracks]:
            visit = self._visits.pop(track)
            left = Left(
                present=visit.last_face - visit.start,
                measures=visit.measures,
                unsure_share=visit.unsure_share,
                **self._of(visit, visit.last_face) | self._common(time),
            )
            events.append(left)
        return events

    def _person(self, person: Person, face: Measured | None, time: float) -> list[Event]:
        """The events of one person in a frame."""
        visit = self._visits.get(person.track)
        events: list[Event] = []
        is_new = visit is None
        if visit is None:
            if not person.is_near or face is None:
                return []
            visit = self._visits[person.track] = Visit(next(self._numbers), time, since=time)
        if face is not None:
            visit.add(person, face, time, is_unsure=self._rule(face.verdict) == "moment")
        if is_new:
            events.append(PersonSeen(**self._of(visit, time)))
        if person.verdict == visit.verdict:
            return events
        previous, visit.verdict, visit.since = visit.verdict, person.verdict, person.since
        if visit.has_verdict:
            events.append(Changed(previous=previous, **self._of(visit, time)))
        elif person.verdict not in UNDECIDED:
            visit.has_verdict = True
            events.append(FirstVerdict(waited=time - visit.approach, **self._of(visit, time)))
        return events

    def _say(self, door: DoorState, time: float) -> list[Event]:
        """The event of what the door says, if that has changed."""
        if door == self.door:
            return []
        previous, self.door = self.door, door
        return [
            DoorChanged(door=door, previous=previous, since=self._wall(time), **self._common(time))
        ]

    def _of(self, visit: Visit, time: float) -> dict[str, Any]:
        since = self._wall(visit.since)
        return {**self._common(time), **visit.described(time), "since": since}

    def _common(self, time: float) -> dict[str, Any]:
        return {
            "time": self._wall(time),
            "process": self._process,
            "camera": self._camera,
            "policy": self._policy,
        }
