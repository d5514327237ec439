"""A video or a folder of photos in place of a live camera, to try a door without one."""

import time
from dataclasses import replace
from typing import Final

from maskgate.core.progress import log
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.specs import CameraSpec
from maskgate.door.cameras.stored import StoredCamera
from maskgate.errors import MaskgateError

_RETRY: Final = 2.0  # seconds, if the file can no longer be read


class ReplayedCamera:
    """Gives each stored frame when it is due, and begins again after the last one; see `Camera`.
    Times of frames are those of a live camera. Raises MaskgateError if it cannot be read."""

    has_ended = False

    def __init__(self, spec: CameraSpec, rate: float) -> None:
        self.spec, self.dropped, self._rate = spec, 0, rate
        self._stored: StoredCamera | None = StoredCamera(spec, rate)
        self._begin = self._retry = 0.0  # by time.monotonic
        self._next: Frame | None = None

    def start(self) -> None:
        assert self._stored is not None
        self._stored.start()
        self._begin = time.monotonic()

    def take(self) -> Frame | None:
        newest = None
        while (frame := self._following()) is not None:
            due = self._begin + frame.time
            if due > time.monotonic():
                break
            self.dropped += newest is not None
            newest, self._next = replace(frame, time=due), None
        return newest

    def stop(self) -> None:
        if self._stored is not None:
            self._stored.stop()

    def _following(self) -> Frame | None:
        """The frame after the one that was given last; None if it is not read yet."""
        if self._next is None:
            if self._stored is None or self._stored.has_ended:
                self._rewind()
            if self._stored is not None:
                self._next = self._stored.take()
        return self._next

    def _rewind(self) -> None:
        self.stop()
        self._stored, now = None, time.monotonic()
        if now < self._retry:
            return
        self._retry = now + _RETRY
        try:
            self._stored = StoredCamera(self.spec, self._rate)
        except MaskgateError as error:
            log(f"camera {self.spec.name}: {error}")
            return
        self.start()
