"""Filters, against torchvision's or by their statistics."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from maskgate.pipeline.augment.draws import split, uniform
from maskgate.pipeline.augment.filters import Blur, GaussNoise, Solarize

COUNT = 24


@pytest.fixture
def photos() -> Tensor:
    random = np.random.default_rng(4)
    return torch.from_numpy(random.integers(0, 256, (COUNT, 3, 20, 16), dtype=np.uint8))


def test_blur_is_torchvisions(photos: Tensor) -> None:
    settings = v2.GaussianBlur([9, 5], [0.3, 2.0])
    draw = uniform(range(COUNT), Blur.random_count)
    results = Blur(settings, p=0.5)(photos.clone(), draw)
    changed = 0
    for photo, result, u in zip(photos, results, draw.tolist(), strict=True):
        expected = photo
        if u[1] < 0.5:
            expected = functional.gaussian_blur(photo, [9, 5], [0.3 + 1.7 * u[0]] * 2)
            changed += 1
        assert (result.round() - expected.float()).abs().max() <= 1
    assert 0 < changed < COUNT


def test_solarize_is_torchvisions(photos: Tensor) -> None:
    draw = uniform(range(COUNT), Solarize.random_count)
    results = Solarize(100, p=0.5)(photos, draw)
    for photo, result, u in zip(photos, results, draw.tolist(), strict=True):
        assert torch.equal(result, functional.solarize(photo, 100) if u[0] < 0.5 else photo)


def test_solarize_takes_values_that_resampling_left_just_below_the_threshold() -> None:
    flat = torch.full((1, 3, 4, 4), 99.9999)
    result = Solarize(100, p=1)(flat, uniform([1], 1))
    assert (result == 155).all()


def test_noise_of_two_entries_is_independent() -> None:
    grey = torch.full((1, 3, 200, 100), 128, dtype=torch.uint8)
    transform = GaussNoise(0.05, 0.05, p=1)
    one, other = (transform(grey, part) for part in split(uniform([1], 6), [3, 3]))
    both = (one - 128) + (other - 128)
    assert both.std().item() == pytest.approx(255 * 0.05 * 2**0.5, rel=0.03)


def test_noise_is_of_the_seed_alone_and_normal() -> None:
    grey = torch.full((6, 3, 100, 80), 128, dtype=torch.uint8)
    transform = GaussNoise(0.02, 0.06, p=1)
    draw = uniform([9, 3, 9, 4, 5, 6], transform.random_count)
    results = transform(grey, draw)
    assert torch.equal(results[0], results[2])
    assert not torch.equal(results[0], results[1])
    for result, u in zip(results, draw.tolist(), strict=True):
        assert result.std().item() == pytest.approx(255 * (0.02 + 0.04 * u[0]), rel=0.02)
        assert result.mean().item() == pytest.approx(128, abs=0.3)
        assert result[0].ne(result[1]).any(), "each channel has its own"
    white = torch.full((1, 3, 100, 80), 255, dtype=torch.uint8)
    bright = transform(white, uniform([1], transform.random_count))
    assert bright.max() <= 255
    assert bright.min() > 150, "what is too bright is cut off, not wrapped around"
