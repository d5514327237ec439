"""How much detail of a frame the detector gets."""

import math

import pytest

from maskgate.config.recipe import Face, Photo
from maskgate.config.settings import Component
from maskgate.door import detection


@pytest.mark.parametrize(
    ("size", "smallest", "side"),
    [
        ((720, 1280), 48, 1280),  # 1174 at least, and no whole part of 1280 is between
        ((720, 1280), 100, 640),  # 564 at least: every second pixel of 1280
        ((720, 1280), 200, 320),  # every fourth
        ((512, 384), 150, 256),
        ((1080, 1920), 100, 960),  # every second: 845 at least
        ((97, 101), 20, 101),  # never more than there is
        ((8, 8), 1, 64),  # the least that YuNet takes
        ((4000, 6000), 10, 2048),  # the most
    ],
)
def test_yunet_gets_a_whole_part_of_the_frame_where_it_can(
    size: tuple[int, int], smallest: float, side: int
) -> None:
    assert detection.yunet_side(*size, smallest) == side


def test_faces_from_the_smallest_on_have_44_pixels() -> None:
    for height, width in ((720, 1280), (480, 640), (1080, 1920), (500, 333), (512, 384)):
        for smallest in (30, 48, 77, 120, 300):
            side = detection.yunet_side(height, width, smallest)
            longest = max(height, width)
            assert side == longest or smallest * side / longest >= 44
            assert side >= 192
            assert side < 2 * max(192, math.ceil(44 * longest / smallest))


def photo(detector: Component) -> Photo:
    return Photo(face=Face(detector=detector))


def test_other_arguments_of_the_detector_stay() -> None:
    before = photo(Component(name="yunet", side=256, score=0.4))
    after = detection.for_frames(before, 720, 1280, 100)
    assert after.face is not None
    assert after.face.detector == Component(name="yunet", side=640, score=0.4)
    assert before.face is not None
    assert before.face.detector.arguments["side"] == 256


def test_mtcnn_is_told_the_share_of_the_frame() -> None:
    after = detection.for_frames(photo(Component(name="mtcnn", factor=0.7)), 720, 1280, 72)
    assert after.face is not None
    assert after.face.detector == Component(name="mtcnn", factor=0.7, min_face=0.075)
