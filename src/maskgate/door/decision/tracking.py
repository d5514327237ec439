"""Joins the faces of one frame to those of the frames before: a face that moves is one track.

Each track predicts where its face is next by a Kalman filter of constant velocity, and the closest
pairs of prediction and face are joined first, as in SORT (Bewley et al., Simple Online and Realtime
Tracking, 2016). So people who cross keep their tracks, also if one hides the other for a moment.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels of the frame."""

FORGOTTEN: Final = 0.8  # seconds without its face after which a track ends …
MISSED: Final = 2  # … if that many frames in a row lacked the face: cameras may be slow
_REACH: Final = 0.7  # to a face from its prediction or its last place, in mean widths of both
_LARGEST: Final = 2.0  # ratio of the widths of a face in two frames
_SIZE_WEIGHT: Final = 1.0  # of the logarithm of that ratio, in mean widths
_JITTER: Final = 0.03  # standard deviation of a face's centre, in widths
_SPEED: Final = 1.0  # of a new face, in widths per second
_CHANGE: Final = 0.5  # of the speed in one second


class _Motion:
    """The position and velocity of a face's centre, in pixels and seconds: a Kalman filter whose
    variances are the same in both directions."""

    def __init__(self, centre: tuple[float, float], width: float) -> None:
        self._centre, self._velocity = centre, (0.0, 0.0)
        self._variance = (_JITTER * width) ** 2, 0.0, (_SPEED * width) ** 2

    def predict(self, elapsed: float) -> tuple[float, float]:
        """The centre some seconds after the newest face."""
        (x, y), (right, down) = self._centre, self._velocity
        return x + right * elapsed, y + down * elapsed

    def move(self, centre: tuple[float, float], width: float, elapsed: float) -> None:
        """The face is here, some seconds after the one before."""
        place, both, speed = self._variance
        change = (_CHANGE * width) ** 2
        place += elapsed * (2 * both + elapsed * speed) + change * elapsed**3 / 3
        both += elapsed * speed + change * elapsed**2 / 2
        speed += change * elapsed
        total = place + (_JITTER * width) ** 2
        gain, speed_gain = place / total, both / total
        self._variance = (1 - gain) * place, (1 - gain) * both, speed - speed_gain * both
        x, y = self.predict(elapsed)
        off_x, off_y = centre[0] - x, centre[1] - y
        self._centre = x + gain * off_x, y + gain * off_y
        right, down = self._velocity
        self._velocity = right + speed_gain * off_x, down + speed_gain * off_y


@dataclass(eq=False)
class Track:
    """One face over time. `box` is the newest, and `time` when it was; `missed` frames since then
    lacked it."""

    number: int
    box: Box
    time: float
    missed: int = 0

    def __post_init__(self) -> None:
        self._motion = _Motion(_centre(self.box), self.box[2] - self.box[0])

    def predict(self, time: float) -> tuple[float, float]:
        """The centre of the face at a time, in pixels."""
        return self._motion.predict(time - self.time)

    def move(self, box: Box, time: float) -> None:
        """The face is here now."""
        self._motion.move(_centre(box), box[2] - box[0], time - self.time)
        self.box, self.time, self.missed = box, time, 0


class Tracker:
    """The tracks of a camera, numbered from 1."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._numbers = count(1)

    def update(self, boxes: Sequence[Box], time: float) -> list[Track]:
        """The track of each face of a frame; afterwards `tracks` has those that have not ended."""
        joined = _join(self.tracks, boxes, time)
        for row, track in enumerate(self.tracks):
            if row in joined:
                track.move(boxes[joined[row]], time)
            else:
                track.missed += 1
        of_face = {face: self.tracks[row] for row, face in joined.items()}
        new = {
            face: Track(next(self._numbers), box, time)
            for face, box in enumerate(boxes)
            if face not in of_face
        }
        kept = [each for each in self.tracks if not _is_over(each, time)]
        self.tracks = [*kept, *new.values()]
        of_face |= new
        return [of_face[face] for face in range(len(boxes))]


def _is_over(track: Track, time: float) -> bool:
    return track.missed >= MISSED and time - track.time > FORGOTTEN


def _join(tracks: Sequence[Track], boxes: Sequence[Box], time: float) -> dict[int, int]:
    """The number of the face that belongs to the track of each number, where one does."""
    pairs = sorted(
        (cost, row, face)
        for row, track in enumerate(tracks)
        for face, box in enumerate(boxes)
        if (cost := _cost(track, box, time)) is not None
    )
    joined: dict[int, int] = {}
    for _, row, face in pairs:
        if row not in joined and face not in joined.values():
            joined[row] = face
    return joined


def _cost(track: Track, box: Box, time: float) -> float | None:
    """How much a face differs from what a track predicts, in mean widths; None if too much."""
    widths = box[2] - box[0], track.box[2] - track.box[0]
    if max(widths) > _LARGEST * min(widths) or min(widths) <= 0:
        return None
    mean, centre = 0.5 * sum(widths), _centre(box)
    off = math.dist(track.predict(time), centre) / mean
    moved = math.dist(_centre(track.box), centre) / mean  # people stop and start at once
    if min(off, moved) >= _REACH:
        return None
    return off + _SIZE_WEIGHT * math.log(max(widths) / min(widths))


def _centre(box: Box) -> tuple[float, float]:
    return 0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3])
