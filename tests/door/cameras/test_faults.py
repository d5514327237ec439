"""Faults of a picture: as early as the kiosk's, and none where there is none."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from maskgate.door.cameras import faults, small_pictures, stillness
from maskgate.door.cameras.faults import Faults
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.small_pictures import small_picture
from maskgate.imaging.pixels import Pixels
from tests.door import films
from tests.door.films import Scene

RNG = np.random.default_rng(0)
PAGES = Path(faults.__file__).parents[1] / "server" / "pages"


def well() -> Pixels:
    return next(films.frames([Scene(0.1)], {})) + RNG.integers(0, 3, (360, 640, 3), np.uint8)


def dark() -> Pixels:
    return RNG.integers(0, 30, (360, 640, 3), np.uint8)


def covered() -> Pixels:
    down, right = np.mgrid[0:360, 0:640]
    clean = 130 - 60 * ((down / 180 - 1) ** 2 + (right / 320 - 1) ** 2)
    return np.clip(clean[..., None] + RNG.normal(0, 6, (360, 640, 3)), 0, 255).astype(np.uint8)


FROZEN = well()


def watch(watched: Faults, picture: Callable[[], Pixels], start: float) -> Iterator[str | None]:
    """What is wrong after each tenth of a second, for three seconds."""
    for number in range(30):
        image = picture()
        watched.add(Frame(image, start + number / 10), is_empty=False)
        yield watched.at(start + number / 10, is_empty=False)


@pytest.mark.parametrize(
    ("picture", "reason", "seconds"),
    [
        (dark, "dark", 0.4),
        (covered, "covered", 1.0),
        (lambda: FROZEN, "frozen", 2.1),
        (well, None, 0.0),
    ],
)
def test_a_fault_is_found_in_time_and_ends(
    picture: Callable[[], Pixels], reason: str | None, seconds: float
) -> None:
    watched = Faults(0.0)
    assert set(watch(watched, well, 0.0)) == {None}
    reasons = list(watch(watched, picture, 3.0))
    first = round(seconds * 10)
    if reason is not None:  # a frame later, as times are rounded
        first = reasons.index(reason)
        assert seconds * 10 <= first <= seconds * 10 + 1
    assert reasons == [None] * first + [reason] * (30 - first)
    after = list(watch(watched, well, 6.0))
    assert after[5:] == [None] * 25


def test_a_camera_without_frames_is_lost() -> None:
    watched = Faults(10.0)
    assert [watched.at(time, is_empty=True) for time in (10.0, 12.5, 12.6)] == [None, None, "lost"]
    watched.add(Frame(well(), 20.0), is_empty=True)
    assert [watched.at(time, is_empty=True) for time in (20.0, 22.0, 22.1)] == [None, None, "lost"]


def test_flicker_at_the_limit_is_one_fault() -> None:
    """A picture as bright as the limit goes up and down by its noise."""
    watched, states = Faults(0.0), []
    for number in range(100):
        image = np.full((360, 640, 3), 21 if number < 20 else 23 - number % 3, np.uint8)
        image[::7, ::5] = 60 + number % 2
        watched.add(Frame(image, number / 10), is_empty=True)
        states.append(watched.at(number / 10, is_empty=True))
    assert sum(a != b for a, b in zip(states[1:], states, strict=False)) <= 1


def test_the_limits_are_those_of_the_kiosk() -> None:
    script = (PAGES / "kiosk-faults.js").read_text("utf-8")
    for name, value in (("STALE", stillness.STALE), ("DARK", faults.DARK)):
        assert f"export const {name} = {value:g};" in script
    assert f"const DARK_TIME = {faults.DARK_TIME:g};" in script


@pytest.mark.parametrize("size", [(360, 640), (1080, 1920), (480, 640), (37, 65), (20, 30)])
def test_the_small_picture_of_any_frame(size: tuple[int, int]) -> None:
    assert small_picture(np.full((*size, 3), 77, np.uint8)).shape == small_pictures.GRID
    assert small_picture(np.full((*size, 3), 77, np.uint8)).mean() == 77
