"""Which adjustments there are, and that applying what was learned needs NumPy alone."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.ensemble import combining
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import MaskgateError

ALL = tuple(labels.ATTRIBUTES)


APPLIED = """
import sys
sys.modules.update(dict.fromkeys(("pandas", "scipy", "sklearn", "torch")))  # no import works
import maskgate.ensemble.combining
assert not [name for name in sys.modules if name.startswith("maskgate.ensemble.learning")]
"""


def test_what_was_learned_is_applied_without_what_learns_it() -> None:
    subprocess.run([sys.executable, "-c", APPLIED], check=True)


def adjusted(*adjustments: Any) -> EnsembleSpec:
    return EnsembleSpec(
        Component(name="soft_vote"), tuple(map(Component.model_validate, adjustments))
    )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (adjusted({"name": "ofsets"}), r"unknown adjustment ofsets; did you mean offsets\?"),
        (adjusted({"name": "offsets", "penalty": 1}), "offsets takes no arguments; remove penalty"),
        (adjusted({"name": "near_tie", "witin": 1}), "near_tie takes within; remove witin"),
        (adjusted({"name": "near_tie", "within": "x"}), "within is a number from 0, not x"),
        (adjusted({"name": "near_tie", "within": -1}), "within is a number from 0, not -1"),
        (
            EnsembleSpec(
                Component(name="soft_vote"),
                (Component.model_construct(name="near_tie", within=np.inf),),
            ),
            "number from 0, not inf",
        ),
        (adjusted({"name": "offsets"}, {"name": "offsets"}), "offsets is listed twice"),
    ],
)
def test_what_cannot_be_adjusted_is_refused(how: EnsembleSpec, message: str) -> None:
    with pytest.raises(MaskgateError, match=message):
        combining.check(how, [ALL, ALL])
