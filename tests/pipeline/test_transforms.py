"""Augmentation: windows lie within the stored photo, and a seed decides everything."""

import inspect
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels, centre
from maskgate.pipeline import transforms
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


def augment(*names: str, **arguments: object) -> Augment:
    return Augment([Component(name=name, **arguments) for name in names], GEOMETRY)


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
    whole = Augment([Component(name="random_crop")], Geometry(HEIGHT, WIDTH))
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
    results = [transform(stored, seed) for seed in range(24)]
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
        [Component(name="random_crop"), Component(name="horizontal_flip", p=1.0)],
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


PROBABLE = [name for name, make in TRANSFORMS.items() if "p" in inspect.signature(make).parameters]


@pytest.mark.parametrize("name", PROBABLE)
@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_a_probability_outside_0_to_1_is_refused(name: str, p: float) -> None:
    with pytest.raises(MaskgateError, match=rf"^augment {name}: .*[^.]; see docs/recipe.md$"):
        augment(name, **ARGUMENTS.get(name, {}) | {"p": p})


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
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
def test_bad_arguments_are_told(name: str, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(MaskgateError, match=f"^augment {name}: .*{told}.*; see docs/recipe.md$"):
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


def test_color_jitter_without_p_is_torchvisions(stored: Pixels) -> None:
    torch.manual_seed(4)
    expected = v2.ColorJitter(0.3, 0.3, 0.3)(torch.from_numpy(stored).permute(2, 0, 1))
    found = augment("color_jitter", brightness=0.3, contrast=0.3, saturation=0.3)(stored, 4)
    assert torch.equal(found, centre(expected.permute(1, 2, 0), GEOMETRY))  # type: ignore[arg-type]


def chosen(monkeypatch: pytest.MonkeyPatch, *draws: float) -> None:
    """The next values that transforms draw from a range."""
    left = list(draws)

    def between(low: float, high: float) -> float:
        value = left.pop(0)
        assert low <= value <= high
        return value

    monkeypatch.setattr(transforms, "_between", between)


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
    monkeypatch: pytest.MonkeyPatch, turn: float, zoom: float, across: float, down: float
) -> None:
    small = np.random.default_rng(1).integers(0, 256, (10, 8, 3), dtype=np.uint8)
    height, width = 100, 80
    photo = torch.from_numpy(small).permute(2, 0, 1)
    photo = v2.functional.resize(photo, [height, width], antialias=True)
    chosen(monkeypatch, turn, zoom, across, down)
    make = TRANSFORMS["shift_scale_rotate"]
    found = make(GEOMETRY, shift=0.1, scale=0.1, rotate=45, p=1)(photo).int()
    expected = v2.functional.affine(
        photo,
        angle=turn,
        translate=[across * width, down * height],
        scale=zoom,
        shear=[0.0, 0.0],
        interpolation=v2.InterpolationMode.BILINEAR,
    ).int()
    assert found.shape == photo.shape
    inside = (slice(None), slice(30, 70), slice(26, 54))
    assert (found - expected)[inside].abs().max() <= 2
    assert (expected[:, 0, 0] == 0).all() or (turn, zoom, across, down) != (30, 1, 0, 0)
    white = torch.full((3, height, width), 255, dtype=torch.uint8)
    chosen(monkeypatch, turn, zoom, across, down)
    assert (make(GEOMETRY, shift=0.1, scale=0.1, rotate=45, p=1)(white) == 255).all(), "no black"


def test_a_shift_beyond_the_rim_shows_the_photo_mirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = torch.arange(10, dtype=torch.uint8).repeat(3, 4, 1)
    chosen(monkeypatch, 0, 1, 0.2, 0)
    found = TRANSFORMS["shift_scale_rotate"](GEOMETRY, shift=0.2, p=1)(photo)
    assert found[0, 0].tolist() == [1, 0, 0, 1, 2, 3, 4, 5, 6, 7]


