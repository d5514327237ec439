"""The readings of the latest frames vote."""

import pytest

from maskgate.door.decision.voting import FEWEST, SPAN, WINDOW, Value, Vote


def vote(readings: str, interval: float = 0.1) -> list[Value]:
    """The verdict after each reading: g(o), c(over), p(ut_on), m(oment), f(ar)."""
    names: dict[str, Value] = {
        "g": "go", "c": "cover", "p": "put_on", "m": "moment", "f": "closer",
    }  # fmt: skip
    one, verdicts = Vote(0.0), []
    for number, letter in enumerate(readings):
        one.add(names[letter], interval * number)
        verdicts.append(one.verdict)
    return verdicts


@pytest.mark.parametrize("interval", [0.04, 0.1, 0.25])
@pytest.mark.parametrize("letter", ["g", "c", "p"])
def test_a_verdict_needs_some_frames_and_some_time(letter: str, interval: float) -> None:
    verdicts = vote(40 * letter, interval)
    first = next(number for number, each in enumerate(verdicts) if each != "moment")
    assert first + 1 >= FEWEST
    assert SPAN <= interval * first < SPAN + interval + 1e-9
    assert len(set(verdicts[first:])) == 1


def test_two_of_three_are_not_enough() -> None:
    assert vote("ppg", 0.4) == ["moment"] * 3
    assert vote("ppgp", 0.4)[-1] == "put_on"
    assert vote("ggpg", 0.4)[-1] == "go"


def test_to_go_takes_three_quarters() -> None:
    assert vote(4 * "pgg")[-1] == "moment"
    assert vote(4 * "ppg")[-1] == "put_on"
    assert vote(4 * "gggp")[-1] == "go"


@pytest.mark.parametrize("error", ["p", "c", "m", "f"])
def test_an_error_of_a_second_gives_no_other_verdict(error: str) -> None:
    verdicts = vote(30 * "g" + 10 * error + 30 * "g")
    assert set(verdicts[10:]) <= {"go", "moment"} and verdicts[-1] == "go"
    assert set(vote(30 * "p" + 10 * "g" + 30 * "p")[10:]) == {"put_on"}


def test_go_ends_within_a_second_and_another_verdict_follows() -> None:
    verdicts = vote(30 * "g" + 30 * "p")
    assert "go" not in verdicts[39:]
    assert "put_on" in verdicts[30 : 30 + round(WINDOW / 0.1)]


def test_most_unsure_frames_ask_for_another_look() -> None:
    assert vote(20 * "p" + 20 * "m")[-1] == "moment"
    assert vote(20 * "m")[-1] == "moment"
    assert vote(20 * "gmm")[-1] == "moment"


def test_since_is_when_the_verdict_changed_last() -> None:
    one = Vote(7.0)
    assert (one.verdict, one.since) == ("moment", 7.0)
    for number in range(20):
        one.add("cover", 7 + 0.1 * number)
    assert one.verdict == "cover" and one.since == pytest.approx(7 + SPAN)
