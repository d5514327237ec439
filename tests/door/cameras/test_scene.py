"""Another scene than usual is found, and light or people are none."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from maskgate.door.cameras import faults
from maskgate.door.cameras.faults import OTHER, Faults
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.scene import Scene
from maskgate.door.cameras.small_pictures import small_picture
from maskgate.imaging.pixels import Pixels
from tests.door import films

Picture = npt.NDArray[np.float64]
ROOM: Picture = np.asarray(films.room(), float)
NOISE = np.random.default_rng(0).normal(0, 3, (5, *ROOM.shape))


def pixels(picture: Picture) -> Pixels:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def cloth(grain: int) -> Picture:
    """Soft blotches of about so many pixels."""
    size = 360 // grain + 2, 640 // grain + 2
    blotches = np.clip(np.random.default_rng(grain).normal(128, 40, size), 0, 255).astype(np.uint8)
    smooth = Image.fromarray(blotches).resize(films.SIZE, Image.Resampling.BICUBIC)
    return np.repeat(np.asarray(smooth, float)[..., None], 3, axis=2)


def wall(high: int, wide: int) -> Picture:
    """Bricks of another size."""
    down, right = np.mgrid[0:360, 0:640]
    joints = (down % high < 4) | ((right + down // high % 2 * wide // 2) % wide < 4)
    return np.repeat(np.where(joints, 190.0, 90.0)[..., None], 3, axis=2)


def bricks() -> Picture:
    wall = Image.new("RGB", films.SIZE, (150, 80, 60))
    draw = ImageDraw.Draw(wall)
    for row, top in enumerate(range(0, 360, 30)):
        draw.rectangle((0, top, 640, top + 4), fill=(190, 185, 180))
        for left in range(row % 2 * 40, 640, 80):
            draw.rectangle((left, top, left + 4, top + 30), fill=(190, 185, 180))
    return np.asarray(wall, float)


def stripes() -> Picture:
    _, right = np.mgrid[0:360, 0:640]
    return np.repeat((128 + 50 * np.sign(np.sin(right / 9)))[..., None], 3, axis=2)


def sun_stripes(ratio: float, period: float, angle: float, right: int) -> Picture:
    """The sun through blinds, up to that column: the exposure follows it."""
    down, across = np.mgrid[0:360, 0:640]
    is_lit = (across * np.sin(angle) + down * np.cos(angle)) / period % 1 < 0.5
    light = np.where(is_lit & (across < right), ratio, 1.0) * (0.6 if ratio < 4 else 0.45)
    return ROOM * light[..., None]


def infrared(seed: int) -> Picture:
    """Each grey is another one, as in infrared light, with a lamp that reaches the middle."""
    down, right = np.mgrid[0:360, 0:640]
    greys = np.random.default_rng(seed).uniform(20, 235, 6)
    grey = np.interp(ROOM.mean(-1), np.linspace(0, 255, 6), greys)
    lamp = np.exp(-(((down - 180) / 360) ** 2) - ((right - 320) / 400) ** 2)
    return np.repeat((grey * lamp)[..., None], 3, axis=2)


def close(width: int) -> Picture:
    """Somebody with the back to the camera, so wide."""
    picture, left = ROOM.copy(), (640 - width) // 2
    picture[20:, left : left + width] = cloth(30)[20:, left : left + width]
    return picture


def sun() -> Picture:
    picture = ROOM.copy()
    picture[100:300, 150:500] *= 1.8
    return picture


def see(watched: Faults, picture: Picture, start: float, seconds: float) -> Iterator[str | None]:
    """What is wrong in each tenth of a second of an empty picture with noise."""
    for number in range(round(seconds * 10)):
        time = start + number / 10
        watched.add(Frame(pixels(picture + NOISE[number % len(NOISE)]), time), is_empty=True)
        yield watched.at(time, is_empty=True)


@pytest.fixture
def watched() -> Faults:
    watched = Faults(0.0)
    assert set(see(watched, ROOM, 0, 10)) == {None}
    return watched


OTHERS: dict[str, Callable[[], Picture]] = {
    **{f"cloth {grain}": lambda grain=grain: cloth(grain) for grain in (8, 20, 40, 80)},  # type: ignore[misc]
    **{
        f"bricks {high}": lambda high=high, wide=wide: wall(high, wide)  # type: ignore[misc]
        for high, wide in ((15, 40), (45, 120), (90, 200))
    },
    "bricks": bricks,
    "stripes": stripes,
    "upside down": lambda: ROOM[::-1, ::-1],
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_camera_that_is_covered_or_turned_away(watched: Faults, name: str) -> None:
    states = list(see(watched, OTHERS[name](), 10, 3))
    first = states.index("covered")
    assert states == [None] * first + ["covered"] * (30 - first)
    assert faults.OTHER_TIME * 10 <= first < 20
    back = list(see(watched, ROOM, 13, 2))
    assert back[5:] == [None] * 15


def test_it_does_not_get_used_to_another_scene() -> None:
    scene, usual, other = Scene(), small_picture(pixels(ROOM)), small_picture(pixels(bricks()))
    for number in range(700):
        scene.add(usual if number < 100 else other, 1.0, OTHER)
    assert scene.likeness(other) < OTHER and scene.likeness(usual) > 20


@pytest.mark.slow
def test_the_usual_scene_follows_the_day() -> None:
    """Within an hour the shadows are others; each minute's picture is as the one before."""
    scene = Scene()
    for minute in range(60):
        shade = ROOM.copy()
        for number in range(7):
            left = (number * 100 + minute * 7) % 640
            shade[:, left : left + 50] *= 0.5
        for _ in range(60):
            picture = small_picture(pixels(shade))
            assert scene.likeness(picture) > faults.OTHER_ENDS
            scene.add(picture, 1.0, OTHER)


