"""What one verdict says under a policy."""

import pytest

from maskgate import labels
from maskgate.door.readings import Policy, Reading, reading
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


@pytest.mark.parametrize("policy", ["worn", "bare"])
@pytest.mark.parametrize("state", labels.MASKS)
def test_an_unsure_verdict_asks_for_another_look(policy: Policy, state: str) -> None:
    assert reading(of_mask(state, 0.59), policy) == "moment"
    assert reading(of_mask(state, 0.61), policy) != "moment"
