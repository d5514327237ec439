"""A kiosk's page that shows a camera of the service: it asks, and gets the newest picture with the
verdicts on it.

The page asks for each picture by a number of its own, and counts the picture as no younger than its
age at the time when it asked. So what a slow connection has held up is never taken for new.
"""

import time
from collections import deque
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maskgate.door.server import answers
from maskgate.door.server.cameras import ServiceCamera, Shot
from maskgate.door.server.connection import Connection
from maskgate.door.server.states import KioskState

_LATEST: Final = 2  # requests that may wait; of more, the newest count


class Request(BaseModel):
    """A message of the page: it wants the next picture, as the frame of this number."""

    next: int = Field(ge=1, le=2**53)
    model_config = ConfigDict(extra="forbid", strict=True)


class Screen:
    """One open connection of a page. Its `state` decides on every frame that the camera gives, also
    on those that the page is too slow to get."""

    def __init__(self, connection: Connection, camera: ServiceCamera, state: KioskState) -> None:
        self._connection, self._camera, self._state = connection, camera, state
        self._requests: deque[tuple[int, float]] = deque(maxlen=_LATEST)  # numbers and times
        self._newest: tuple[Shot, dict[str, Any]] | None = None  # that was not sent yet

    def stop(self) -> None:
        """Close."""
        self._connection.stop()

    async def run(self) -> None:
        """Until the page leaves, or `stop`."""
        self._camera.viewers.add(self._see)
        try:
            await self._connection.run(self._answer, self._refuse, self._take_text)
        finally:
            self._camera.viewers.discard(self._see)

    def _see(self, shot: Shot) -> None:
        """The camera has something new."""
        content: dict[str, Any] = {}
        if shot.fault is not None:
            self._state.restart()
            content = {"fault": shot.fault}
        elif shot.judged is not None and shot.answer is not None:
            situation = self._state.decide(shot.judged, shot.time)
            content = shot.answer | answers.of_situation(situation, shot.time)
        elif self._newest is not None and self._newest[0].judged is not None:
            return  # a frame still waits
        self._newest = shot, content
        self._connection.wake()

    async def _answer(self) -> None:
        if self._newest is None or not self._requests:
            return
        (shot, content), self._newest = self._newest, None
        number, arrival = self._requests.popleft()
        age = round(arrival - shot.time, 3)
        await self._connection.send({"frame": number, "age": age, **content}, shot.picture)

    def _refuse(self, _: bytes) -> None:
        raise ValueError("the service reads this camera: send no frames")

    def _take_text(self, text: str) -> None:
        try:
            request = Request.model_validate_json(text)
        except ValidationError:
            self._state.report(text)
            return
        self._requests.append((request.next, time.monotonic()))
        self._connection.wake()
