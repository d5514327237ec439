"""What the kiosk at one door says, followed in a thread."""

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from maskgate.door.acceptance.measuring import Change
from maskgate.door.acceptance.passages import GO
from maskgate.door.acceptance.service import LostError, Service
from maskgate.errors import MaskgateError

LOST: Final = "lost"  # the service does not answer
NO_KIOSK: Final = "closed"  # no page is open at the door
_RETRY: Final = 1.0  # seconds
_FIRST: Final = 5.0  # seconds in which a kiosk must say something


class Feed:
    """Follows a door from `start` to `stop`. `changes` only grows: the time, by time.monotonic, and
    what the kiosk says from then on, of `none` its reason. With several kiosks at the door, one
    that says go comes first."""

    def __init__(self, service: Service, door: str) -> None:
        self._service, self._door = service, door
        self._kiosks: dict[int, str] = {}
        self._others: set[str] = set()
        self._is_stopping = False
        self.changes: list[Change] = [(time.monotonic(), NO_KIOSK)]

    @property
    def screen(self) -> str:
        """What the kiosk says now."""
        return self.changes[-1][1]

    def start(self) -> None:
        """Raises MaskgateError if the events cannot be read, or no kiosk is open at the door."""
        events = self._service.events()
        end = time.monotonic() + _FIRST
        try:
            for event in events:
                self._take(event)
                if self._kiosks:
                    break
                if time.monotonic() > end:
                    raise MaskgateError(self._missing())
        except LostError:
            raise MaskgateError(f"{self._service.url}: the service has stopped; start it") from None
        threading.Thread(target=self._follow, args=[events], daemon=True).start()

    def stop(self) -> None:
        """End the thread, within a second or so."""
        self._is_stopping = True

    def _follow(self, events: Iterator[dict[str, Any] | None]) -> None:
        while not self._is_stopping:
            try:
                for event in events:
                    if self._is_stopping:
                        return
                    self._take(event)
            except (LostError, MaskgateError):
                self._kiosks.clear()
                self._say(LOST)
                time.sleep(_RETRY)
            events = self._service.events()

    def _take(self, event: dict[str, Any] | None) -> None:
        if event is None:
            if self.screen == LOST:
                self._say(NO_KIOSK)  # the service is back, and the state of a kiosk follows
            return
        if event.get("kind") != "state":
            return
        if event.get("door") != self._door:
            self._others.add(str(event.get("door")))
            return
        kiosk, state, reason = event.get("kiosk"), event.get("state"), event.get("reason")
        screen = str(reason if state == "none" else state)
        if screen == NO_KIOSK:
            self._kiosks.pop(kiosk, None)  # type: ignore[arg-type]
            left = list(self._kiosks.values())
            screen = left[-1] if left else NO_KIOSK
        else:
            self._kiosks[kiosk] = screen  # type: ignore[index]
        self._say(GO if GO in self._kiosks.values() else screen)

    def _say(self, screen: str) -> None:
        if screen != self.screen:
            self.changes.append((time.monotonic(), screen))

    def _missing(self) -> str:
        place = f"{self._service.url}/kiosk"
        if self._door != "main":
            place += f"?door={self._door}"
        others = (
            f", or name another --door: {', '.join(sorted(self._others))}" if self._others else ""
        )
        return f"no kiosk is open at the door {self._door}; open {place} in its browser{others}"
