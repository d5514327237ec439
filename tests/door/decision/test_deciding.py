"""What a camera sees over time, and what the door says."""

from functools import partial
from typing import Any

import pytest

from maskgate.door.decision import Decision, Situation
from maskgate.door.decision.deciding import HOLD
from maskgate.door.decision.tracking import FORGOTTEN
from maskgate.door.readings import Policy, reading
from tests.door.sample_verdicts import of_mask

SIZE = (640, 480)
INTERVAL = 0.2  # seconds between the frames of `steady`
Face = tuple[float, str, float]
"""The left edge of a face, its mask state and its width."""
FINE: Face = (50, "wear", 120)
BARE: Face = (400, "not_wear", 120)


def decide(frames: list[tuple[float, Any]], policy: Policy = "worn") -> list[list[str]]:
    """What the door says, and to each person, after each frame: its time and its faces, or None at
    a time without a frame."""
    decision = Decision(partial(reading, policy=policy), near=0.1)
    return [_say(_step(decision, time, faces)) for time, faces in frames]


def _step(decision: Decision, time: float, faces: list[Face] | None) -> Situation:
    if faces is None:
        return decision.at(time)
    verdicts = [
        of_mask(state.removesuffix("?"), 0.5 if state.endswith("?") else 0.95,
                (left, 100, left + width, 100 + width))
        for left, state, width in faces
    ]  # fmt: skip
    return decision.update(verdicts, SIZE, time)


def _say(situation: Situation) -> list[str]:
    return [situation.door, *(each.verdict for each in situation.people)]


def steady(*faces: Face, begin: float = 0, count: int = 10) -> list[tuple[float, Any]]:
    """The same faces in each frame."""
    return [(begin + INTERVAL * number, list(faces)) for number in range(count)]


@pytest.mark.parametrize(
    ("policy", "state", "verdict"),
    [
        ("worn", "wear", "go"),
        ("worn", "incorrect", "cover"),
        ("worn", "not_wear", "put_on"),
        ("bare", "wear", "take_off"),
        ("bare", "incorrect", "take_off"),
        ("bare", "not_wear", "go"),
    ],
)
def test_one_person(policy: Policy, state: str, verdict: str) -> None:
    screens = decide(steady((200, state, 120)), policy)
    assert screens[0] == ["moment", "moment"]
    assert screens[-1] == [verdict, verdict]
    first = screens.index([verdict, verdict])
    assert 2 <= first <= 4, "a few frames are needed, but not many"


def test_the_door_says_go_only_when_all_in_front_may() -> None:
    assert decide(steady(FINE, BARE))[-1] == ["put_on", "go", "put_on"]
    assert decide(steady(FINE, (400, "wear", 120)))[-1] == ["go", "go", "go"]
    assert decide(steady(FINE, (400, "wear?", 120)))[-1] == ["moment", "go", "moment"]
    # Somebody far behind does not count, and somebody who steps in front ends go at once.
    assert decide(steady(FINE, (400, "not_wear", 40)))[-1] == ["go", "go", "closer"]
    assert decide([*steady(FINE), (2.0, [FINE, BARE])])[-1] == ["moment", "go", "moment"]


@pytest.mark.parametrize("stays", [True, False])
def test_somebody_who_comes_near_is_in_front_at_once(stays: bool) -> None:
    far, near = (400.0, "not_wear", 60.0), (400.0, "not_wear", 70.0)
    rest = [FINE] if stays else []
    before = [*steady(FINE, far), (2.0, [*rest, far])]
    screens = decide([*before, *steady(*rest, near, begin=2.2)])
    assert screens[10] == ["go", "go", "closer"]
    assert screens[11] == ["moment", "go", "moment"]
    assert "go" not in [door for door, *_ in screens[11:]]
    assert screens[-1][0] == "put_on"


def test_somebody_who_passes_behind_is_never_in_front() -> None:
    far = (400.0, "not_wear", 40.0)
    screens = decide([*steady(FINE), *steady(FINE, far, begin=2.0)])
    assert screens[10:] == [["go", "go", "closer"]] * 10
    assert decide(steady(far))[0] == ["closer", "closer"]


