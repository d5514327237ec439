"""The pose of a head from its five landmarks."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from maskgate.synthetic.masks import pose


@pytest.mark.parametrize("yaw", [-60, -10, 20, 65])
@pytest.mark.parametrize("roll", [-30, 15])
@pytest.mark.parametrize("scale", [8, 50, 900])
def test_a_known_pose_is_found_again(
    heads: SimpleNamespace, yaw: float, roll: float, scale: float
) -> None:
    actual = pose.fit(heads.landmarks(yaw, 5, roll, scale))
    assert math.degrees(actual.yaw) == pytest.approx(yaw, abs=5)
    assert math.degrees(actual.pitch) == pytest.approx(5, abs=5)
    assert math.degrees(actual.roll) == pytest.approx(roll, abs=4)
    assert actual.scale == pytest.approx(scale, rel=0.06)


@pytest.mark.parametrize("pitch", [-25, -10, 10, 25])
def test_nodding_is_told_from_its_sign_on(heads: SimpleNamespace, pitch: float) -> None:
    actual = pose.fit(heads.landmarks(10, pitch))
    assert math.degrees(actual.pitch) == pytest.approx(pitch, abs=12)


def test_points_of_the_head_are_projected_where_they_are(heads: SimpleNamespace) -> None:
    points = np.array([(0.0, 1.45, 0.17), (0.0, 0.93, 0.25), (0.9, 0.6, -0.3)])
    actual = pose.fit(heads.landmarks(30, 8, -12)).project(points)
    assert actual == pytest.approx(heads.project(points, 30, 8, -12), abs=2.5)


def test_the_surface_is_pulled_towards_landmarks_of_no_generic_face(heads: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    before, after = [], []
    for _ in range(20):
        points = heads.landmarks(rng.uniform(-40, 40)) + rng.normal(0, 2, (5, 2))
        actual = pose.fit(points)
        before.append(np.abs(points - actual.anchors).mean())
        after.append(np.abs(points - actual.project(pose.GENERIC)).mean())
    assert np.mean(after) < 0.85 * np.mean(before)


def test_an_impossible_turn_is_held_back(heads: SimpleNamespace) -> None:
    points = heads.landmarks()
    points[2] = (200, 50)  # a nose far beside the face
    actual = pose.fit(points)
    assert abs(actual.yaw) <= pose.MOST_YAW
    assert abs(actual.pitch) <= pose.MOST_PITCH
    assert np.isfinite(actual.project(pose.GENERIC)).all()


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 7.0),
        np.full((5, 2), np.nan),
        np.zeros((4, 2)),
        pose.GENERIC[:, :2] * 0.2,
    ],
)
def test_what_is_no_face_is_refused(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match="landmarks"):
        pose.fit(points)
