"""What one verdict says under the policy of a door; `decision/` makes one of many."""

from typing import Final, Literal

from maskgate.door.verdict import Verdict

Policy = Literal["worn", "bare"]
Reading = Literal["go", "put_on", "cover", "take_off", "moment"]

_BY_POLICY: Final[dict[Policy, dict[str, Reading]]] = {
    "worn": {"wear": "go", "incorrect": "cover", "not_wear": "put_on"},
    "bare": {"wear": "take_off", "incorrect": "take_off", "not_wear": "go"},
}


def reading(verdict: Verdict, policy: Policy) -> Reading:
    """What the verdict says of the person: `go` if the policy lets them pass, otherwise what they
    should do. It is `moment`, another look, if the mask state is unsure. The model must predict
    masks."""
    assert verdict.mask is not None
    if verdict.mask.is_unsure:
        return "moment"
    return _BY_POLICY[policy][verdict.mask.value]