def test_a_face_that_varies_in_width_stays_in_front() -> None:
    frames = [(0.1 * number, [(200, "wear", 62 + 3 * (-1) ** number)]) for number in range(40)]
    doors = [door for door, *_ in decide(frames)]
    assert "closer" not in doors[1:] and doors[-1] == "go"


def test_nobody_and_somebody_far_away() -> None:
    assert decide(steady())[-1] == ["empty"]
    assert decide(steady((200, "wear", 40)))[-1] == ["closer", "closer"]


def test_single_frames_change_nothing() -> None:
    frames = steady((200, "wear", 120), count=40)
    for number in range(9, 40, 6):  # one wrong frame of six
        frames[number] = (frames[number][0], [(200, "not_wear", 120)])
    doors = [door for door, *_ in decide(frames)]
    assert doors[doors.index("go") :] == ["go"] * (40 - doors.index("go"))


def test_go_ends_soon_after_the_mask_is_taken_off() -> None:
    off = steady((200, "not_wear", 120), begin=2.0)
    screens = decide([*steady((200, "wear", 120)), *off])
    after = [door for door, *_ in screens[10:]]
    assert "go" not in after[5:], "after one second"
    assert after[-1] == "put_on"


def test_half_of_the_frames_are_not_enough_to_go() -> None:
    states = ["wear", "not_wear"] * 10
    frames = [(0.2 * number, [(200, state, 120)]) for number, state in enumerate(states)]
    assert all(door != "go" for door, *_ in decide(frames))


def test_go_is_held_for_two_seconds_after_the_person_has_left() -> None:
    frames = [*steady((200, "wear", 120)), *steady(begin=2.0, count=25)]
    doors = [door for door, *_ in decide(frames)]
    last = 25 + 10 - 1 - doors[::-1].index("go")  # the last frame that says go
    assert frames[last][0] - 1.8 - FORGOTTEN == pytest.approx(HOLD, abs=INTERVAL)
    assert doors[last + 1 :] == ["empty"] * (len(doors) - last - 1)


def test_go_ends_when_frames_stop() -> None:
    screens = decide([*steady((200, "wear", 120)), (3.7, None), (3.9, None), (4.1, [])])
    assert screens[-3:] == [["go", "go"], ["empty"], ["empty"]]


def test_a_verdict_after_a_gap_rests_on_new_frames() -> None:
    screens = decide([*steady((200, "wear", 120)), *steady((200, "wear", 120), begin=4.0)])
    assert screens[9] == ["go", "go"]
    assert screens[10] == ["moment", "moment"]


@pytest.mark.parametrize("interval", [0.04, 0.1, 0.25, 0.5, 0.9, 1.5])
def test_a_person_is_kept_at_every_frame_rate(interval: float) -> None:
    decision = Decision(partial(reading, policy="worn"), near=0.1)
    for number in range(40):
        time = interval * number
        faces = [] if number % 7 == 6 else [FINE]  # some frames lack the face
        situation = _step(decision, time, faces)
        assert [each.track for each in situation.people] == [1]
        assert situation.people[0].face == (0 if faces else None)
        assert len(decision.at(time + 0.99 * interval).people) == 1
    assert situation.door == ("go" if interval < 1 else "moment"), "three frames are needed"


def test_people_who_move_keep_their_verdicts() -> None:
    frames = [
        (0.2 * number, [(50 + 15 * number, "wear", 120), (480 - 5 * number, "not_wear", 120)])
        for number in range(12)
    ]
    assert decide(frames)[-1] == ["put_on", "go", "put_on"]


def test_since_is_when_the_verdict_began() -> None:
    decision = Decision(partial(reading, policy="worn"), near=0.1)
    situations = [_step(decision, 10 + 0.2 * number, [FINE]) for number in range(8)]
    assert situations[0].people[0].since == 10
    first = next(number for number, each in enumerate(situations) if each.door == "go")
    assert {each.people[0].since for each in situations[first:]} == {10 + 0.2 * first}


def test_everybody_is_forgotten_at_a_restart() -> None:
    decision = Decision(partial(reading, policy="worn"), near=0.1)
    for time, faces in steady(FINE):
        _step(decision, time, faces)
    decision.restart()
    assert _say(decision.at(2.0)) == ["empty"]
    assert _say(_step(decision, 2.1, [FINE])) == ["moment", "moment"]
