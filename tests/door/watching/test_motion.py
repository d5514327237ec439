"""Frames of an empty scene are left out, and nobody waits for it."""

import numpy as np
from PIL import Image

from maskgate.door.cameras.small_pictures import small_picture
from maskgate.door.watching.motion import QUIET, Motion
from tests.door import films
from tests.door.films import Scene


def test_an_empty_scene_is_judged_every_third_of_a_second() -> None:
    motion = Motion()
    motion.is_empty = True
    pictures = map(small_picture, films.frames([Scene(6)], {}))
    judged = [
        number for number, each in enumerate(pictures) if motion.must_judge(each, number / 10)
    ]
    assert judged == list(range(0, 60, round(QUIET * 10)))


def test_whoever_comes_is_judged_in_the_first_frame() -> None:
    """Also a face no larger than a thirtieth of the picture, and hardly darker than the wall."""
    portrait = Image.new("RGB", (22, 30), (135, 140, 145))
    motion = Motion()
    motion.is_empty = True
    scenes = [Scene(1), Scene(1, [("it", 300)])]
    pictures = map(small_picture, films.frames(scenes, {"it": portrait}))
    judged = [
        number for number, each in enumerate(pictures) if motion.must_judge(each, number / 10)
    ]
    assert 10 in judged


def test_people_are_judged_in_every_frame() -> None:
    motion, still = Motion(), np.zeros((36, 64), np.float32)
    assert all(motion.must_judge(still, number / 10) for number in range(20))


def test_a_cloud_moves_nothing() -> None:
    motion = Motion()
    motion.is_empty = True
    picture = small_picture(next(films.frames([Scene(0.1)], {})))
    assert motion.must_judge(picture, 0.0)
    assert not motion.must_judge(picture + 20, 0.1)
