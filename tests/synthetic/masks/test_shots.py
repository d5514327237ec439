"""Every photo with a mask shows one, and none is left out that does."""

from types import SimpleNamespace

import numpy as np
import pytest

from maskgate.synthetic.masks import drawing, outfits, shots
from maskgate.synthetic.masks.placements import PLACEMENTS
from maskgate.synthetic.masks.shots import draw_shot

MASKED = ["wear", "incorrect"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_wrong_way_is_drawn() -> None:
    assert set(shots._WRONG_PLACEMENTS) == {*PLACEMENTS} - {"worn"}
    assert sum(shots._WRONG_PLACEMENTS.values()) == pytest.approx(1)


@pytest.mark.parametrize("mask", MASKED)
def test_a_face_beyond_the_edge_has_no_mask(heads: SimpleNamespace, mask: str) -> None:
    face_outside = drawing.bare_face(heads.photo(), heads.landmarks(40, centre=(64, 160)))
    assert draw_shot(face_outside, mask, rng()) is None
    assert draw_shot(face_outside, "not_wear", rng()) is not None


@pytest.mark.parametrize("mask", MASKED)
def test_black_on_black_is_no_mask(heads: SimpleNamespace, mask: str) -> None:
    night = drawing.bare_face(heads.photo(skin=(0, 0, 0), noise=0), heads.landmarks(scale=40))
    for seed in range(5):
        drawn = draw_shot(night, mask, rng(seed))
        assert drawn is None or np.abs(drawn[1].astype(int)).mean() >= shots._MIN_CHANGE


def test_small_faces_in_large_photos_have_masks(heads: SimpleNamespace) -> None:
    photo = heads.photo(500, 700)
    small = drawing.bare_face(photo, heads.landmarks(scale=14, centre=(500, 100)))
    for number, mask in enumerate([*["wear"] * 5, "incorrect"]):
        drawn = draw_shot(small, mask, rng(number))
        assert drawn is not None and drawn[0] is not None
        assert (drawn[0].placement == "worn") == (mask == "wear")
        assert (drawn[1] != photo).any()


def test_what_cannot_be_seen_is_drawn_again(
    heads: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = drawing.bare_face(heads.photo(), heads.landmarks(scale=40))
    first = rng()
    outfit = outfits.random(first, "worn")
    drawn = draw_shot(face, "wear", rng())
    assert drawn is not None
    assert drawn[0] == outfit
    assert (drawn[1] == drawing.draw_outfit(face, outfit, first)).all()
    shares = iter([0.1, 1.0])
    monkeypatch.setattr(drawing, "share_within", lambda *_: next(shares))
    again = draw_shot(face, "wear", rng())
    assert again is not None
    assert again[0] not in (None, outfit)
