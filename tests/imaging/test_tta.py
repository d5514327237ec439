"""Test-time augmentation, derived a second, naive way: by pixel, and by Pillow's own crop."""

import itertools

import numpy as np
import pytest
from PIL import Image

from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.imaging import pixels
from maskgate.imaging.tta import PLAIN_VIEW, TtaView, tta_digest, tta_views

GEOMETRY = Geometry(16, 12, 0.25)  # stored are 20×15
STORED = np.random.default_rng(0).integers(0, 256, (3, *GEOMETRY.stored, 3), dtype=np.uint8)


def augmented(*tta: Component, geometry: Geometry = GEOMETRY) -> list[np.ndarray]:
    return [each.apply(STORED, geometry) for each in tta_views(tta, geometry)]


def window(top: int, left: int, mirrored: bool = False) -> np.ndarray:
    """The input there, a pixel at a time."""
    actual = np.zeros((3, 16, 12, 3), dtype=np.uint8)
    for number, y, x, channel in itertools.product(range(3), range(16), range(12), range(3)):
        column = left + (11 - x if mirrored else x)
        actual[number, y, x, channel] = STORED[number, top + y, column, channel]
    return actual


def test_without_any_there_is_the_plain_picture_alone() -> None:
    assert tta_views((), GEOMETRY) == [PLAIN_VIEW]
    (plain,) = augmented()
    np.testing.assert_array_equal(plain, pixels.centre(STORED, GEOMETRY))
    np.testing.assert_array_equal(plain, window(2, 1))


def test_flip_mirrors_each() -> None:
    plain, mirrored = augmented(Component(name="flip"))
    np.testing.assert_array_equal(plain, window(2, 1))
    np.testing.assert_array_equal(mirrored, window(2, 1, mirrored=True))
    flat = Geometry(16, 12)  # without a margin the input is all that is stored
    again = TtaView(mirrored=True)
    np.testing.assert_array_equal(again.apply(again.apply(plain, flat), flat), plain)


def test_crops_are_the_middle_and_the_corners() -> None:
    pictures = augmented(Component(name="crops"))
    places = [(2, 1), (0, 0), (0, 3), (4, 0), (4, 3)]
    for picture, (top, left) in zip(pictures, places, strict=True):
        np.testing.assert_array_equal(picture, window(top, left))


def test_three_crops_lie_along_the_longer_side() -> None:
    pictures = augmented(Component(name="crops", count=3))
    for picture, top in zip(pictures, (2, 0, 4), strict=True):
        np.testing.assert_array_equal(picture, window(top, 1))
    wide = Geometry(12, 16, 0.25)
    lefts = [each.window(wide)[:2] for each in tta_views([Component(name="crops", count=3)], wide)]
    assert lefts == [(1, 2), (1, 0), (1, 4)]


def test_sizes_are_larger_and_smaller_windows_resized_to_the_input() -> None:
    plain, small, large = augmented(Component(name="sizes", scales=[0.75, 1.25]))
    np.testing.assert_array_equal(plain, window(2, 1))
    for number, stored in enumerate(STORED):
        image = Image.fromarray(stored)
        inner = image.crop((3, 4, 12, 16)).resize((12, 16), Image.Resampling.BILINEAR)
        full_picture = image.resize((12, 16), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(small[number], np.asarray(inner))
        np.testing.assert_array_equal(large[number], np.asarray(full_picture))


def test_entries_multiply_whatever_their_order() -> None:
    names = [
        Component(name="flip"),
        Component(name="crops"),
        Component(name="sizes", scales=[0.75]),
    ]
    views_by_order = [tta_views(order, GEOMETRY) for order in itertools.permutations(names)]
    assert all(each[0] == PLAIN_VIEW for each in views_by_order)
    assert {frozenset(each) for each in views_by_order} == {frozenset(views_by_order[0])}
    assert len(views_by_order[0]) == 2 * 5 * 2
    assert len({tta_digest(each) for each in views_by_order}) == 1
    assert tta_digest(views_by_order[0]) != tta_digest(views_by_order[0][1:])
    for tta_view in views_by_order[0]:
        picture = tta_view.apply(STORED, GEOMETRY)
        assert picture.shape == (3, 16, 12, 3)
        one = tta_view.apply(STORED[1], GEOMETRY)
        np.testing.assert_array_equal(one, picture[1])


def test_what_shows_the_same_counts_once() -> None:
    """A window as large as the stored photo has nowhere to go, and a scale of 1 is the input's."""
    both = [Component(name="crops"), Component(name="sizes", scales=[1.0, 1.25])]
    assert len(tta_views(both, GEOMETRY)) == 5 + 1
    assert len(tta_views([Component(name="flip")] * 2, GEOMETRY)) == 2


@pytest.mark.parametrize(
    ("entry", "geometry", "message"),
    [
        (
            Component(name="flop"),
            GEOMETRY,
            "unknown test-time augmentation flop; did you mean flip",
        ),
        (Component(name="flip", p=0.5), GEOMETRY, "tta flip: .*unexpected keyword argument 'p'"),
        (Component(name="crops", count=4), GEOMETRY, "tta crops: count is 4; it is 3 or 5"),
        (Component(name="crops"), Geometry(16, 12), "tta crops: photo.margin leaves no room"),
        (Component(name="sizes", scales=[1.26]), GEOMETRY, "tta sizes: .*1.26; .* at most 1.25,"),
        (
            Component(name="sizes", scales=[1.1]),
            Geometry(16, 12),
            "at most 1, which is 1 \\+ photo",
        ),
        (Component(name="sizes", scales=[0]), GEOMETRY, "a scale is above 0"),
        (Component(name="sizes", scales=["x"]), GEOMETRY, "tta sizes: "),
    ],
)
def test_what_cannot_be_is_told(entry: Component, geometry: Geometry, message: str) -> None:
    with pytest.raises(MaskgateError, match=message):
        tta_views([entry], geometry)


def test_the_largest_scale_shows_all_that_is_stored_whatever_is_rounded() -> None:
    for height, margin in itertools.product(range(8, 40), (0.05, 0.125, 0.3)):
        geometry = Geometry(height, height + 3, margin)
        (_, largest) = tta_views([Component(name="sizes", scales=[1 + margin])], geometry)
        assert largest.window(geometry) == (0, 0, *geometry.stored)