def test_brightness_and_contrast_of_every_value(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.arange(256, dtype=torch.uint8).repeat(3, 1, 1)
    for contrast, brightness in ((0, 0), (0.3, 0), (-0.3, 0.3), (0.1, -0.2)):
        chosen(monkeypatch, contrast, brightness)
        found = TRANSFORMS["brightness_contrast"](GEOMETRY, brightness=0.3, contrast=0.3, p=1)(
            values
        )
        for value in range(256):
            expected = min(255, max(0, value * (1 + contrast) + brightness * 255))
            assert abs(found[1, 0, value].item() - expected) <= 0.501


def test_brightness_lies_evenly_within_its_limits() -> None:
    grey = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
    change = augment("brightness_contrast", brightness=0.3, contrast=0, p=1)
    found = [float(change(grey, seed)[0, 0, 0]) for seed in range(500)]
    assert min(found) >= 128 - 77
    assert max(found) <= 128 + 77
    assert abs(np.mean(found) - 128) < 3 * 153 / 12**0.5 / 500**0.5


def test_noise_has_the_standard_deviation_asked_for() -> None:
    grey = np.full((300, 200, 3), 128, dtype=np.uint8)
    noisy = Augment([Component(name="gauss_noise", sigma=[0.05, 0.05], p=1)], Geometry(300, 200))
    found = noisy(grey, 1).float()
    assert found.std().item() == pytest.approx(0.05 * 255, rel=0.02)
    assert found.mean().item() == pytest.approx(128, abs=0.2)
    assert found[:, :, 0].ne(found[:, :, 1]).any(), "each channel has its own"
    white = noisy(np.full_like(grey, 255), 1)
    assert int(white.min()) > 150, "what is too bright is cut off, not wrapped around"


def test_the_edge_of_a_photo_moves_inwards() -> None:
    white = np.full((40, 20, 3), 255, dtype=np.uint8)
    edged = Augment([Component(name="photo_edge", share=0.5, p=1)], Geometry(40, 20))
    sides: Counter[str] = Counter()
    for seed in range(400):
        grey = (edged(white, seed) == 128).all(2)
        rows, columns = grey.all(1), grey.all(0)
        assert (grey == (rows[:, None] | columns)).all(), "a strip along one side"
        assert rows.sum() <= 20 and columns.sum() <= 10
        if grey.any():
            at = {"top": rows[0], "bottom": rows[-1], "left": columns[0], "right": columns[-1]}
            sides[next(side for side, is_grey in at.items() if is_grey)] += 1
    assert sides.keys() == {"top", "bottom", "left", "right"}
    assert sides["bottom"] / sides.total() == pytest.approx(0.4, abs=0.08)
    with pytest.raises(MaskgateError, match="share is 1"):
        Augment([Component(name="photo_edge", share=1)], Geometry(40, 20))


def test_solarize_inverts_what_is_bright() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    found = Augment([Component(name="solarize", p=1)], Geometry(16, 16))(values, 0)
    for value, (y, x) in enumerate(np.ndindex(16, 16)):
        assert found[y, x, 0] == (255 - value if value >= 128 else value)


def test_blur_spreads_a_point_by_its_sigma() -> None:
    point = np.zeros((31, 31, 3), dtype=np.uint8)
    point[15, 15] = 255
    blurred = Augment([Component(name="blur", sigma=[1.0, 1.0], p=1)], Geometry(31, 31))(point, 0)
    naive = [255 * np.exp(-(x**2) / 2) / (2 * np.pi) for x in range(4)]
    assert [int(blurred[15, 15 + x, 1]) for x in range(4)] == pytest.approx(naive, abs=1)


def test_rand_augment_is_torchvisions(stored: Pixels) -> None:
    torch.manual_seed(6)
    expected = v2.RandAugment(3, 12)(torch.from_numpy(stored).permute(2, 0, 1))
    found = augment("rand_augment", num_ops=3, magnitude=12)(stored, 6)
    assert torch.equal(found, centre(expected.permute(1, 2, 0), GEOMETRY))  # type: ignore[arg-type]


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
    whole = Augment(written, GEOMETRY)
    found = [whole(stored, seed) for seed in range(30)]
    assert len({photo.numpy().tobytes() for photo in found}) > 3