def test_the_usual_scene_follows_also_what_has_changed_much() -> None:
    """A shelf and posters come into the room at once, and hide most of it."""
    scene, usual = Scene(), small_picture(pixels(ROOM))
    for _ in range(100):
        scene.add(usual, 1.0, OTHER)
    changed = small_picture(pixels(close(520)))
    before = scene.likeness(changed)
    assert OTHER < before < 12
    for _ in range(600):
        scene.add(changed, 1.0, OTHER)
    assert scene.likeness(changed) > 20


@pytest.mark.slow
def test_a_scene_at_the_limit_is_one_fault(watched: Faults) -> None:
    """The edge of a cloth before most of the lens sways in the wind."""
    states: list[str | None] = []
    for number in range(250):
        width = 596 + 2 * round(10 * np.sin(number / 3))
        states += see(watched, close(width), 10 + number / 10, 0.1)
    assert sum(a != b for a, b in itertools.pairwise(states)) <= 2


def test_a_screen_in_the_picture_does_not_keep_the_scene_from_being_learnt() -> None:
    watched, rng = Faults(0.0), np.random.default_rng(0)
    for number in range(100):
        picture = ROOM.copy()
        picture[200:300, 250:350] = rng.uniform(0, 255)
        watched.add(Frame(pixels(picture), number / 10), is_empty=True)
    assert list(see(watched, bricks(), 10, 3))[-1] == "covered"


@pytest.mark.slow
def test_a_scene_that_is_not_learnt_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    watched, busy, calm = Faults(0.0, "camera back"), Faults(0.0), Faults(0.0, "camera front")
    for number in range(1300):
        frame = Frame(pixels(ROOM + number % 2), number / 10)
        watched.add(frame, is_empty=False)
        calm.add(frame, is_empty=True)
        busy.add(Frame(pixels(0 * ROOM), number / 10), is_empty=False)  # dark is said anyway
        if number == 500:
            assert "not learnt" not in capsys.readouterr().err
    errors = capsys.readouterr().err
    assert errors.count("not learnt yet") == 1 and "camera back: the usual scene" in errors


STRIPES = [
    (30, 0.0, 640), (60, 0.0, 640), (40, 0.4, 640), (30, 1.57, 640), (50, 1.2, 600), (20, 0.2, 400),
]  # fmt: skip
"""Their period in pixels, angle, and last column."""
USUAL: dict[str, Callable[[], Picture]] = {
    "light off": lambda: 0.25 * ROOM,
    "light on": lambda: 1.8 * ROOM,
    "exposure": lambda: 0.6 * ROOM + 60,
    "lamp at the side": lambda: ROOM * np.linspace(0.3, 1.2, 640)[:, None],
    "sun": sun,
    **{
        f"stripes {ratio}:1 {number}": lambda ratio=ratio, stripe=stripe: sun_stripes(
            ratio, *stripe
        )  # type: ignore[misc]
        for ratio in (3, 5)
        for number, stripe in enumerate(STRIPES)
    },
    **{f"infrared {seed}": lambda seed=seed: infrared(seed) for seed in range(4)},  # type: ignore[misc]
    "inverted": lambda: 255 - ROOM,
    "touched": lambda: np.roll(ROOM, (8, 12), (0, 1)),
    "somebody close": lambda: close(360),
    "two people close": lambda: close(480),
}


@pytest.mark.parametrize("name", USUAL)
def test_light_and_people_are_no_other_scene(watched: Faults, name: str) -> None:
    time = 10.0
    for _ in range(2):
        for picture in (USUAL[name](), ROOM):
            assert set(see(watched, picture, time, 4)) == {None}
            time += 4


def test_whoever_walks_past_the_lens_is_no_fault(watched: Faults) -> None:
    assert set(see(watched, close(640), 10, 1)) == {None}
    assert set(see(watched, ROOM, 11, 2)) == {None}


def test_a_crowd_with_faces_is_no_other_scene(watched: Faults) -> None:
    crowd = pixels(close(640))
    for number in range(50):
        watched.add(Frame(crowd ^ np.uint8(number % 2), 10 + number / 10), is_empty=False)
        assert watched.at(10 + number / 10, is_empty=False) is None


def test_a_camera_that_sees_people_elsewhere_was_moved(watched: Faults) -> None:
    """Faces in one frame may be an error. The new scene is learnt, and the old one is another."""
    assert list(see(watched, bricks(), 10, 3))[-1] == "covered"
    for count in (1, 1, 0, 1, 1):
        watched.add_faces(count)
        assert list(see(watched, bricks(), 13, 0.1)) == ["covered"]
    watched.add_faces(1)
    assert set(see(watched, bricks(), 13.2, 10)) == {None}
    assert list(see(watched, ROOM, 23.2, 3))[-1] == "covered"


def test_faces_end_such_a_fault_only_when_the_scene_is_accepted(watched: Faults) -> None:
    """As in the service, where a face makes the camera's picture one with people."""
    assert list(see(watched, bricks(), 10, 3))[-1] == "covered"
    watched.add_faces(1)
    for number in range(10):
        frame = Frame(pixels(bricks() + NOISE[number % 5]), 13 + number / 10)
        watched.add(frame, is_empty=False)
        assert watched.at(frame.time, is_empty=False) == "covered"
    watched.add_faces(1)
    watched.add_faces(1)
    assert watched.at(14.0, is_empty=False) is None


def test_a_scene_without_edges_is_not_compared() -> None:
    watched, plain = Faults(0.0), np.full((360, 640, 3), 120.0)
    plain[100:160, 300:340] = 20  # enough for a lens that is not covered
    assert set(see(watched, plain, 0, 10)) == {None}
    assert set(see(watched, bricks(), 10, 5)) == {None}
