"""What each way to wear a mask covers and leaves bare, whichever mask and however turned."""

import dataclasses
from collections.abc import Callable
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from maskgate.synthetic.masks import drawing, outfits
from maskgate.synthetic.masks.drawing import BareFace
from maskgate.synthetic.masks.outfits import STYLES, Outfit
from maskgate.synthetic.masks.placements import PLACEMENTS

EYES = [(-0.45, 0.0, 0.02), (0.45, 0.0, 0.02)]
NOSE = [(0.0, 0.51, 0.43)]
MOUTH = [(0.0, 0.93, 0.24)]
UPPER_LIP = [(0.0, 0.87, 0.24)]
CHIN = [(0.0, 1.45, 0.17)]
COVERED = {
    "worn": NOSE + MOUTH + CHIN,
    "nose_out": MOUTH + CHIN,
    "mouth_only": MOUTH,
    "lower_lip": CHIN,
    "chin": CHIN,
    "chin_out": NOSE + MOUTH,
    "nose_only": NOSE,
}
BARE = {
    "worn": EYES,
    "nose_out": EYES + NOSE,
    "mouth_only": EYES + NOSE + CHIN,
    "lower_lip": EYES + NOSE + UPPER_LIP,
    "chin": EYES + NOSE + MOUTH,
    "chin_out": EYES + CHIN,
    "eyes": MOUTH + CHIN,
    "nose_only": MOUTH + CHIN,
    "neck": EYES + NOSE + MOUTH,
    "one_ear": NOSE + MOUTH,
}


YAWS = (-50, -15, 0, 35)
SIZE, SCALE, CENTRE = (130, 130), 30.0, (65.0, 45.0)
Opacity = Callable[[list[tuple[float, float, float]]], np.ndarray]


@pytest.fixture(scope="module")
def sitters(heads: SimpleNamespace) -> dict[float, BareFace]:
    photo = heads.photo(*SIZE)
    points = {yaw: heads.landmarks(yaw, scale=SCALE, centre=CENTRE) for yaw in YAWS}
    return {yaw: drawing.bare_face(photo, points[yaw]) for yaw in YAWS}


@pytest.fixture
def opacity(heads: SimpleNamespace, sitters: dict[float, BareFace]) -> Callable[..., Opacity]:
    """`opacity(outfit, yaw)(points)` is how much a mask hides points of the face, (N,)."""

    def draw(outfit: Outfit, yaw: float) -> Opacity:
        canvas = drawing.draw(sitters[yaw], dataclasses.replace(outfit, fastening="none"))
        assert canvas is not None
        _, alpha = canvas.coarse()
        opacity_of_photo = np.zeros(SIZE)
        top, left = canvas.corner
        opacity_of_photo[top : top + alpha.shape[0], left : left + alpha.shape[1]] = alpha

        def at(points: list[tuple[float, float, float]]) -> np.ndarray:
            flat = heads.project(points, yaw, scale=SCALE, centre=CENTRE)
            x, y = np.round(flat).astype(int).T
            return opacity_of_photo[y, x]

        return at

    return draw


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_covers_what_it_says_and_no_more(opacity: Callable[..., Opacity], placement: str) -> None:
    for seed, (style, yaw) in enumerate(product(STYLES, YAWS)):
        outfit = outfits.random(np.random.default_rng(seed), placement, style)
        at = opacity(outfit, yaw)
        if placement in COVERED:
            assert at(COVERED[placement]).min() > 0.05, (style, yaw)
        assert at(BARE[placement]).max() < 0.05, (style, yaw)


def test_over_the_eyes_is_over_both_eyes(opacity: Callable[..., Opacity]) -> None:
    for seed, style in enumerate(STYLES):
        outfit = outfits.random(np.random.default_rng(seed), "eyes", style)
        assert opacity(outfit, 0)(EYES).min() > 0.05, style
