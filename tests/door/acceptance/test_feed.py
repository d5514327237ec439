"""What the kiosk at a door says, followed over losses of the service."""

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from maskgate.door.acceptance import feed
from maskgate.door.acceptance.feed import Feed
from maskgate.door.acceptance.service import LostError, Service
from maskgate.errors import MaskgateError
from tests.door.server.conftest import wait_until


def event(state: str, kiosk: int = 1, door: str = "main", reason: str | None = None) -> Any:
    return {"kind": "state", "state": state, "kiosk": kiosk, "door": door, "reason": reason}


class Events:
    """A service whose connections give these events, or raise these errors, one after another; the
    last one stays open until `end` is set."""

    url = "http://door"

    def __init__(self, *connections: list[Any]) -> None:
        self._connections = list(connections)
        self.end = threading.Event()

    def events(self) -> Iterator[Any]:
        for each in self._connections.pop(0):
            if isinstance(each, Exception):
                raise each
            yield each
        self.end.wait(20)


def screens(*connections: list[Any], count: int) -> list[str]:
    """What a feed has noted of these connections when there are so many changes."""
    service = Events(*connections)
    followed = Feed(cast(Service, service), "main")
    followed.start()
    wait_until(lambda: len(followed.changes) >= count)
    followed.stop()
    service.end.set()
    times = [time for time, _ in followed.changes]
    assert times == sorted(times)
    return [screen for _, screen in followed.changes]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_RETRY", 0.01)


def test_a_service_that_is_lost_without_a_word() -> None:
    noted = screens(
        [None, event("go"), LostError()],
        [MaskgateError("no service answers")],
        [None, event("go")],
        count=5,
    )
    assert noted == ["closed", "go", "lost", "closed", "go"]


def test_other_doors_and_other_events_do_not_count() -> None:
    alert = {"kind": "alert", "reason": "help", "door": "main"}
    noted = screens(
        [event("empty"), event("go", 2, "north"), alert, event("none", reason="dark")], count=3
    )
    assert noted == ["closed", "empty", "dark"]


def test_of_two_kiosks_one_that_says_go_counts() -> None:
    events = [
        event("empty"), event("go", 2), event("put_on"), event("none", 2, reason="closed"),
        event("none", 1, reason="closed"),
    ]  # fmt: skip
    assert screens(events, count=5) == ["closed", "empty", "go", "put_on", "closed"]


def test_a_service_that_stops_at_once() -> None:
    with pytest.raises(MaskgateError) as raised:
        Feed(cast(Service, Events([None, LostError()])), "main").start()
    assert str(raised.value) == "http://door: the service has stopped; start it"
