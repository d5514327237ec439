"""One person who has come near a camera, from the first near frame on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from maskgate.door.decision import Person
from maskgate.door.decision.voting import Value
from maskgate.door.events import Measures
from maskgate.door.verdict import Measured

MEASURES: Final = ("brightness", "sharpness", "face_width", "face_score", "confidence_mask")


@dataclass(eq=False)
class Visit:
    """A person in view. `number` is theirs in this process, `start` the time of the first near
    frame, and `approach` that of the first since they last stepped back; times are of the camera's
    clock."""

    number: int
    start: float
    verdict: Value = "moment"  # that was reported last
    since: float = 0.0  # when that began
    last_face: float = 0.0  # time
    has_verdict: bool = False
    newest: Measured | None = None
    is_unsure: bool = False  # whether another look than the newest face is needed
    approach: float = field(init=False)
    _is_near: bool = True
    _sums: dict[str, float] = field(default_factory=dict)
    _faces: int = 0
    _unsure: int = 0

    def __post_init__(self) -> None:
        self.approach = self.start

    def add(self, person: Person, face: Measured, time: float, *, is_unsure: bool) -> None:
        """The person's face in a frame; `is_unsure` says that the door does not decide by it."""
        self.newest, self.last_face, self.is_unsure = face, time, is_unsure
        if person.is_near and not self._is_near:
            self.approach = time
        self._is_near = person.is_near
        if person.is_near:
            self._faces += 1
            for name in MEASURES:
                self._sums[name] = self._sums.get(name, 0.0) + face.measures[name]
            self._unsure += is_unsure

    def described(self, time: float) -> Mapping[str, Any]:
        """The keys that events of this person share, but for those of the wall's clock."""
        assert self.newest is not None and self.newest.verdict.mask is not None
        answer = self.newest.verdict.mask
        return {
            "track": self.number,
            "verdict": self.verdict,
            "state": answer.value,
            "probability": min(1.0, answer.probability),
            "unsure": self.is_unsure,
            "held": max(0.0, time - self.since),
        }

    @property
    def measures(self) -> Measures:
        """The means over the near faces so far."""
        means = {name: total / self._faces for name, total in self._sums.items()}
        means["confidence_mask"] = min(1.0, means["confidence_mask"])
        return Measures(faces=self._faces, **means)

    @property
    def unsure_share(self) -> float:
        """The share of the near faces that were unsure."""
        return self._unsure / self._faces
