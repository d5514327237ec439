"""The rule by which a door may open, and the page."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from scipy.stats import binomtest

from maskgate.door.acceptance import page, rule, texts
from maskgate.door.acceptance.measuring import Outcome
from maskgate.door.acceptance.page import Check
from maskgate.door.acceptance.passages import passages
from maskgate.door.acceptance.record import Attempt, Checked, Record
from maskgate.door.acceptance.rule import Limits, Share
from maskgate.door.server import states

PASSAGES = passages("worn")
LIMITS = Limits(let_through=7, stopped=10, median=3, slowest=8)
CHECKED = Checked(
    door="main", policy="worn", model="the default model", digest="ab" * 32, version="1.0",
    unsure_below=0.6, near=0.1,
)  # fmt: skip
GO = [number for number, each in enumerate(PASSAGES) if each.may_pass]
STOP = [number for number, each in enumerate(PASSAGES) if each.may_not_pass]


def check(language: str = "en", **changes: Any) -> Check:
    """A check in which all went well, but for passages by `p3=Attempt(…)`, or None to leave out."""
    attempts = []
    for number in range(20):
        right = Outcome(is_right=True, seconds=1 + 0.1 * number, is_held=True, is_let_in=False)
        attempt = changes.pop(f"p{number}", Attempt(passage=number, outcome=right))
        if attempt is not None:
            attempts.append(attempt)
    record = Record(checked=CHECKED, attempts=attempts)
    return Check(PASSAGES, record, LIMITS, texts.load(language), **changes)


def bad(number: int, **changes: Any) -> Attempt:
    values = {"is_right": True, "seconds": 2.0, "is_held": True, "is_let_in": False} | changes
    return Attempt(passage=number, outcome=Outcome(**values))


@pytest.mark.parametrize(("count", "total"), [(0, 12), (1, 12), (6, 7), (8, 8), (0, 1), (50, 99)])
def test_intervals_are_wilsons(count: int, total: int) -> None:
    expected = binomtest(count, total).proportion_ci(method="wilson")
    assert Share(count, total).interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_without_any_the_interval_is_everything() -> None:
    assert Share(0, 0).interval == (0, 1)


def test_a_door_that_may_open() -> None:
    passed = check()
    assert passed.conclusion == "open"
    assert passed.findings.median == pytest.approx(1.95)
    assert passed.findings.slowest == pytest.approx(2.805)


@pytest.mark.parametrize(
    ("part", "attempts"),
    [
        ("let_in", [bad(STOP[0], is_let_in=True)]),
        ("let_through", [bad(number, is_held=False) for number in GO[:2]]),
        ("stopped", [bad(each, is_right=False, seconds=None, is_held=False) for each in STOP[:3]]),
        ("median", [bad(number, seconds=3.05) for number in range(11)]),
        ("slowest", [bad(number, seconds=9.0) for number in GO[:2]]),
        ("complete", [Attempt(passage=each, skip="nobody") for each in (GO[0], *STOP[:2])]),
    ],
)
def test_each_part_of_the_rule(part: str, attempts: list[Attempt]) -> None:
    failed = check("en", **{f"p{each.passage}": each for each in attempts})
    met = rule.requirements(failed.findings, LIMITS)
    assert [name for name, is_met in met.items() if not is_met] == [part]
    assert failed.conclusion == "closed"
    fewer = check("en", **{f"p{each.passage}": each for each in attempts[1:]})
    assert fewer.conclusion == "open", "one less is allowed"


def test_a_check_that_is_not_complete() -> None:
    assert check(p19=None).conclusion == "incomplete"
    wrong = check(p19=None, p1=bad(1, is_let_in=True))
    assert wrong.conclusion == "closed", "which no other passage can change"


def test_a_repeated_passage_does_not_count_but_is_named() -> None:
    done = check()
    wrong = bad(1, is_let_in=True)
    wrong.redo = "disturbed"
    done.record.attempts.insert(0, wrong)
    assert done.conclusion == "open"
    text = page.html(done)
    assert "Repeated passages: 1: somebody else in the picture (1)." in text
    assert page.explanation(done) == (
        "Every part of the rule is met. Passages that were repeated after somebody who may not pass"
        " saw “Please go in”: 1."
    )


class Structure(HTMLParser):
    """Which elements are open, so that each is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag != "meta":
            self.open.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onclick", "style"}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_is_whole_and_says_why(language: str) -> None:
    failed = check(
        language, p1=bad(1, is_let_in=True), p2=Attempt(passage=2, skip="nobody"), p3=None,
        p5=bad(5, is_held=False), site="<b>North & South", date="2026-11-27",
    )  # fmt: skip
    text = page.html(failed)
    structure = Structure()
    structure.feed(text)
    assert not structure.open
    assert "http" not in text and "@import" not in text and "url(" not in text
    assert "<b>North" not in text and "&lt;b&gt;North &amp; South · 2026-11-27" in text
    assert "ab" * 32 in text and f'<html lang="{language}">' in text
    assert 'section class="conclusion closed"' in text
    for task in failed.texts.passages:
        if task in {each.name for each in PASSAGES}:
            assert failed.texts.passages[task].title in text
    assert not re.search(r"\{\w+", re.sub("(?s)<style>.*?</style>", "", text))
    assert failed.texts.labels["rule_let_in"] in page.explanation(failed)


def test_every_label_is_used_and_every_state_has_words() -> None:
    folder = Path(page.__file__).parent
    sources = "".join(path.read_text("utf-8") for path in folder.glob("*.py")).replace("'", '"')
    english, korean = texts.load("en"), texts.load("ko")
    for label in english.labels:
        stem = label.removeprefix("rule_").removeprefix("reason_").removeprefix("policy_")
        assert f'"{label}"' in sources or f'"{stem}"' in sources or stem in ("worn", "bare"), label
    reported = {*get_args(states.State), *get_args(states.Reason)} - {"none"}
    assert reported <= set(english.states)
    assert korean.labels.keys() == english.labels.keys()
