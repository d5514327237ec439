"""From what the kiosk said during a passage to its outcome. Times are in seconds, of one clock."""

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from maskgate.door.acceptance.passages import GO, Passage

FREE: Final = frozenset({"empty", "closer", "dark"})  # the kiosk says so while nobody is in front
LONGEST: Final = 15.0  # seconds after which a verdict no longer counts
HOLD_GO: Final = 1.5  # seconds that `go` must stay
HOLD_STOP: Final = 4.0  # seconds that another verdict must stay, while the person stands there
Change = tuple[float, str]
"""A time, and what the kiosk says from then on."""


class Outcome(BaseModel):
    """Of one passage. `seconds` from stepping up to the right verdict; None if there was none, or
    if the kiosk said so before. `is_held`: it stayed. `is_let_in`: `go` came, which was wrong."""

    is_right: bool
    seconds: float | None
    is_held: bool
    is_let_in: bool
    model_config = ConfigDict(frozen=True, extra="forbid")


def outcome(
    changes: Sequence[Change], enter: float, now: float, passage: Passage
) -> Outcome | None:
    """The outcome of a passage, None while it is open. `changes` are in order, and the first is
    before `enter`, the time when the operator said that somebody steps up."""
    changes = _of_passage(changes, enter)
    step = min([enter, *(time for time, screen in changes if screen not in FREE)])
    is_let_in = passage.may_not_pass and any(screen == GO for _, screen in changes)
    first = next(
        (
            (number, max(time, step))
            for number, (time, screen) in enumerate(changes)
            if screen in passage.right and _end(changes, number) > step
        ),
        None,
    )
    if first is None:
        if now - enter < LONGEST:
            return None
        return Outcome(is_right=False, seconds=None, is_held=False, is_let_in=is_let_in)
    number, begin = first
    end = begin + (HOLD_STOP if passage.may_not_pass else HOLD_GO)
    if now < end:
        return None
    later = [screen for time, screen in changes[number + 1 :] if time < end]
    stood_before = changes[number][0] < step
    return Outcome(
        is_right=True,
        seconds=None if stood_before else begin - step,
        is_held=all(screen in passage.right for screen in later),
        is_let_in=is_let_in,
    )


def _of_passage(changes: Sequence[Change], enter: float) -> Sequence[Change]:
    """Without what the kiosk said of people who had left before."""
    free = [
        number for number, (time, screen) in enumerate(changes) if time <= enter and screen in FREE
    ]
    return changes[free[-1] :] if free else changes


def _end(changes: Sequence[Change], number: int) -> float:
    return changes[number + 1][0] if number + 1 < len(changes) else float("inf")
