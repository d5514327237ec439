"""Augmentation: windows lie within the stored photo, and a seed decides everything."""

import numpy as np
import pytest
import torch

from maskgate.errors import MaskgateError
from maskgate.images.transforms import TRANSFORMS, Augment
from maskgate.pixels import Geometry, Pixels, centre
from maskgate.recipe import Named

GEOMETRY = Geometry(8, 6, 0.5)
HEIGHT, WIDTH = GEOMETRY.stored
ARGUMENTS: dict[str, dict[str, object]] = {
    "random_crop": {},
    "horizontal_flip": {"p": 0.5},
    "affine": {"degrees": 20, "translate": [0.2, 0.2]},
    "color_jitter": {"brightness": 0.5, "hue": 0.2},
    "random_erasing": {"p": 1.0},
}


@pytest.fixture
def stored() -> Pixels:
    """A stored photo whose every pixel tells its place: (row, column, 7)."""
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([down, across, np.full_like(down, 7)], axis=2).astype(np.uint8)


def augment(*names: str, **arguments: object) -> Augment:
    return Augment([Named(name=name, **arguments) for name in names], GEOMETRY)  # type: ignore[arg-type]


def test_without_transforms_it_is_the_centre(stored: Pixels) -> None:
    found = augment()(stored, 3)
    np.testing.assert_array_equal(found, centre(stored, GEOMETRY))


def test_a_random_crop_is_a_window_of_the_stored_photo_and_reaches_all_of_it(
    stored: Pixels,
) -> None:
    crop, seen = augment("random_crop"), set()
    for seed in range(400):
        found = crop(stored, seed).numpy()
        top, left = int(found[0, 0, 0]), int(found[0, 0, 1])
        np.testing.assert_array_equal(found, stored[top : top + 8, left : left + 6])
        seen.add((top, left))
    assert seen == {(top, left) for top in range(HEIGHT - 8 + 1) for left in range(WIDTH - 6 + 1)}


def test_a_random_crop_without_a_margin_is_the_photo(stored: Pixels) -> None:
    whole = Augment([Named(name="random_crop")], Geometry(HEIGHT, WIDTH))
    np.testing.assert_array_equal(whole(stored, 1), stored)


def test_a_flip_turns_about_half_of_the_photos(stored: Pixels) -> None:
    flip, plain, turned = augment("horizontal_flip"), centre(stored, GEOMETRY), 0
    mirrored = centre(stored[:, ::-1], GEOMETRY)
    for seed in range(200):
        found = flip(stored, seed).numpy()
        is_turned = bool((found == mirrored).all())
        assert is_turned or (found == plain).all()
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
    results = [transform(stored, seed) for seed in range(12)]
    for found in results:
        assert found.shape == (8, 6, 3)
        assert found.dtype == torch.uint8
    assert any((found != results[0]).any() for found in results)
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
    both = Augment(
        [Named(name="random_crop"), Named(name="horizontal_flip", p=1.0)],  # type: ignore[call-arg]
        GEOMETRY,
    )
    found = both(stored, 5).numpy()[:, ::-1]
    np.testing.assert_array_equal(found, augment("random_crop")(stored, 5))


def test_unknown_names_and_arguments_are_told() -> None:
    with pytest.raises(MaskgateError, match=r"random_crp; did you mean random_crop\?"):
        augment("random_crp")
    with pytest.raises(MaskgateError, match=r"augment horizontal_flip:.*often"):
        augment("horizontal_flip", often=1)
    with pytest.raises(MaskgateError, match=r"augment random_crop:.*size"):
        augment("random_crop", size=3)
    with pytest.raises(MaskgateError, match="augment color_jitter"):
        augment("color_jitter", brightness=-3)
