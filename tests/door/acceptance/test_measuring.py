"""The outcome of a passage, from what the kiosk said and when."""

import pytest

from maskgate.door.acceptance.measuring import HOLD_GO, HOLD_STOP, LONGEST, Change, outcome
from maskgate.door.acceptance.passages import NAMES, Passage, passages
from maskgate.door.readings import Policy

WORN = Passage("worn", frozenset({"go"}), False)
BARE = Passage("bare", frozenset({"put_on"}), False)
DARK = Passage("bare_dark", frozenset({"put_on", "dark"}), False)


def test_people_who_may_pass() -> None:
    changes = [(0.0, "empty"), (11.0, "moment"), (12.5, "go")]
    assert outcome(changes, 10, 12.5 + HOLD_GO - 0.1, WORN) is None
    result = outcome(changes, 10, 12.5 + HOLD_GO, WORN)
    assert result is not None
    assert (result.is_right, result.seconds, result.is_held) == (True, 2.5, True)
    assert not result.is_let_in


def test_the_time_is_from_the_first_sign_of_somebody() -> None:
    changes = [(0.0, "empty"), (9.0, "moment"), (9.6, "go")]
    result = outcome(changes, 10, 20, WORN)
    assert result is not None and result.seconds == pytest.approx(0.6)


def test_people_who_had_left_before_do_not_count() -> None:
    changes = [(0.0, "empty"), (5.0, "go"), (8.0, "empty"), (10.5, "put_on")]
    result = outcome(changes, 10, 20, BARE)
    assert result is not None
    assert (result.is_right, result.seconds, result.is_let_in) == (True, 0.5, False)


@pytest.mark.parametrize("time", [10.4, 12.0])
def test_a_wrong_go_is_seen_before_the_right_verdict_and_after(time: float) -> None:
    changes: list[Change] = [(0.0, "empty"), (11.0, "put_on"), (time, "go"), (time + 0.2, "put_on")]
    result = outcome(sorted(changes), 10, 20, BARE)
    assert result is not None and result.is_right and result.is_let_in


def test_a_verdict_that_does_not_stay_is_not_held() -> None:
    changes = [(0.0, "empty"), (11.0, "put_on"), (11.0 + HOLD_STOP - 0.5, "moment")]
    result = outcome(changes, 10, 11.0 + HOLD_STOP, BARE)
    assert result is not None and result.is_right and not result.is_held
    changes[-1] = (11.0 + HOLD_STOP + 0.1, "empty")  # they have left
    result = outcome(changes, 10, 20, BARE)
    assert result is not None and result.is_held


def test_no_right_verdict_in_time() -> None:
    changes = [(0.0, "empty"), (11.0, "moment"), (12.0, "cover")]
    assert outcome(changes, 10, 10 + LONGEST - 0.1, BARE) is None
    result = outcome(changes, 10, 10 + LONGEST, BARE)
    assert result is not None
    assert (result.is_right, result.seconds, result.is_held) == (False, None, False)


def test_what_was_said_before_has_no_time() -> None:
    result = outcome([(0.0, "dark")], 10, 20, DARK)
    assert result is not None
    assert (result.is_right, result.seconds, result.is_held) == (True, None, True)


@pytest.mark.parametrize("policy", ["worn", "bare"])
def test_twenty_passages_of_every_kind(policy: Policy) -> None:
    all_passages = passages(policy)
    assert len(all_passages) == 20
    assert {each.name for each in all_passages} <= set(NAMES)
    names = [each.name for each in all_passages]
    for kind in ("nose", "chin", "hand", "glasses", "beard", "two_mixed", "dark", "short"):
        assert any(kind in name for name in names)
    assert [each.is_again for each in all_passages].count(True) == 20 - len(set(names))
    for each in all_passages:
        assert not (each.may_pass and each.may_not_pass)
        if policy == "worn":
            is_worn = each.name.startswith("worn") or each.name == "two_worn"
            assert (each.may_pass, each.may_not_pass) == (is_worn, not is_worn)
        elif each.name != "hand":
            is_bare = each.name.startswith("bare") or each.name == "two_bare"
            assert (each.may_pass, each.may_not_pass) == (is_bare, not is_bare)
