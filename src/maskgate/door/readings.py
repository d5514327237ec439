"""What one verdict says under the policy of a door; `decision/` makes one of many."""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.door.costs import Choice, Costs
from maskgate.door.verdict import Verdict

Policy = Literal["worn", "bare"]
Reading = Literal["go", "put_on", "cover", "take_off", "moment"]

_BY_POLICY: Final[dict[Policy, dict[str, Reading]]] = {
    "worn": {"wear": "go", "incorrect": "cover", "not_wear": "put_on"},
    "bare": {"wear": "take_off", "incorrect": "take_off", "not_wear": "go"},
}


def reading(verdict: Verdict, policy: Policy, costs: Costs | None = None) -> Reading:
    """What the verdict says of the person: `go` if the policy lets them pass, otherwise what they
    should do; `moment` is another look. The model must predict masks.

    Another look is needed if it is unsure whether the person may pass, or, with `costs`, if that
    costs the least. Between two states with which the person may not pass, the likelier one counts.
    """
    assert verdict.mask is not None
    masks = labels.marginals(verdict.probabilities[None])["mask"]
    passes = float(may_pass(masks, policy)[0])
    choice = _sure(passes, verdict.mask.threshold) if costs is None else costs.choice(passes)
    if choice != "stop":
        return "go" if choice == "go" else "moment"
    others = [code for code in range(len(labels.MASKS)) if code != passing_state(policy)]
    likeliest = max(others, key=lambda code: float(masks[0, code]))
    return _BY_POLICY[policy][labels.MASKS[likeliest]]


def _sure(passes: float, threshold: float) -> Choice:
    """What to do with a person who may pass with this probability, where an answer that is less
    probable than the threshold is unsure."""
    if max(passes, 1 - passes) < threshold:
        return "look"
    return "go" if passes > 0.5 else "stop"


def may_pass(masks: npt.NDArray[np.floating], policy: Policy) -> npt.NDArray[np.floating]:
    """The probability (N,) that a person may pass, from those of the mask states (N, 3)."""
    return masks[:, passing_state(policy)]


def passing_state(policy: Policy) -> int:
    """The code of the mask state with which people may pass."""
    return [_BY_POLICY[policy][state] for state in labels.MASKS].index("go")
