"""S3's rule for near ties, by hand."""

import numpy as np
import pytest

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.ensemble import combining, near_tie
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.ensemble.votes import MemberProbabilities
from maskgate.errors import MaskgateError

ALL = tuple(labels.ATTRIBUTES)


def logits(**class_logits: float) -> np.ndarray:
    """Probabilities (1, 18) of a model with these logits by class number, `c5=1.2`; others −9."""
    values = np.full(labels.COUNT, -9.0)
    for name, value in class_logits.items():
        values[int(name[1:])] = value
    odds = np.exp(values)
    return (odds / odds.sum())[None]


WORN_MAN_OLD, WORN_MAN_MIDDLE, WORN_WOMAN_OLD, WORN_WOMAN_MIDDLE = 2, 1, 5, 4


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        # The worked example: 2.0 and 1.8 are 0.2 apart; the models disagree; the younger.
        (logits(c2=2.0, c1=1.8), logits(c1=3.0, c2=0.0), WORN_MAN_MIDDLE),
        (logits(c1=3.0, c2=0.0), logits(c2=2.0, c1=1.8), WORN_MAN_MIDDLE),  # either may hesitate
        (logits(c2=2.0, c1=1.71), logits(c4=9.0), WORN_MAN_MIDDLE),  # 0.29 is near
        (logits(c2=2.0, c1=1.69), logits(c4=9.0), 7),  # 0.31 is not: what there was stays
        (logits(c2=2.0, c1=1.8), logits(c2=3.0), 7),  # they agree
        (logits(c2=2.0, c4=1.8), logits(c1=3.0), 7),  # the second is another person
        (logits(c2=2.0, c0=1.8), logits(c1=3.0), 7),  # two bands younger
        (logits(c1=2.0, c2=1.8), logits(c2=9.0), 7),  # the first is not the oldest band
        (logits(c1=2.0, c0=1.8), logits(c2=9.0), 7),
        (logits(c5=2.0, c4=1.9), logits(c2=2.0, c1=1.9), WORN_WOMAN_MIDDLE),  # both: the best's
        (logits(c17=1.0, c16=0.9), logits(c0=5.0), 16),
    ],
)
def test_near_ties(first: np.ndarray, second: np.ndarray, answer: int) -> None:
    members = [MemberProbabilities(first, ALL), MemberProbabilities(second, ALL)]
    probabilities = logits(c7=4.0, c3=1.0)  # what stood there before
    moved = near_tie.near_tie(probabilities, members, {"best": [0, 1]})
    assert moved.argmax() == answer
    assert moved.sum() == pytest.approx(1)
    kept = [c for c in range(18) if c not in (7, answer)]
    np.testing.assert_array_equal(moved[0, kept], probabilities[0, kept])


def test_how_near_is_an_argument() -> None:
    members = [
        MemberProbabilities(logits(c2=2.0, c1=1.5), ALL),
        MemberProbabilities(logits(c1=3.0), ALL),
    ]
    for within, answer in ((0.4, WORN_MAN_OLD), (0.6, WORN_MAN_MIDDLE)):
        component = Component.model_validate({"name": "near_tie", "within": within})
        how = Combination(
            EnsembleSpec(Component(name="soft_vote"), (component,)), {"near_tie": {"best": [0, 1]}}
        )
        first = MemberProbabilities(members[0].probabilities, ALL, 100.0)
        assert how([first, members[1]]).argmax() == answer


def test_two_members_know_all() -> None:
    how = EnsembleSpec(Component(name="attributes"), (Component(name="near_tie"),))
    with pytest.raises(MaskgateError, match="predict all attributes, and fewer than two do"):
        combining.check(how, [ALL, ("mask",)])
