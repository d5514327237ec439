"""What one verdict says under a policy."""

import numpy as np
import pytest

from maskgate.door.readings import Policy, Reading, reading
from maskgate.door.verdict import Verdict, verdicts
from tests.door.sample_verdicts import of_mask


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


@pytest.mark.parametrize(("policy", "state"), [("worn", "wear"), ("bare", "not_wear")])
def test_an_unsure_state_that_may_pass_asks_for_another_look(policy: Policy, state: str) -> None:
    assert reading(of_mask(state, 0.59), policy) == "moment"
    assert reading(of_mask(state, 0.61), policy) == "go"


@pytest.mark.parametrize(
    ("policy", "expected"), [("worn", "cover"), ("bare", "take_off")], ids=["worn", "bare"]
)
def test_a_person_who_may_surely_not_pass_is_stopped_though_the_state_is_unsure(
    policy: Policy, expected: Reading
) -> None:
    assert of_mask("incorrect", 0.5).mask.is_unsure
    assert reading(of_mask("incorrect", 0.5), policy) == expected  # .25 may pass
    assert reading(of_mask("incorrect", 0.34), policy) == expected
    assert reading(masks(0.45, 0.5, 0.05), "worn") == "moment"


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_nobody_is_let_in_who_may_more_likely_not_pass(threshold: float) -> None:
    assert reading(masks(0.45, 0.3, 0.25, threshold), "worn") == "cover"
    assert reading(masks(0.55, 0.25, 0.2, threshold), "worn") == "go"


def masks(wear: float, incorrect: float, not_wear: float, threshold: float = 0.6) -> Verdict:
    """A verdict with these probabilities of the mask states."""
    classes = np.repeat(np.array([wear, incorrect, not_wear]) / 6, 6)[None].astype(np.float32)
    box = np.array([[0, 0, 10, 10, 0.9]], np.float32)
    (verdict,) = verdicts(box, classes, ("mask",), {"mask": threshold})
    return verdict
