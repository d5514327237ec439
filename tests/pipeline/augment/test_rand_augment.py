"""RandAugment: every operation is torchvision's, and all are drawn equally often."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from maskgate.pipeline.augment.draws import uniform
from maskgate.pipeline.augment.rand_augment import RandAugment

HEIGHT, WIDTH = 20, 16
NAMES = {
    "identity": "Identity", "shear_x": "ShearX", "shear_y": "ShearY",
    "translate_x": "TranslateX", "translate_y": "TranslateY", "rotate": "Rotate",
    "brightness": "Brightness", "color": "Color", "contrast": "Contrast",
    "sharpness": "Sharpness", "posterize": "Posterize", "solarize": "Solarize",
    "auto_contrast": "AutoContrast", "equalize": "Equalize",
}  # fmt: skip


def torchvisions(photo: torch.Tensor, name: str, magnitude: int, is_negative: bool) -> Any:
    """The operation as RandAugment of torchvision applies it."""
    rand_augment = v2.RandAugment(1, magnitude)
    magnitudes, is_signed = rand_augment._AUGMENTATION_SPACE[NAMES[name]]
    strengths = magnitudes(31, HEIGHT, WIDTH)
    strength = 0.0 if strengths is None else float(strengths[magnitude])
    strength *= -1 if is_signed and is_negative else 1
    return rand_augment._apply_image_or_video_transform(
        photo, NAMES[name], strength, rand_augment.interpolation, rand_augment._fill
    )


@pytest.mark.parametrize("magnitude", [0, 1, 9, 17, 30])
@pytest.mark.parametrize("name", list(NAMES))
def test_an_operation_is_torchvisions(name: str, magnitude: int) -> None:
    random = np.random.default_rng(5)
    photos = torch.from_numpy(random.integers(0, 256, (4, 3, HEIGHT, WIDTH), dtype=np.uint8))
    transform = RandAugment(1, magnitude)
    names = list(transform.operations(HEIGHT, WIDTH))
    assert names == list(NAMES)
    place = (names.index(name) + 0.5) / len(names)
    u = torch.tensor([[place, 0.1], [place, 0.9]] * 2, dtype=torch.float64)
    results = transform(photos.clone(), u)
    for photo, result, (_, sign) in zip(photos, results, u.tolist(), strict=True):
        assert torch.equal(result, torchvisions(photo, name, magnitude, sign < 0.5))


def test_operations_follow_one_another_and_are_equally_frequent() -> None:
    random = np.random.default_rng(6)
    photos = torch.from_numpy(random.integers(0, 256, (500, 3, HEIGHT, WIDTH), dtype=np.uint8))
    transform = RandAugment(2, 9)
    draw = uniform(range(500), transform.random_count)
    results = transform(photos.clone(), draw)
    frequency: Counter[str] = Counter()
    for photo, result, u in zip(photos, results, draw.tolist(), strict=True):
        expected = photo
        for place, sign in (u[:2], u[2:]):
            name = list(NAMES)[int(place * len(NAMES))]
            expected = torchvisions(expected, name, 9, sign < 0.5)
            frequency[name] += 1
        assert torch.equal(result, expected)
    assert min(frequency.values()) > 40
