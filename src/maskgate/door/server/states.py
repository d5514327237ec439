"""What each kiosk says now: reported by its page over the stream, passed on as events."""

import asyncio
import itertools
from functools import partial
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from maskgate.door.decision import Decision, Situation
from maskgate.door.readings import Policy, reading
from maskgate.door.server.batching import Judged
from maskgate.door.server.events import Events, now
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.settings import Settings

State = Literal[
    "go", "let_in", "cover", "put_on", "take_off", "closer", "moment", "empty", "none",
]  # fmt: skip
Reason = Literal["no_camera", "no_permission", "insecure", "frozen", "dark", "covered", "no_server"]
LEASE: Final = 3.0  # seconds for which a report holds; a page repeats it each second


class Report(BaseModel):
    """What a kiosk's page reports: the state on its screen, with `none` the reason, and the policy
    that it was decided by. With `restart`, which it sends while its camera has a fault or answers
    are late, no frame until the next report without it counts for a later one."""

    state: State
    reason: Reason | None = None
    policy: Policy
    restart: bool = False
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="after")
    def _has_its_reason(self) -> "Report":
        if (self.state == "none") != (self.reason is not None):
            raise ValueError("the state none has a reason, and no other")
        return self


class KioskState:
    """The state of one kiosk, for as long as its stream is open. It ends by itself if the page
    reports nothing for LEASE seconds. Used in one event loop."""

    def __init__(
        self, number: int, door: str, policy: Policy, *, decision: Decision, events: Events
    ) -> None:
        self._number, self._door, self._policy, self._events = number, door, policy, events
        self._decision, self._restarts = decision, False
        self._now: tuple[str, str | None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def report(self, text: str) -> None:
        """A message of the page. One that was decided by another policy is ignored: its page is
        older than the service, and loads itself anew. Raises ValueError for another text."""
        try:
            report = Report.model_validate_json(text)
        except ValidationError as error:
            raise ValueError("not a report") from error  # without the text
        if report.policy != self._policy:
            return
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(LEASE, self._set, "none", "silent")
        if report.restart or self._restarts:
            self._decision.restart()
        self._restarts = report.restart
        self._set(report.state, report.reason)

    def decide(self, judged: Judged, time: float) -> Situation:
        """The situation after a frame that arrived at this time, by time.monotonic. While the page
        has a fault it rests on that frame alone."""
        if self._restarts:
            self._decision.restart()
        return self._decision.update(judged.verdicts, (judged.width, judged.height), time)

    def restart(self) -> None:
        """The camera has a fault: no frame until now counts for a later one."""
        self._decision.restart()

    def close(self) -> None:
        """The page has left."""
        self._stop_timer()
        if self._now is not None:
            self._set("none", "closed")
            self._events.forget(self._number)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _set(self, state: str, reason: str | None) -> None:
        if (state, reason) == self._now:
            return
        self._now = state, reason
        event: dict[str, Any] = {"state": state, "reason": reason, "door": self._door}
        event |= {"kiosk": self._number, "policy": self._policy, "since": now()}
        self._events.change(self._number, event)


class KioskStates:
    """Numbers the kiosks of a service from 1."""

    def __init__(self, events: Events, metrics: Metrics, settings: Settings) -> None:
        self._events, self._settings = events, settings
        self._numbers = itertools.count(1)
        for state in get_args(State):
            metrics.states.labels(state)

    def connect(self, door: str) -> KioskState:
        """The state of a kiosk at a door, whose stream has just opened."""
        kiosk, number = self._settings.kiosk, next(self._numbers)
        rule = partial(reading, policy=kiosk.policy, costs=kiosk.costs)
        decision = Decision(rule, kiosk.near)
        return KioskState(number, door, kiosk.policy, decision=decision, events=self._events)
