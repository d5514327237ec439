"""What one verdict says under a policy."""

import numpy as np
import pytest

from maskgate import labels
from maskgate.door.readings import Policy, Reading, reading
from maskgate.door.verdict import Verdict, verdicts


def of_mask(state: str, probability: float) -> Verdict:
    """A verdict whose likeliest mask state has this probability, which is at least 1/3."""
    rest = (1 - probability) / (len(labels.MASKS) - 1)
    masks = [probability if name == state else rest for name in labels.MASKS]
    classes = np.repeat(np.array(masks) / 6, 6)[None].astype(np.float32)
    (verdict,) = verdicts(np.array([[1, 2, 3, 4, 0.9]], np.float32), classes, ("mask",))
    return verdict


@pytest.mark.parametrize(
    ("policy", "state", "expected"),
    [
        ("worn", "wear", "go"),
        ("worn", "incorrect", "cover"),
        ("worn", "not_wear", "put_on"),
        ("bare", "wear", "take_off"),
        ("bare", "incorrect", "take_off"),
        ("bare", "not_wear", "go"),
    ],
)
def test_a_certain_verdict(policy: Policy, state: str, expected: Reading) -> None:
    assert reading(of_mask(state, 0.9), policy) == expected


@pytest.mark.parametrize("policy", ["worn", "bare"])
@pytest.mark.parametrize("state", labels.MASKS)
def test_an_unsure_verdict_asks_for_another_look(policy: Policy, state: str) -> None:
    assert reading(of_mask(state, 0.59), policy) == "moment"
    assert reading(of_mask(state, 0.61), policy) != "moment"
