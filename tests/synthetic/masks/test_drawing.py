"""Outfits drawn on photos of any size, light and face."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import drawing, fabrics, outfits, patterns, shapes
from maskgate.synthetic.masks.covers import HELD
from maskgate.synthetic.masks.outfits import COVERS, PATTERNS, SHIELD, STYLES, Outfit


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def wear(photo: Pixels, points: np.ndarray, outfit: Outfit, noise: np.random.Generator) -> Pixels:
    return drawing.draw_outfit(drawing.bare_face(photo, points), outfit, noise)


@pytest.fixture
def white() -> Outfit:
    """A plain white mask as it is worn, that takes all from the photo's light."""
    drawn = outfits.random(rng(5), "worn", "surgical")
    plain: dict[str, Any] = {
        "pattern": "plain",
        "colour": "#f4f4f6",
        "flat": False,
        "fastening": "none",
    }
    return dataclasses.replace(drawn, **plain, gain=1.0, relight=0.3, tilt=0.0, details="")


def mask_of(photo: Pixels, heads: SimpleNamespace, outfit: Outfit) -> np.ndarray:
    """The mean colour (3,) of what is drawn over the mouth."""
    drawn = wear(photo, heads.landmarks(scale=40), outfit, rng())
    return drawn[85:95, 55:73].reshape(-1, 3).mean(0)


