"""Colours: torchvision's functions one after another give the same within two grey levels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from maskgate.pipeline.augment.colour import (
    BrightnessContrast,
    ColorJitter,
    Colour,
    Recolour,
    rotated_hue,
)
from maskgate.pipeline.augment.draws import split, uniform

COUNT = 24


@pytest.fixture(scope="module")
def photos() -> Tensor:
    """Pictures (N, 3, 20, 16) whose values lie far from 0 and 255, and whose means differ."""
    random = np.random.default_rng(2)
    values = random.integers(-25, 25, (COUNT, 3, 20, 16)) + random.integers(
        90, 150, (COUNT, 3, 1, 1)
    )
    return torch.from_numpy(values.astype(np.uint8))


def jitter(p: float = 1.0, **settings: Any) -> ColorJitter:
    return ColorJitter(v2.ColorJitter(**settings), p)


OPERATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "brightness": functional.adjust_brightness,
    "contrast": functional.adjust_contrast,
    "saturation": functional.adjust_saturation,
}


@pytest.mark.parametrize("names", [[name] for name in OPERATIONS] + [list(OPERATIONS)])
def test_jitter_is_torchvisions_in_the_drawn_order(photos: Tensor, names: list[str]) -> None:
    settings = dict.fromkeys(names, 0.3)
    draw = uniform(range(COUNT), ColorJitter.random_count)
    results = Recolour([jitter(**settings)])(photos, draw)
    orders = set()
    for photo, result, u in zip(photos, results, draw.tolist(), strict=True):
        places = sorted(range(4), key=lambda number: u[4 + number])
        every = [*OPERATIONS, "hue"]
        order = [every[number] for number in places if every[number] in names]
        orders.add(tuple(order))
        truncated, exact = photo, photo / 255
        for name in order:
            factor = 0.7 + 0.6 * u[every.index(name)]
            truncated, exact = (OPERATIONS[name](each, factor) for each in (truncated, exact))
        assert (result - exact * 255).abs().max() < 0.01
        # torchvision drops what is behind the point, each time.
        assert (result - truncated.float()).abs().max() <= 1 + len(order)
    assert len(orders) == (1 if len(names) == 1 else 6)


@pytest.mark.parametrize("hue", [-0.5, -0.2, -0.03, 0.0, 0.04, 0.3])
def test_a_hue_turns_the_colour_and_keeps_the_sum(hue: float) -> None:
    third = np.exp(2j * np.pi / 3)
    matrix = rotated_hue(torch.tensor([hue], dtype=torch.float64))[0].numpy()
    assert (matrix[:3, 3] == 0).all()
    for colour in np.random.default_rng(3).random((50, 3)):
        changed = matrix[:3, :3] @ colour
        assert changed.sum() == pytest.approx(colour.sum())
        before, after = (each @ [1, third, third**2] for each in (colour, changed))
        assert after == pytest.approx(before * np.exp(2j * np.pi * hue))


@pytest.mark.parametrize("hue", [-1 / 3, 1 / 3])
def test_a_third_of_the_circle_is_torchvisions(photos: Tensor, hue: float) -> None:
    expected = functional.adjust_hue(photos, hue).float()
    assert (hued(photos, hue) - expected).abs().max() <= 1


@pytest.mark.parametrize("hue", [-0.05, 0.02, 0.05])
def test_a_small_hue_is_near_to_torchvisions(hue: float) -> None:
    skin = torch.tensor([[200, 150, 130], [120, 80, 60], [90, 70, 60], [240, 220, 210]])
    photo = skin.T.reshape(1, 3, 2, 2).to(torch.uint8)
    expected = functional.adjust_hue(photo, hue).float()
    assert (hued(photo, hue) - expected).abs().max() < 200 * abs(hue)
    grey = torch.full((1, 3, 4, 4), 99, dtype=torch.uint8)
    assert (hued(grey, hue) - 99).abs().max() < 0.01


def hued(photos: Tensor, hue: float) -> Tensor:
    u = torch.full((len(photos), 9), 0.5, dtype=torch.float64)
    return Recolour([jitter(hue=[hue, hue])])(photos, u)


def test_the_share_of_changed_photos_is_p(photos: Tensor) -> None:
    many = photos[:1].expand(1000, -1, -1, -1)
    transforms: list[Colour] = [jitter(0.3, brightness=[2, 2]), BrightnessContrast(0.5, 0.5, 0.3)]
    for make in transforms:
        results = Recolour([make])(many, uniform(range(1000), make.random_count))
        changed = int((results != many.float()).flatten(1).any(1).sum())
        assert abs(changed - 300) < 60


def test_brightness_and_contrast_of_every_value() -> None:
    values = torch.arange(256, dtype=torch.uint8).repeat(1, 3, 1, 1)
    transform = Recolour([BrightnessContrast(brightness=0.3, contrast=0.3, p=1)])
    for contrast, brightness in ((0, 0), (0.3, 0), (-0.3, 0.3), (0.1, -0.2)):
        u = torch.tensor([[(contrast + 0.3) / 0.6, (brightness + 0.3) / 0.6, 0]]).double()
        result = transform(values, u)
        for value in range(256):
            expected = min(255, max(0, value * (1 + contrast) + brightness * 255))
            assert result[0, 1, 0, value].item() == pytest.approx(expected, abs=0.01)


def test_transforms_of_colour_in_a_row_are_their_product(photos: Tensor) -> None:
    row: list[Colour] = [
        BrightnessContrast(0.05, 0.1, 1),
        jitter(contrast=0.2),
        jitter(saturation=0.2),
    ]
    draw = uniform(range(COUNT), sum(each.random_count for each in row))
    result = Recolour(row)(photos, draw)
    parts = split(draw, [each.random_count for each in row])
    expected = photos
    for transform, part in zip(row, parts, strict=True):
        expected = Recolour([transform])(expected, part)
    assert (result - expected).abs().max() < 0.01
