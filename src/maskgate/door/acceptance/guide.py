"""The guided check in the terminal: who steps up, what the kiosk says, how it went."""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from maskgate.core.progress import say
from maskgate.door.acceptance import measuring
from maskgate.door.acceptance.feed import LOST, NO_KIOSK, Feed
from maskgate.door.acceptance.keyboard import Keyboard
from maskgate.door.acceptance.measuring import FREE, Change, Outcome
from maskgate.door.acceptance.passages import Passage
from maskgate.door.acceptance.record import Attempt, Record, RedoReason, SkipReason
from maskgate.door.acceptance.texts import Texts
from maskgate.errors import MaskgateError

Reason = TypeVar("Reason")
_REDO: Final[dict[str, RedoReason]] = {"1": "mistake", "2": "disturbed", "3": "technical"}
_SKIP: Final[dict[str, SkipReason]] = {"1": "nobody", "2": "place"}
_TICK: Final = 0.05  # seconds
_GONE: Final = frozenset({LOST, NO_KIOSK, "silent", "stopping"})


class Guide:
    """Leads through the passages that a record lacks; `save` is called after each change of it."""

    def __init__(
        self,
        passages: Sequence[Passage],
        record: Record,
        texts: Texts,
        *,
        feed: Feed,
        keyboard: Keyboard,
        save: Callable[[], None],
    ) -> None:
        self._passages, self._record, self._texts = passages, record, texts
        self._feed, self._keyboard, self._save = feed, keyboard, save

    def run(self) -> None:
        """Until every passage is done. Raises MaskgateError if the operator stops."""
        count, done = len(self._passages), len(self._record.valid())
        self._say("policy_" + self._record.checked.policy)
        self._say("intro", count=count)
        self._say("intro_keys")
        if done:
            self._say("resumed", done=done, count=count)
        while True:
            number = self._record.following(count)
            if number is None:
                if self._is_finished():
                    return
                continue
            self._passage(number)

    def _passage(self, number: int) -> None:
        """One passage: it is measured, skipped, or the one before is to be repeated."""
        passage, count = self._passages[number], len(self._passages)
        text = self._texts.passages[passage.name]
        say("")
        self._say("passage", number=number + 1, count=count, title=text.title)
        say(f"  {text.task}{' ' + self._texts.labels['again'] if passage.is_again else ''}")
        match self._start():
            case "s":
                self._skip(number)
            case "r":
                self._redo()
            case start:
                assert isinstance(start, int)
                outcome = self._measure(passage, start)
                if outcome is None:
                    self._say("lost")
                    return
                self._say("thanks", result=describe(outcome, self._texts))
                self._add(Attempt(passage=number, outcome=outcome))

    def _start(self) -> int | str:
        """The number of the change since which nobody is in front, when the operator says that
        somebody steps up; or another key."""
        free: int | None = None
        is_asked = False
        while True:
            line = self._keyboard.line(_TICK)
            latest = len(self._feed.changes) - 1
            screen = self._feed.changes[latest][1]
            if screen in FREE:
                if free is None:
                    self._say("ready")
                free = latest
            elif screen in _GONE or (free is None and not is_asked):
                if free is not None or not is_asked:
                    self._say("wait", state=self._texts.state(screen))
                free, is_asked = None, True
            match line:
                case None:
                    pass
                case "":
                    if free is not None:
                        self._say("started")
                        return free
                    self._say("wait", state=self._texts.state(screen))
                case "s" | "r":
                    return line
                case "q":
                    done = len(self._record.valid())
                    raise MaskgateError(
                        f"stopped after {done} of {len(self._passages)} passages; repeat the"
                        " command to resume, or add --partial for a page of these"
                    )
                case _:
                    self._say("unknown_key")

    def _measure(self, passage: Passage, start: int) -> Outcome | None:
        """Follow the kiosk until the outcome is clear; None if it was lost."""
        enter, printed = time.monotonic(), start + 1
        while True:
            self._keyboard.line(_TICK)  # what is typed meanwhile was not meant for the next passage
            changes: list[Change] = self._feed.changes[start:]
            for at, screen in self._feed.changes[printed:]:
                seconds = max(0.0, at - enter)
                say(
                    "  "
                    + self._texts.label("said", seconds=seconds, state=self._texts.state(screen))
                )
                printed += 1
            if any(screen in _GONE for _, screen in changes):
                return None
            outcome = measuring.outcome(changes, enter, time.monotonic(), passage)
            if outcome is not None:
                return outcome

    def _skip(self, number: int) -> None:
        title = self._texts.passages[self._passages[number].name].title
        reason = self._ask("ask_skip", title, _SKIP)
        if reason is not None:
            self._add(Attempt(passage=number, skip=reason))

    def _redo(self) -> None:
        last = self._record.last()
        if last is None:
            self._say("nothing_before")
            return
        title = self._texts.passages[self._passages[last.passage].name].title
        reason = self._ask("ask_redo", title, _REDO)
        if reason is not None:
            last.redo = reason
            self._save()

    def _ask(self, question: str, title: str, reasons: dict[str, Reason]) -> Reason | None:
        """One of the reasons by its key; None for an empty line."""
        self._say(question, title=title)
        while True:
            line = self._keyboard.line(_TICK)
            if line == "":
                return None
            if line is not None and line in reasons:
                return reasons[line]
            if line is not None:
                self._say(question, title=title)

    def _is_finished(self) -> bool:
        """Whether the operator does not repeat the last passage."""
        self._say("last")
        while (line := self._keyboard.line(_TICK)) not in ("", "r"):
            if line is not None:
                self._say("last")
        if line == "r":
            self._redo()
        return line == ""

    def _add(self, attempt: Attempt) -> None:
        self._record.attempts.append(attempt)
        self._save()

    def _say(self, label: str, **values: object) -> None:
        say(self._texts.label(label, **values))


def describe(outcome: Outcome, texts: Texts) -> str:
    """An outcome in words, without its time if it has none."""
    if outcome.is_let_in:
        return texts.labels["let_in"]
    if not outcome.is_right:
        return texts.labels["wrong"]
    words = (
        texts.labels["right"]
        if outcome.seconds is None
        else texts.label("right_after", seconds=outcome.seconds)
    )
    return words if outcome.is_held else f"{words}, {texts.labels['not_held']}"
