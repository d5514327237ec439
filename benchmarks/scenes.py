"""How alike a camera's usual scene and other pictures are to the rule of `maskgate watch`.

    python -m benchmarks.scenes [--rooms 60]

Rooms of rectangles are drawn, with a sensor's noise. Each is learnt as the usual scene, and
compared with pictures of it in another light, of coverings and of other rooms. Prints the least,
median and largest likeness of each kind, in standard deviations.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from benchmarks.camera_faults import HIGH, WIDE, Picture, bricks, cloth, to_picture
from maskgate.core.progress import track
from maskgate.door.cameras import faults
from maskgate.door.cameras.scene import LEARNING, Scene
from maskgate.door.cameras.small_pictures import SmallPicture, small_picture

RECTANGLES: Final = (3, 6, 10, 20)  # of the rooms, in turn
TRIES: Final = 3  # other rooms, and stripes of the sun, for each room
CLOTHS: Final = [cloth(grain) for grain in (5, 8, 12, 20, 30, 40, 60, 80, 120)]
BRICKS: Final = ((15, 40, 3), (20, 60, 4), (45, 120, 6), (60, 160, 8), (90, 200, 10))
"""Height, width and joint of the bricks in pixels."""
Random = np.random.Generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=60)
    count = parser.parse_args().rooms
    kinds: dict[str, list[float]] = {}
    for seed in track(range(count), "rooms", count):
        random = np.random.default_rng(seed)
        usual = room(random, RECTANGLES[seed % len(RECTANGLES)])
        alike = likeness_to(usual, random)
        for name, value in likenesses(usual, alike, random):
            kinds.setdefault(name, []).append(value)
    print(f"covered below {faults.OTHER:g}, well from {faults.OTHER_ENDS:g}\n")
    print("| picture | pictures | least | median | most |\n|---|---:|---:|---:|---:|")
    for name, values in kinds.items():
        ends = " | ".join(f"{each:.1f}" for each in np.quantile(values, [0, 0.5, 1]))
        print(f"| {name} | {len(values)} | {ends} |")


def likenesses(
    usual: Picture, alike: Callable[[Picture], float], random: Random
) -> Iterator[tuple[str, float]]:
    """The likeness of pictures to their usual room, with the kind of each."""
    yield "the room itself", alike(usual)
    yield "a fifth of the light", alike(usual * 0.2)
    yield "other greys, as in infrared", alike(infrared(usual, random))
    for ratio in (3, 5):
        for _ in range(TRIES):
            yield f"stripes of sun, {ratio}:1", alike(stripes(usual, ratio, random))
    yield f"the likest of {len(CLOTHS)} cloths", max(map(alike, CLOTHS))
    walls = [bricks(*each) for each in BRICKS]
    yield f"the likest of {len(walls)} walls of bricks", max(map(alike, walls))
    for _ in range(TRIES):
        yield "another room", alike(room(random, int(random.integers(3, 20))))


def likeness_to(usual: Picture, random: Random) -> Callable[[Picture], float]:
    """How much a picture is like a scene that has been learnt, each with its own noise."""
    noise = random.normal(0, 1, (HIGH, WIDE, 3)).astype(np.float32)

    def small(picture: Picture) -> SmallPicture:
        noisy = np.roll(noise, int(random.integers(WIDE)), axis=1) + picture
        return small_picture(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))

    scene = Scene()
    while not scene.is_known:
        scene.add(small(usual), LEARNING / 10, least=0)
    return lambda picture: scene.likeness(small(picture))


def room(random: Random, rectangles: int) -> Picture:
    """A room of grey rectangles on walls that are not lit evenly."""
    down, right = np.mgrid[0:HIGH, 0:WIDE]
    picture = random.uniform(90, 180) + random.uniform(-30, 30) * down / HIGH
    picture = picture + random.uniform(-30, 30) * right / WIDE
    for _ in range(rectangles):
        width, height = random.integers(15, 250), random.integers(10, 250)
        left, top = random.integers(-20, WIDE - 40), random.integers(-20, HIGH - 30)
        picture[max(0, top) : top + height, max(0, left) : left + width] = random.uniform(20, 235)
    return to_picture(picture)


def infrared(picture: Picture, random: Random) -> Picture:
    """Each grey is another one, which may be darker where it was lighter."""
    greys = np.interp(picture[..., 0], np.linspace(0, 255, 6), random.uniform(20, 235, 6))
    return to_picture(greys)


def stripes(picture: Picture, ratio: float, random: Random) -> Picture:
    """Half of the picture is lit so many times as brightly, in stripes."""
    down, right = np.mgrid[0:HIGH, 0:WIDE]
    period, angle = random.uniform(20, 100), random.uniform(0, np.pi)
    is_lit = (right * np.sin(angle) + down * np.cos(angle)) / period % 1 < 0.5
    return picture * to_picture(np.where(is_lit, 1.2, 1.2 / ratio))


if __name__ == "__main__":
    main()
