"""Augmentation: windows lie within the stored photo, and a seed decides everything."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels, centre
from maskgate.pipeline.transforms import TRANSFORMS, Augment

GEOMETRY = Geometry(8, 6, 0.5)
HEIGHT, WIDTH = GEOMETRY.stored
ARGUMENTS: dict[str, dict[str, object]] = {
    "random_crop": {},
    "horizontal_flip": {"p": 0.5},
    "affine": {"degrees": 20, "translate": [0.2, 0.2]},
    "color_jitter": {"brightness": 0.5, "hue": 0.2},
    "solarize": {"threshold": 3},
    "gauss_noise": {"sigma": [0.1, 0.2]},
    "blur": {"sigma": [2.0, 3.0]},
    "random_erasing": {"p": 1.0},
    "photo_edge": {"share": 0.9},
}


@pytest.fixture
def stored() -> Pixels:
    """A stored photo whose every pixel tells its place: (row, column, 7)."""
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([down, across, np.full_like(down, 7)], axis=2).astype(np.uint8)


Single = Callable[[Pixels, int], Tensor]


def single(transforms: Sequence[Component], geometry: Geometry) -> Single:
    """The transforms for one photo with its seed."""
    transform = Augment(transforms, geometry)
    return lambda stored, seed: transform(torch.from_numpy(stored.copy())[None], [seed])[0]


def augment(*names: str, **arguments: object) -> Single:
    return single([Component(name=name, **arguments) for name in names], GEOMETRY)


def test_without_transforms_it_is_the_centre(stored: Pixels) -> None:
    result = augment()(stored, 3)
    np.testing.assert_array_equal(result, centre(stored, GEOMETRY))


def test_a_random_crop_is_a_window_of_the_stored_photo_and_reaches_all_of_it(
    stored: Pixels,
) -> None:
    crop, corners = augment("random_crop"), set()
    for seed in range(400):
        window = crop(stored, seed).numpy()
        top, left = int(window[0, 0, 0]), int(window[0, 0, 1])
        np.testing.assert_array_equal(window, stored[top : top + 8, left : left + 6])
        corners.add((top, left))
    assert corners == {
        (top, left) for top in range(HEIGHT - 8 + 1) for left in range(WIDTH - 6 + 1)
    }


def test_a_random_crop_without_a_margin_is_the_photo(stored: Pixels) -> None:
    crop = single([Component(name="random_crop")], Geometry(HEIGHT, WIDTH))
    np.testing.assert_array_equal(crop(stored, 1), stored)


def test_a_flip_turns_about_half_of_the_photos(stored: Pixels) -> None:
    flip, plain, turned = augment("horizontal_flip"), centre(stored, GEOMETRY), 0
    mirrored = centre(stored[:, ::-1], GEOMETRY)
    for seed in range(200):
        result = flip(stored, seed).numpy()
        is_turned = bool((result == mirrored).all())
        assert is_turned or (result == plain).all()
        turned += is_turned
    assert 70 < turned < 130
    for seed in range(5):
        np.testing.assert_array_equal(augment("horizontal_flip", p=1.0)(stored, seed), mirrored)


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_every_transform_keeps_the_shape_the_type_and_the_stored_photo(
    name: str, stored: Pixels
) -> None:
    before = stored.copy()
    transform = augment(name, **ARGUMENTS.get(name, {}))
    results = [transform(stored, seed) for seed in range(24)]
    for result in results:
        assert result.shape == (8, 6, 3)
        assert result.dtype == torch.uint8
    assert any((result != results[0]).any() for result in results)
    np.testing.assert_array_equal(stored, before)


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_the_seed_alone_decides(name: str, stored: Pixels) -> None:
    transform = augment(name, **ARGUMENTS.get(name, {}))
    first = [transform(stored, seed) for seed in (1, 2, 2**63 - 1)]
    torch.manual_seed(99)
    torch.rand(5)
    again = [augment(name, **ARGUMENTS.get(name, {}))(stored, seed) for seed in (1, 2, 2**63 - 1)]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)


def test_transforms_come_in_the_order_of_the_recipe(stored: Pixels) -> None:
    both = single(
        [Component(name="random_crop"), Component(name="horizontal_flip", p=1.0)],
        GEOMETRY,
    )
    unflipped = both(stored, 5).numpy()[:, ::-1]
    np.testing.assert_array_equal(unflipped, augment("random_crop")(stored, 5))


def test_unknown_names_and_arguments_are_told() -> None:
    with pytest.raises(MaskgateError, match=r"random_crp; did you mean random_crop\?"):
        augment("random_crp")
    with pytest.raises(MaskgateError, match=r"augment horizontal_flip:.*often"):
        augment("horizontal_flip", often=1)
    with pytest.raises(MaskgateError, match=r"augment random_crop:.*size"):
        augment("random_crop", size=3)
    with pytest.raises(MaskgateError, match="augment color_jitter"):
        augment("color_jitter", brightness=-3)


PROBABLE = [name for name, make in TRANSFORMS.items() if "p" in inspect.signature(make).parameters]


@pytest.mark.parametrize("name", PROBABLE)
@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_a_probability_outside_0_to_1_is_refused(name: str, p: float) -> None:
    with pytest.raises(MaskgateError, match=rf"^augment {name}: .*[^.]; see docs/recipe.md$"):
        augment(name, **ARGUMENTS.get(name, {}) | {"p": p})


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("shift_scale_rotate", {"shift": -0.1}, "shift is -0.1, below 0"),
        ("shift_scale_rotate", {"scale": 1.0}, "scale is 1.0, not below 1"),
        ("brightness_contrast", {"contrast": -1}, "contrast is -1, below 0"),
        ("gauss_noise", {"sigma": [0.2, 0.1]}, r"sigma is \[0.2, 0.1\]; give two numbers"),
        ("gauss_noise", {"sigma": 0.1}, ""),
        ("blur", {"sigma": [0, 1]}, r"sigma is \[0, 1\]; give two numbers from 0.001 on"),
        ("blur", {"kernel_size": 4}, ""),
        ("blur", {"kernel_size": 13}, "kernel_size is 13, too large for the photo"),
        ("rand_augment", {"num_opps": 3}, "num_opps"),
        ("rand_augment", {"magnitude": 31}, "magnitude 31"),
    ],
)
def test_bad_arguments_are_told(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(MaskgateError, match=f"^augment {name}: .*{message}.*; see docs/recipe.md$"):
        augment(name, **arguments)


@pytest.mark.parametrize("name", PROBABLE)
def test_p_is_the_share_of_photos_that_are_changed(name: str) -> None:
    noise = np.random.default_rng(0).integers(60, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    arguments = dict(ARGUMENTS.get(name, {}), p=0.3)
    if name == "solarize":
        arguments["threshold"] = 100
    transform, plain = augment(name, **arguments), centre(noise, GEOMETRY)
    changed = sum(bool((transform(noise, seed).numpy() != plain).any()) for seed in range(400))
    assert abs(changed - 120) < 4 * (400 * 0.3 * 0.7) ** 0.5
    arguments["p"] = 0
    assert (augment(name, **arguments)(noise, 3).numpy() == plain).all()


def test_brightness_lies_evenly_within_its_limits() -> None:
    grey = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
    change = augment("brightness_contrast", brightness=0.3, contrast=0, p=1)
    values = [float(change(grey, seed)[0, 0, 0]) for seed in range(500)]
    assert min(values) >= 128 - 77
    assert max(values) <= 128 + 77
    assert abs(np.mean(values) - 128) < 3 * 153 / 12**0.5 / 500**0.5


def test_photo_edge_and_random_erasing_check_their_arguments_in_use() -> None:
    with pytest.raises(MaskgateError, match="augment photo_edge: share is 1"):
        augment("photo_edge", share=1)
    with pytest.raises(MaskgateError, match="augment random_erasing: value is"):
        augment("random_erasing", value=[1, 2])
    with pytest.raises(MaskgateError, match="augment affine: fill is"):
        augment("affine", degrees=3, fill=[1, 2])
    with pytest.raises(MaskgateError, match="augment affine: interpolation is bicubic"):
        augment("affine", degrees=3, interpolation="bicubic")


def test_the_middle_is_taken_with_the_last_transform_of_geometry() -> None:
    """Erasing then lies within what the model sees, and a rotation still has the margin."""
    erasing = {"name": "random_erasing", "p": 1.0, "scale": [0.3, 0.3], "value": 0}
    white = np.full((HEIGHT, WIDTH, 3), 255, dtype=np.uint8)
    both = [Component.model_validate(each) for each in ({"name": "affine", "degrees": 20}, erasing)]
    results = np.stack([single(both, GEOMETRY)(white, seed).numpy() for seed in range(30)])
    share = (results == 0).mean((1, 2, 3))
    assert share.min() > 0.2, "the whole rectangle is seen"


def test_a_batch_is_its_photos(stored: Pixels) -> None:
    names = ["affine", "random_crop", "horizontal_flip", "color_jitter", "blur", "random_erasing"]
    components = [Component(name=name, **ARGUMENTS.get(name, {})) for name in names]
    augmentation = Augment(components, GEOMETRY)
    random = np.random.default_rng(1)
    batch = random.integers(0, 256, (9, HEIGHT, WIDTH, 3), dtype=np.uint8)
    seeds = [5, 3, 3, 2**63 - 1, 0, 1, 2, 8, 9]
    results = augmentation(torch.from_numpy(batch.copy()), seeds)
    for photo, seed, result in zip(batch, seeds, results, strict=True):
        assert torch.equal(single(components, GEOMETRY)(photo, seed), result)


SYSTEMS: dict[str, list[dict[str, Any]]] = {
    "S0 AUG_0": [
        {"name": "horizontal_flip"},
        {"name": "shift_scale_rotate"},
        {"name": "brightness_contrast", "brightness": 0.3, "contrast": 0.3},
        {"name": "gauss_noise"},
        {"name": "color_jitter", "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.2},
        {"name": "solarize"},
    ],
    "S0 AUG_1": [{"name": "rand_augment"}],
    "S1": [{"name": "blur"}, {"name": "brightness_contrast", "contrast": 0}],
    "S3": [{"name": "horizontal_flip"}, {"name": "random_erasing"}],
}


@pytest.mark.parametrize("system", list(SYSTEMS))
def test_what_the_five_systems_did_can_be_written_down(system: str, stored: Pixels) -> None:
    written = [Component.model_validate(each) for each in SYSTEMS[system]]
    augmentation = single(written, GEOMETRY)
    results = [augmentation(stored, seed) for seed in range(30)]
    assert len({photo.numpy().tobytes() for photo in results}) > 3
