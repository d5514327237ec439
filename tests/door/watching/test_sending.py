"""Of a camera that sends too few frames for a verdict, people read so once."""

import pytest

from maskgate.door.watching.sending import Sending


@pytest.mark.parametrize(("rate", "lines"), [(1, 1), (1.9, 1), (2.5, 0), (10, 0)])
def test_too_few_frames_are_reported_once(
    capsys: pytest.CaptureFixture[str], rate: float, lines: int
) -> None:
    sending = Sending("front", 0.0)
    for number in range(1, round(60 * rate)):
        sending.add(number, number / rate)
    stderr = capsys.readouterr().err
    assert stderr.count("camera front: it sends") == stderr.count("\n") == lines
    if lines:
        assert f"it sends {rate:.1f} frames a second" in stderr


def test_a_camera_that_was_lost_is_not_slow(capsys: pytest.CaptureFixture[str]) -> None:
    sending = Sending("front", 0.0)
    sending.restart(0, 60.0)
    for number in range(200):
        sending.add(number, 60 + number / 10)
    assert not capsys.readouterr().err
