"""What a camera sees at a door, over time: its people, and what the door says to them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from maskgate.door.decision.tracking import Box, Track, Tracker
from maskgate.door.decision.voting import Value, Vote
from maskgate.door.readings import Reading
from maskgate.door.verdict import Verdict

Message = Literal[Value, "empty"]

_ORDER: Final[tuple[Value, ...]] = ("put_on", "take_off", "cover", "moment")
"""What the door says if somebody in front has this verdict: the first one that applies."""
HOLD: Final = 2.0  # seconds that go stays after the last person has left
STALE: Final = 2.0  # seconds without a frame after which nobody is known
_NEAR_ENDS: Final = 0.85  # of `near`: who is in front stays so while the width varies


@dataclass(frozen=True)
class Person:
    """A person before the camera. `verdict` has held since the time `since`; `face` is the number
    of the face in the newest frame, None if the person's was not detected there. `is_near` says
    whether the newest face is near enough to be in front."""

    track: int
    box: Box
    verdict: Value
    since: float
    face: int | None
    is_near: bool


@dataclass(frozen=True)
class Situation:
    """Everybody before the camera, and what the door says to them."""

    people: tuple[Person, ...]
    door: Message


@dataclass(eq=False)
class _Follower:
    """What is known of the person of one track."""

    track: Track
    vote: Vote
    is_near: bool


class Decision:
    """Decides for one camera. `rule` is what a verdict says, see `readings.reading`; `near` is the
    width of the narrowest face that is in front, as a share of the longer side of the frame.

    The door says `go` only if everybody in front may. People further away do not count, and are in
    front at once when they come near, whatever was seen of them from afar.
    """

    def __init__(self, rule: Callable[[Verdict], Reading], near: float) -> None:
        self._rule, self._near = rule, near
        self._tracker = Tracker()
        self.restart()

    def restart(self) -> None:
        """Forget everybody."""
        self._tracker.tracks.clear()
        self._people: dict[int, _Follower] = {}
        self._time = -math.inf  # of the newest frame
        self._go_time = -math.inf  # when the door last said go to somebody in front

    def update(self, verdicts: Sequence[Verdict], size: tuple[int, int], time: float) -> Situation:
        """The situation after a frame of this `size`, width and height in pixels."""
        self._check(time)
        self._time = time
        tracks = self._tracker.update([each.box for each in verdicts], time)
        for track, verdict in zip(tracks, verdicts, strict=True):
            width = (verdict.box[2] - verdict.box[0]) / max(size)
            self._add(track, verdict, width=width, time=time)
        return self._situation(time, {each.number: face for face, each in enumerate(tracks)})

    def at(self, time: float) -> Situation:
        """The situation at a time at which there is no new frame: nobody if there has been none
        for STALE seconds, and then `go` is not held."""
        self._check(time)
        return self._situation(time, {})

    def _check(self, time: float) -> None:
        if time - self._time > STALE:
            self.restart()

    def _add(self, track: Track, verdict: Verdict, *, width: float, time: float) -> None:
        person = self._people.get(track.number)
        was_near = person is not None and person.is_near
        is_near = width >= self._near * (_NEAR_ENDS if was_near else 1)
        if person is None or (is_near and not was_near):
            vote = Vote(time, "moment" if is_near else "closer")
            person = self._people[track.number] = _Follower(track, vote, is_near)
        person.is_near = is_near
        person.vote.add(self._rule(verdict) if is_near else "closer", time)

    def _situation(self, time: float, faces: dict[int, int]) -> Situation:
        self._people = {each.number: self._people[each.number] for each in self._tracker.tracks}
        people = tuple(
            Person(
                track=number,
                box=each.track.box,
                verdict=each.vote.verdict,
                since=each.vote.since,
                face=faces.get(number),
                is_near=each.is_near,
            )
            for number, each in self._people.items()
        )
        return Situation(people, self._door([each.verdict for each in people], time))

    def _door(self, verdicts: Sequence[Value], time: float) -> Message:
        front = [each for each in verdicts if each != "closer"]
        if front:
            door: Message = next((each for each in _ORDER if each in front), "go")
            self._go_time = time if door == "go" else -math.inf
            return door
        if time - self._go_time <= HOLD:
            return "go"
        return "closer" if verdicts else "empty"
