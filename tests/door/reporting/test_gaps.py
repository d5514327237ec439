from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from maskgate.door.events import CameraBack, CameraLost, Event, Started, Stopped
from maskgate.door.reporting import gaps
from maskgate.door.reporting.gaps import Gap
from maskgate.door.reporting.log import KioskState

START = datetime(2026, 11, 27, tzinfo=UTC)
BOTH = ("front", "back")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def started(minutes: float, cameras: tuple[str, ...] = BOTH) -> Started:
    return Started(time=at(minutes), cameras=cameras, policy="worn", model="0", maskgate="1")


def stopped(minutes: float, cameras: tuple[str, ...] = BOTH) -> Stopped:
    return Stopped(time=at(minutes), cameras=cameras, policy="worn", model="0", maskgate="1")


def lost(minutes: float, camera: str, reason: str = "dark") -> CameraLost:
    return CameraLost.model_validate(
        {"time": at(minutes), "camera": camera, "policy": "worn", "reason": reason}
    )


def back(minutes: float, camera: str, gap: float = 60) -> CameraBack:
    return CameraBack(time=at(minutes), camera=camera, policy="worn", reason="dark", gap=gap)


def minutes(time: datetime) -> float:
    return (time - START).total_seconds() / 60


def spans(events: Sequence[Event], end: float) -> list[tuple[str, str, float, float]]:
    return [
        (gap.camera, gap.reason, minutes(gap.start), minutes(gap.end))
        for gap in gaps.of_cameras(events, at(end))
    ]


def test_a_fault_lasts_until_the_camera_is_back_or_the_reason_changes() -> None:
    events: list[Event] = [started(0), lost(5, "front"), lost(7, "front", "lost"), back(9, "front")]
    assert spans(events, 20) == [("front", "dark", 5, 7), ("front", "lost", 7, 9)]
    assert spans([started(0), lost(5, "back", "frozen")], 8) == [("back", "frozen", 5, 8)]


def test_a_fault_that_began_before_the_log_is_as_long_as_it_says() -> None:
    assert spans([back(9, "front", gap=120)], 20) == [("front", "lost", 7, 9)]


def test_nothing_runs_between_an_end_and_the_next_start() -> None:
    events: list[Event] = [started(0, ("front",)), stopped(10, ("front",)), started(15, ("front",))]
    assert spans(events, 20) == [("front", "stopped", 10, 15)]


def test_after_a_kill_it_may_have_run_until_its_last_event() -> None:
    events: list[Event] = [started(0), lost(1, "back"), back(4, "back"), started(9)]
    assert sorted(spans(events, 20)) == [
        ("back", "dark", 1, 4), ("back", "ended", 4, 9), ("front", "ended", 4, 9),
    ]  # fmt: skip


def test_a_clock_that_is_set_back_mixes_no_starts() -> None:
    """The first process ends two minutes after the second has started, by the clock on the wall."""
    first, second = ({"process": uuid4()} for _ in range(2))
    events: list[Event] = [
        started(0).model_copy(update=first),
        started(8).model_copy(update=second),
        lost(9, "front").model_copy(update=first),
        stopped(10).model_copy(update=first),
        lost(12, "back").model_copy(update=second),
        back(13, "back").model_copy(update=second),
    ]
    assert sorted(spans(events, 20)) == [
        ("back", "dark", 12, 13), ("back", "ended", 0, 8), ("front", "ended", 0, 8),
    ]  # fmt: skip


def test_a_kiosk_without_verdicts_is_a_gap() -> None:
    def state(minutes: float, name: str, reason: str | None = None) -> KioskState:
        return KioskState(
            kind="state", state=name, reason=reason, door="main", kiosk=1, since=at(minutes),
            time=at(minutes),
        )  # fmt: skip

    kiosk_gaps = gaps.of_kiosks([state(0, "go"), state(2, "none", "frozen"), state(5, "go")], at(9))
    assert kiosk_gaps == [Gap("kiosk main", "frozen", at(2), at(5))]


def test_all_cameras_together_and_the_total_of_one() -> None:
    camera_gaps = [
        Gap("front", "dark", at(0), at(10)),
        Gap("front", "lost", at(5), at(12)),
        Gap("back", "lost", at(11), at(20)),
    ]
    assert gaps.of_all(camera_gaps, BOTH) == [(at(11), at(12))]
    assert gaps.of_all(camera_gaps, [*BOTH, "side"]) == []
    assert gaps.total_seconds(camera_gaps[:2]) == 12 * 60
    (clipped,) = gaps.clipped(camera_gaps, at(15), at(30))
    assert (clipped.start, clipped.end) == (at(15), at(20))
