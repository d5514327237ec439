"""Generated events of a door, as `maskgate watch` writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np

from maskgate.bundle.manifest import QUANTILES, Distribution
from maskgate.door.decision.voting import Value
from maskgate.door.events import (
    Event,
    FirstVerdict,
    Left,
    Measures,
    PersonSeen,
    Started,
    Stopped,
    to_json,
)

MODEL = "0" * 64
START = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)  # 08:30 in Seoul on the next day
MEASURES = ("brightness", "sharpness", "face_width", "face_score", "confidence_mask")


def draw(random: np.random.Generator, quantiles: Sequence[float], shift: float = 0.0) -> float:
    """A value as distributed as the quantiles say, `shift` standard deviations higher."""
    value = float(np.interp(random.uniform(), [0.0, *QUANTILES, 1.0], _ends(quantiles)))
    return value + shift * (quantiles[-1] - quantiles[0]) / 3.29


def _ends(quantiles: Sequence[float]) -> list[float]:
    low, *_, high = quantiles
    return [low - (high - low) / 10, *quantiles, high]


@dataclass
class Door:
    """Writes events; nothing depends on the clock or on chance but its `random`."""

    reference: Mapping[str, Distribution]
    random: np.random.Generator
    camera: str = "front"
    model: str = MODEL
    events: list[Event] = field(default_factory=list)
    track: int = 0

    def _id(self) -> UUID:
        return UUID(bytes=self.random.bytes(16), version=4)

    def start(self, time: datetime = START, cameras: tuple[str, ...] = ("front",)) -> None:
        self.track = 0
        self.events.append(
            Started(
                id=self._id(), time=time, cameras=cameras, policy="worn", model=self.model,
                maskgate="1.0",
            )
        )  # fmt: skip

    def stop(self, time: datetime, cameras: tuple[str, ...] = ("front",)) -> None:
        self.events.append(
            Stopped(
                id=self._id(), time=time, cameras=cameras, policy="worn", model=self.model,
                maskgate="1.0",
            )
        )  # fmt: skip

    def person(
        self,
        time: datetime,
        verdict: Value = "go",
        waited: float = 1.0,
        unsure_share: float = 0.0,
        shifts: Mapping[str, float] | None = None,
    ) -> None:
        """Somebody comes, gets a verdict unless it is moment or closer, and leaves."""
        self.track += 1
        shifts = shifts or {}
        common = {
            "camera": self.camera, "policy": "worn", "track": self.track, "state": "wear",
            "probability": 0.99, "unsure": False, "held": 0.0,
        }  # fmt: skip
        arrival = PersonSeen(id=self._id(), time=time, since=time, verdict="moment", **common)
        self.events.append(arrival)
        settled = time + timedelta(seconds=waited)
        if verdict not in ("moment", "closer"):
            self.events.append(
                FirstVerdict(
                    id=self._id(), time=settled, since=settled, verdict=verdict, waited=waited,
                    **common,
                )
            )  # fmt: skip
        values = {
            name: draw(self.random, self.reference[name].quantiles, shifts.get(name, 0.0))
            for name in MEASURES
        }
        values["confidence_mask"] = min(1.0, max(0.0, values["confidence_mask"]))
        self.events.append(
            Left(
                id=self._id(), time=settled + timedelta(seconds=2), since=settled, verdict=verdict,
                present=waited + 2, measures=Measures(faces=12, **values),
                unsure_share=unsure_share, **common,
            )
        )  # fmt: skip

    def lines(self) -> str:
        return "".join(f"{to_json(event)}\n" for event in self.events)


def day(
    reference: Mapping[str, Distribution],
    seed: int,
    people: int = 200,
    shifts: Mapping[str, float] | None = None,
) -> Door:
    """People over nine hours at one camera, with a start and an end."""
    door = Door(reference, np.random.default_rng(seed))
    door.start()
    verdicts: list[Value] = ["go", "go", "go", "put_on", "cover", "moment"]
    for at in np.sort(door.random.uniform(10, 9 * 3600, people)):
        door.person(
            START + timedelta(seconds=float(at)),
            verdicts[int(door.random.integers(len(verdicts)))],
            float(door.random.gamma(3, 0.4)),
            float(door.random.uniform() ** 4),
            shifts,
        )
    door.stop(START + timedelta(hours=10))
    return door
