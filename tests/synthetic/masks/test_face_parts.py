"""Parts of one face on another."""

import numpy as np
import pytest

from maskgate.synthetic.masks import face_parts
from maskgate.synthetic.masks.face_parts import ENDS, FacePhoto

POINTS = np.array([(-0.5, 0), (0.5, 0), (0, 0.5), (-0.4, 1), (0.4, 1)], dtype=np.float64)


def face(colour: int, scale: float = 40, size: int = 200, angle: float = 0.0) -> FacePhoto:
    """A photo of one colour with a face in its middle, turned by `angle` in the plane."""
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    landmarks = (POINTS - (0, 0.5)) @ turn.T * scale + size / 2
    noise = np.random.default_rng(colour).integers(-9, 10, (size, size, 3))
    return FacePhoto(np.clip(colour + noise, 0, 255).astype(np.uint8), landmarks)


@pytest.mark.parametrize("angle", (0.0, 0.6))
@pytest.mark.parametrize("end", list(ENDS))
def test_it_is_pasted_from_below_the_eyes_to_its_end(end: str, angle: float) -> None:
    target = face(120, angle=angle)
    # The lower half of the source is black: what is pasted of it tells from where to where.
    source = face(120)
    dark = source.photo.copy()
    dark[int(source.landmarks[0, 1]) + 2 :] //= 4
    pasted = face_parts.paste(
        target, FacePhoto(dark, source.landmarks), end, np.random.default_rng(0)
    )
    assert pasted is not None
    eyes = target.landmarks[:2].mean(0)
    down = target.landmarks[3:].mean(0) - eyes
    rows, columns = np.mgrid[:200, :200]
    offset = np.stack([columns, rows], -1) - eyes
    along = offset @ down / (down @ down)
    across = np.abs(offset @ np.array([down[1], -down[0]]) / (down @ down))
    changed = np.abs(pasted.astype(int) - target.photo).mean(-1) > 40
    low, high = ENDS[end]
    middle = across < 0.1
    assert changed[middle & (along > 0.35) & (along < low - 0.06)].all()
    assert not changed[middle & (along < 0.0)].any()
    assert not changed[along > high + 0.35].any()
    assert not changed[across > 1.5].any()


def test_its_colour_is_that_around_the_eyes_of_the_target() -> None:
    bright, dark = face(200), face(70)
    pasted = face_parts.paste(bright, dark, "nose", np.random.default_rng(1))
    assert pasted is not None
    assert abs(float(pasted.mean()) - float(bright.photo.mean())) < 4


def test_a_face_that_is_much_smaller_or_cut_off_is_not_pasted() -> None:
    target, rng = face(120), np.random.default_rng(2)
    assert face_parts.paste(target, face(120, scale=15), "nose", rng) is None
    source = face(120)
    cut = FacePhoto(source.photo[:100], source.landmarks)  # ends at the nose
    assert face_parts.paste(target, cut, "mouth", rng) is None


def test_landmarks_in_one_place_are_no_face() -> None:
    source = face(120)
    point = FacePhoto(source.photo, np.full((5, 2), 100.0))
    assert face_parts.paste(point, source, "nose", np.random.default_rng(3)) is None
    assert face_parts.paste(source, point, "nose", np.random.default_rng(3)) is None
