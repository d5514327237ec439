"""One photo of each kind, with the mask label that it should have."""

from types import SimpleNamespace

import numpy as np
import pytest

from maskgate import labels
from maskgate.synthetic.masks import drawing, kinds
from maskgate.synthetic.masks.kinds import KINDS
from maskgate.synthetic.masks.outfits import COVERS, SHIELD
from maskgate.synthetic.masks.placements import PLACEMENTS


@pytest.fixture
def face(heads: SimpleNamespace) -> drawing.BareFace:
    return drawing.bare_face(heads.photo(160, 128), heads.landmarks(scale=36))


def test_every_wrong_way_and_cover_is_a_kind() -> None:
    assert {kind for kind, mask in KINDS.items() if mask == "incorrect"} == {*PLACEMENTS} - {"worn"}
    assert {kind for kind, mask in KINDS.items() if mask == "not_wear"} == {
        kinds.BARE, SHIELD, *COVERS
    }  # fmt: skip
    assert set(KINDS.values()) == set(labels.MASKS)
    assert all(KINDS[kind] for kind in kinds.NEEDED)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_what_it_says(face: drawing.BareFace, kind: str) -> None:
    for seed in range(4):
        shot = kinds.draw_kind(face, kind, np.random.default_rng(seed))
        assert shot is not None
        outfit, photo = shot
        if kind == kinds.BARE:
            assert outfit is None
            assert photo is face.photo
            continue
        assert outfit is not None
        assert (photo != face.photo).any()
        assert outfit.is_mask == (KINDS[kind] != "not_wear")
        assert outfit.under_shield == (kind == kinds.MASK_UNDER_SHIELD)
        assert kind in (outfit.style, outfit.placement, kinds.MASK_UNDER_SHIELD)
        assert (outfit.placement == "worn") == (KINDS[kind] == "wear")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != kinds.BARE])
def test_what_is_outside_the_photo_is_no_photo_of_its_kind(
    heads: SimpleNamespace, kind: str
) -> None:
    outside = drawing.bare_face(heads.photo(), heads.landmarks(40, centre=(5000, 9000)))
    assert kinds.draw_kind(outside, kind, np.random.default_rng(0)) is None