def test_every_style_pattern_and_cover_is_made_somehow() -> None:
    assert set(fabrics.SEWN) - {SHIELD} == {*STYLES, *COVERS} - {*HELD} == set(shapes.CUTS)
    assert set(patterns.PAINTERS) == set(PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_is_drawn(heads: SimpleNamespace, white: Outfit, pattern: str) -> None:
    photo = heads.photo()
    outfit = dataclasses.replace(white, style="cloth", pattern=pattern, second="#203050")
    drawn = wear(photo, heads.landmarks(), outfit, rng())
    assert (drawn != photo).any(-1).mean() > 0.15


@pytest.mark.parametrize("style", [*STYLES, *COVERS])
def test_the_same_is_drawn_twice_and_the_photo_stays(heads: SimpleNamespace, style: str) -> None:
    photo, before = heads.photo(), heads.photo()
    mask = style in STYLES
    outfit = outfits.random(rng(1), "worn", style) if mask else outfits.cover(rng(1), style)
    assert outfit.is_mask == mask
    first, second = (wear(photo, heads.landmarks(15), outfit, rng(2)) for _ in range(2))
    assert (first == second).all()
    assert (photo == before).all()
    assert first.shape == photo.shape
    assert (first != photo).any()


@pytest.mark.parametrize("yaw", [-40, 0, 40])
def test_a_face_is_seen_through_a_shield(heads: SimpleNamespace, yaw: float) -> None:
    photo, points = heads.photo(), heads.landmarks(yaw, scale=36)
    face = drawing.bare_face(photo, points)
    changes, in_band = [], []
    for seed in range(20):
        shield = outfits.shield(rng(seed))
        assert not shield.is_mask
        canvas = drawing.draw(face, shield)
        assert canvas is not None
        opacity = np.zeros(photo.shape[:2])
        top, left = canvas.corner
        alpha = canvas.coarse()[1]
        opacity[top : top + alpha.shape[0], left : left + alpha.shape[1]] = alpha
        x, y = np.round(points).astype(int).T
        assert opacity[y, x].min() > 0, "the visor is before the whole face"
        changes.append(np.median(opacity[y, x]))
        in_band.append(opacity.max())
    assert np.median(changes) < 0.25
    assert np.median(in_band) > 0.6


def test_a_shield_is_worn_over_the_mask(heads: SimpleNamespace, white: Outfit) -> None:
    photo, points = heads.photo(), heads.landmarks(scale=40)
    mask = wear(photo, points, white, rng())
    both = wear(photo, points, dataclasses.replace(white, under_shield=True), rng())
    again = wear(photo, points, dataclasses.replace(white, under_shield=True), rng())
    assert (both == again).all()
    outside = (mask == photo).all(-1)
    assert (both != photo).any(-1)[outside].mean() > 0.3, "the shield is larger than the mask"
    assert np.abs(both[85:95, 55:73].astype(int) - mask[85:95, 55:73]).mean() < 60


@pytest.mark.parametrize("style", COVERS)
def test_covers_over_the_mouth_hide_it(heads: SimpleNamespace, style: str) -> None:
    photo, points = heads.photo(160, 128), heads.landmarks(scale=40)
    x, y = np.round(points[3:].mean(0)).astype(int)
    hidden = 0
    for seed in range(12):
        canvas = drawing.draw(
            drawing.bare_face(photo, points), outfits.cover_over_mouth(rng(seed), style)
        )
        assert canvas is not None
        top, left = canvas.corner
        hidden += canvas.coarse()[1][y + 2 - top, x - left] > 0.9
    assert hidden >= 10


def test_outfits_differ() -> None:
    drawn = [outfits.random(rng(seed), "worn") for seed in range(300)]
    assert {outfit.style for outfit in drawn} == set(STYLES)
    assert len({outfit.colour for outfit in drawn}) > 100
    assert 0.15 < np.mean([outfit.flat for outfit in drawn]) < 0.5
    assert {outfits.cover(rng(seed)).style for seed in range(100)} == set(COVERS)


def test_a_dark_photo_has_a_dark_mask(heads: SimpleNamespace, white: Outfit) -> None:
    bright, dim, dark = (
        mask_of(heads.photo(skin=skin), heads, white).mean()
        for skin in ((220, 180, 160), (110, 80, 65), (40, 28, 22))
    )
    assert bright > 190
    assert bright > dim + 40 > dark + 80


def test_a_mask_takes_over_the_tint_unless_it_is_flat(
    heads: SimpleNamespace, white: Outfit
) -> None:
    red, green, blue = mask_of(heads.photo(skin=(90, 120, 220)), heads, white)
    assert blue > red + 20
    flat = dataclasses.replace(white, flat=True, relight=0.0, shadow=0.0)
    red, green, blue = mask_of(heads.photo(skin=(90, 120, 220)), heads, flat)
    assert np.ptp([red, green, blue]) < 4


def test_light_from_one_side_falls_on_the_mask_too(heads: SimpleNamespace, white: Outfit) -> None:
    photo = heads.photo().astype(np.float64)
    photo *= np.linspace(0.4, 1.2, photo.shape[1])[None, :, None]
    lit = np.clip(photo, 0, 255).astype(np.uint8)
    drawn = wear(lit, heads.landmarks(scale=40), white, rng()).astype(int)
    left, right = drawn[80:95, 42:52].mean(), drawn[80:95, 76:86].mean()
    assert right > left + 15


def test_grey_photos_stay_grey(heads: SimpleNamespace) -> None:
    photo = np.repeat(heads.photo()[..., :1], 3, axis=-1)
    everything = [outfits.random(rng(seed), "worn", style) for seed, style in enumerate(STYLES)]
    everything += [outfits.cover(rng(seed), style) for seed, style in enumerate(COVERS)]
    for outfit in everything:
        outfit = dataclasses.replace(outfit, pattern="plain", colour="#d02040", straps="#d8b13c")
        drawn = wear(photo, heads.landmarks(10), outfit, rng()).astype(int)
        assert np.ptp(drawn, axis=-1).max() <= 1, outfit.style


def test_a_noisy_photo_has_a_noisy_mask(heads: SimpleNamespace, white: Outfit) -> None:
    def rough(noise: float) -> float:
        drawn = wear(heads.photo(noise=noise), heads.landmarks(), white, rng())
        return float(np.diff(drawn[85:95, 55:73].astype(int), axis=1).std())

    assert rough(12) > rough(1) + 3


@pytest.mark.parametrize(
    ("size", "scale"), [((24, 31), 9), ((48, 40), 20), ((900, 1), 30), ((700, 600), 240)]
)
def test_photos_and_faces_of_any_size(
    heads: SimpleNamespace, size: tuple[int, int], scale: float
) -> None:
    photo = heads.photo(*size)
    points = heads.landmarks(scale=scale, centre=(size[1] / 2, size[0] / 3))
    for seed, style in enumerate(["kf94", "hand", "scarf"]):
        cover = style not in STYLES
        outfit = (
            outfits.cover(rng(seed), style) if cover else outfits.random(rng(seed), "worn", style)
        )
        assert wear(photo, points, outfit, rng()).shape == photo.shape


@pytest.mark.parametrize("centre", [(-60, 60), (140, 20), (64, 170), (64, -90), (5000, 9000)])
def test_faces_beyond_the_edge(heads: SimpleNamespace, centre: tuple[float, float]) -> None:
    photo = heads.photo()
    for seed, placement in enumerate(["worn", "neck", "one_ear"]):
        outfit = outfits.random(rng(seed), placement)
        face = drawing.bare_face(photo, heads.landmarks(40, centre=centre))
        assert 0 <= drawing.share_within(face, outfit) <= 1
        assert drawing.draw_outfit(face, outfit, rng()).shape == photo.shape
    far = drawing.bare_face(photo, heads.landmarks(centre=(5000, 9000)))
    assert (drawing.draw_outfit(far, outfits.cover(rng(1), "mug"), rng()) == photo).all()


def test_landmarks_of_no_face_are_refused(heads: SimpleNamespace, white: Outfit) -> None:
    with pytest.raises(ValueError, match="one place"):
        wear(heads.photo(), np.full((5, 2), 30.0), white, rng())
