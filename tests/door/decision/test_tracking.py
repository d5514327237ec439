"""Faces are joined to tracks, also where people cross."""

from collections.abc import Callable

import numpy as np
import pytest

from maskgate.door.decision.tracking import FORGOTTEN, Box, Tracker

WIDTH = 100.0
MOST_SWAPPED = 4  # frames of two people
Path = Callable[[float], tuple[float, float]]
"""The centre of a face at a time."""


def box(centre: tuple[float, float], width: float = WIDTH) -> Box:
    x, y = centre
    return x - width / 2, y - 0.6 * width, x + width / 2, y + 0.6 * width


def line(left: float, speed: float, height: float = 200) -> Path:
    """To the right at a speed in pixels a second."""
    return lambda time: (left + speed * time, height)


def keeps_tracks(
    paths: tuple[Path, Path],
    rate: float,
    *,
    widths: tuple[float, float] = (WIDTH, WIDTH),
    hidden: float = 0.5,
    seed: int = 0,
) -> bool:
    """Whether two people have the same tracks before and after, and in nearly all frames: those
    where both faces are in the same place do not matter. The second one is not detected
    while their faces are less than `hidden` widths apart; boxes are off by 2% of their width."""
    rng, tracker = np.random.default_rng(seed), Tracker()
    numbers: list[list[int]] = [[], []]
    for time in np.arange(0, 4, 1 / rate).tolist():
        centres = [path(time) for path in paths]
        apart = abs(centres[0][0] - centres[1][0]) / WIDTH
        visible = [0] if apart < hidden else [0, 1]
        boxes = [
            box(tuple(np.array(centres[each]) + rng.normal(0, 0.02 * WIDTH, 2)), widths[each])
            for each in visible
        ]
        for each, track in zip(visible, tracker.update(boxes, time), strict=True):
            numbers[each].append(track.number)
    swapped = sum(number != each + 1 for each in (0, 1) for number in numbers[each])
    return swapped <= MOST_SWAPPED and numbers[0][-1] == 1 and numbers[1][-1] == 2


@pytest.mark.parametrize("rate", [5, 10, 25])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("speeds", "hidden"),
    [
        ((100, -100), 0),
        ((100, -100), 0.5),  # 0.5 s without one of the faces
        ((150, 0), 0.5),
        ((0, 150), 0.5),
        ((60, -60), 0.4),
    ],
)
def test_people_who_cross_keep_their_tracks(
    speeds: tuple[float, float], hidden: float, rate: float, seed: int
) -> None:
    meeting = 2.03  # seconds
    paths = tuple(line(320 - speed * meeting, speed) for speed in speeds)
    assert keeps_tracks((paths[0], paths[1]), rate, hidden=hidden, seed=seed)


@pytest.mark.parametrize("rate", [5, 10, 25])
def test_people_of_different_sizes_who_cross(rate: float) -> None:
    paths = line(100, 110), line(540, -110)
    assert keeps_tracks(paths, rate, widths=(100, 70), hidden=0.4)


def test_a_detection_that_is_missed_while_walking() -> None:
    tracker, path = Tracker(), line(100, 300)
    for number in range(20):
        time = 0.1 * number
        boxes = [] if number in (8, 9, 10, 15) else [box(path(time))]
        assert all(each.number == 1 for each in tracker.update(boxes, time))
        assert [each.missed > 0 for each in tracker.tracks] == [not boxes]


@pytest.mark.parametrize("rate", [4, 10, 25])
@pytest.mark.parametrize("speed", [100, 250])
def test_people_who_start_and_stop_at_once(speed: float, rate: float) -> None:
    tracker = Tracker()
    for time in np.arange(0, 3, 1 / rate).tolist():
        x = 50 + speed * min(max(time - 1.0, 0.0), 1.0)  # walks for one second
        assert [each.number for each in tracker.update([box((x, 200))], time)] == [1]


def test_a_track_ends_without_its_face() -> None:
    tracker = Tracker()
    tracker.update([box((200, 200))], 0.0)
    assert tracker.update([], FORGOTTEN - 0.1) == [] and len(tracker.tracks) == 1
    tracker.update([], FORGOTTEN + 0.1)
    assert not tracker.tracks
    assert tracker.update([box((200, 200))], 1.0)[0].number == 2


def test_slow_cameras_may_miss_a_face_once() -> None:
    tracker = Tracker()
    tracker.update([box((200, 200))], 0.0)
    tracker.update([], 1.0)
    assert tracker.update([box((200, 200))], 2.0)[0].number == 1


@pytest.mark.parametrize(
    "other", [box((300, 200)), box((200, 280)), box((200, 200), 2.1 * WIDTH), (200, 200, 200, 200)]
)
def test_a_face_elsewhere_or_of_another_size_is_somebody_else(other: Box) -> None:
    tracker = Tracker()
    tracker.update([box((200, 200))], 0.0)
    assert tracker.update([other], 0.1)[0].number == 2
    assert len(tracker.tracks) == 2


def test_the_closer_of_two_faces_is_joined() -> None:
    tracker = Tracker()
    tracker.update([box((200, 200))], 0.0)
    tracks = tracker.update([box((240, 200)), box((190, 200))], 0.1)
    assert [each.number for each in tracks] == [2, 1]


def test_two_frames_at_the_same_time() -> None:
    tracker = Tracker()
    for _ in range(3):
        assert tracker.update([box((200, 200))], 5.0)[0].number == 1
    assert tracker.update([box((203, 200))], 5.1)[0].number == 1
