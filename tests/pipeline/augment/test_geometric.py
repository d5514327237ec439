"""Geometry: torchvision's own functions give the same pixels within a grey level."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from maskgate.pipeline.augment.draws import uniform
from maskgate.pipeline.augment.geometric import (
    Affine,
    Flip,
    Geometric,
    Resampling,
    ShiftScaleRotate,
    Warp,
    Window,
    fusible,
)

COUNT, HEIGHT, WIDTH = 24, 45, 34
BILINEAR = v2.InterpolationMode.BILINEAR


@pytest.fixture(scope="module")
def photos() -> Tensor:
    """Smooth pictures (N, 3, H, W) without a plain border."""
    small = np.random.default_rng(1).integers(0, 256, (COUNT, 3, 9, 7), dtype=np.uint8)
    return v2.functional.resize(torch.from_numpy(small), [HEIGHT, WIDTH], antialias=True)


def affine(**settings: Any) -> Affine:
    return Affine(v2.RandomAffine(interpolation="bilinear", **settings))


def seen_whole(chain: list[Any], draw: Tensor) -> Tensor:
    """The pixels (N, H, W) that lie inside the picture; torchvision darkens its rim twice."""
    white = torch.full((COUNT, 3, HEIGHT, WIDTH), 255, dtype=torch.uint8)
    black = [Affine(each.settings) if isinstance(each, Affine) else each for each in chain]
    for each in black:
        if isinstance(each, Affine):
            each.resampling = Resampling()
    inside = Warp(black)(white, draw)[:, 0] > 254.9
    assert inside.float().mean() > 0.4
    return inside


def difference(result: Tensor, expected: Tensor) -> float:
    return float((result.round() - expected.float()).abs().max())


@pytest.mark.parametrize(
    "settings",
    [
        {"degrees": 30},
        {"degrees": [10, 20], "scale": [0.7, 1.3]},
        {"degrees": 0, "translate": [0.2, 0.3]},
        {"degrees": 10, "shear": 20},
        {"degrees": 10, "shear": [-10, 20, 5, 25], "scale": [0.9, 1.1], "translate": [0.1, 0]},
        {"degrees": 20, "center": [3, 5], "fill": [10, 200, 90]},
        {"degrees": 15, "interpolation": "nearest", "fill": 77},
    ],
)
def test_affine_is_torchvisions(photos: Tensor, settings: dict[str, Any]) -> None:
    random_affine = v2.RandomAffine(**({"interpolation": "bilinear"} | settings))
    draw = uniform(range(COUNT), Affine.random_count)
    results, inside = (
        Warp([Affine(random_affine)])(photos, draw),
        seen_whole([Affine(random_affine)], draw),
    )
    for photo, result, is_inside, u in zip(photos, results, inside, draw.tolist(), strict=True):
        low, high = random_affine.degrees
        smallest, largest = random_affine.scale or (1, 1)
        shears = [*(random_affine.shear or (0, 0)), 0, 0]
        across, down = random_affine.translate or (0, 0)
        expected = v2.functional.affine(
            photo,
            angle=low + (high - low) * u[0],
            scale=smallest + (largest - smallest) * u[1],
            shear=[
                shears[0] + (shears[1] - shears[0]) * u[2],
                shears[2] + (shears[3] - shears[2]) * u[3],
            ],
            translate=[
                round(across * WIDTH * (2 * u[4] - 1)),
                round(down * HEIGHT * (2 * u[5] - 1)),
            ],
            interpolation=v2.InterpolationMode(settings.get("interpolation", "bilinear")),
            fill=settings.get("fill", 0),
            center=settings.get("center"),
        )
        if "interpolation" in settings:  # a place between two pixels may be read of either
            assert (result != expected).float().mean() < 0.01
        else:
            assert difference(result[:, is_inside], expected[:, is_inside]) <= 1


def test_affine_crop_and_flip_in_one_are_torchvisions_in_three(photos: Tensor) -> None:
    chain: list[Geometric] = [
        affine(degrees=20, scale=[0.8, 1.2], shear=5),
        Window(40, 30),
        Flip(0.5),
    ]
    draw = uniform(range(COUNT), 9)
    results, inside = Warp(chain)(photos, draw), seen_whole(chain, draw)
    assert results.shape == (COUNT, 3, 40, 30)
    mirrored = 0
    for photo, result, is_inside, u in zip(photos, results, inside, draw.tolist(), strict=True):
        turned = v2.functional.affine(
            photo, -20 + 40 * u[0], [0, 0], 0.8 + 0.4 * u[1], [-5 + 10 * u[2], 0.0], BILINEAR
        )
        top, left = math.floor(u[6] * 6), math.floor(u[7] * 5)
        expected = turned[:, top : top + 40, left : left + 30]
        if u[8] < 0.5:
            mirrored += 1
            expected = expected.flip(2)
        assert difference(result[:, is_inside], expected[:, is_inside]) <= 1
    assert 0 < mirrored < COUNT


def test_a_crop_before_a_rotation_leaves_the_margin_to_be_seen() -> None:
    white = torch.full((4, 3, HEIGHT, WIDTH), 255, dtype=torch.uint8)
    draw = uniform(range(4), Affine.random_count)
    inner = Warp([Window(21, 16, random=False), affine(degrees=30)])
    assert (inner(white, draw) > 254).all(), "the margin fills what the rotation leaves free"
    outer = Warp([affine(degrees=30)])
    assert (outer(white, draw) < 1).any(), "outside the stored picture there is nothing"


@pytest.mark.parametrize(
    ("turn", "zoom", "across", "down"),
    [
        (0, 1, 0.0, 0),
        (0, 1, 0.1, -0.05),
        (30, 1, 0.0, 0),
        (-45, 1.1, 0.0, 0),
        (17, 0.9, -0.06, 0.06),
    ],
)
def test_shift_scale_rotate_is_torchvisions_affine_but_for_the_rim(
    photos: Tensor, turn: float, zoom: float, across: float, down: float
) -> None:
    transform = Warp([ShiftScaleRotate(shift=0.1, scale=0.1, rotate=45, p=1)])
    u = torch.tensor(
        [[(turn + 45) / 90, (zoom - 0.9) / 0.2, (across + 0.1) / 0.2, (down + 0.1) / 0.2, 0]],
        dtype=torch.float64,
    )
    result = transform(photos[:1], u)[0]
    expected = v2.functional.affine(
        photos[0].float(), turn, [across * WIDTH, down * HEIGHT], zoom, [0.0, 0.0], BILINEAR
    )
    inside = (slice(None), slice(15, 30), slice(11, 23))
    assert difference(result[inside], expected[inside].round()) <= 1
    white = torch.full_like(photos[:1], 255)
    assert (transform(white, u) > 254).all(), "no black"


def test_a_shift_beyond_the_rim_shows_the_photo_mirrored() -> None:
    photo = torch.arange(10, dtype=torch.uint8).repeat(1, 3, 4, 1)
    u = torch.tensor([[0.5, 0.5, 1, 0.5, 0]], dtype=torch.float64)
    result = Warp([ShiftScaleRotate(shift=0.2, scale=0, rotate=0, p=1)])(photo, u)
    assert result[0, 0, 0].tolist() == pytest.approx([1, 0, 0, 1, 2, 3, 4, 5, 6, 7], abs=1e-4)


def test_whole_pixels_are_copied_and_stay_whole(photos: Tensor) -> None:
    results = Warp([Window(40, 30), Flip(1.0), Window(11, 13)])(photos, uniform(range(COUNT), 5))
    assert results.dtype == torch.uint8
    for photo, result in zip(photos, results, strict=True):
        windows = photo.flip(2).unfold(1, 11, 1).unfold(2, 13, 1)
        assert (windows == result[:, None, None]).all((0, 3, 4)).any()


def test_other_borders_are_another_resampling() -> None:
    black, mirrored = affine(degrees=5), ShiftScaleRotate(0.1, 0.1, 5, 1)
    moved: list[Geometric] = [Flip(0.5), Window(3, 3)]
    assert black.resampling == Resampling()
    assert len(fusible([*moved, black, *moved, affine(degrees=9)])) == 1
    assert len(fusible([black, moved[0], mirrored, moved[1], mirrored])) == 2
    assert len(fusible([black, affine(degrees=3, fill=4)])) == 2


def test_a_photo_does_not_depend_on_the_others_of_its_batch(photos: Tensor) -> None:
    chain = Warp([affine(degrees=20), Window(40, 30), Flip(0.5)])
    every = chain(photos, uniform(range(COUNT), chain.random_count))
    one = chain(photos[5:6], uniform([5], chain.random_count))
    assert torch.equal(every[5:6], one)
