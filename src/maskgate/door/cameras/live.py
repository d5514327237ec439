"""A live camera: a thread reads it, and the newest frame wins."""

import random
import threading
import time
from typing import Final

from av.error import FFmpegError
from av.video.frame import VideoFrame

from maskgate.core.progress import log
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.reader_thread import ReaderThread
from maskgate.door.cameras.specs import CameraSpec
from maskgate.door.cameras.video import OPEN_TIME, Video, VideoError

FIRST_WAIT: Final = 0.5  # seconds before the camera is opened again; doubled each time …
LONGEST_WAIT: Final = 30.0  # … up to this, with up to half of it less, so that not all come at once
_STEADY: Final = 10.0  # seconds of frames after which waiting starts anew


def waiting_time(failures: int, draw: float) -> float:
    """Seconds before the next attempt after so many failures in a row, at least 1; `draw` is a
    random number from 0 to 1."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 20))
    return longest * (1 - 0.5 * draw)


class LiveCamera:
    """A camera of this machine or of the network; see `Camera`. It is opened again whenever it is
    lost, without end."""

    has_ended = False

    def __init__(self, spec: CameraSpec, rate: float) -> None:
        self.spec, self.dropped = spec, 0
        self._rate = rate
        self._lock = threading.Lock()
        self._newest: tuple[Video, VideoFrame, float] | None = None
        self._stopping = threading.Event()
        self._thread = ReaderThread(self._run, f"camera-{spec.name}", OPEN_TIME)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> Frame | None:
        with self._lock:
            newest, self._newest = self._newest, None
        if newest is None:
            return None
        video, frame, arrived = newest
        try:
            return Frame(video.picture(frame), arrived, video.is_predicted)
        except (VideoError, FFmpegError, ValueError, OSError, MemoryError):
            # A frame that cannot be converted is none.
            return None

    def stop(self) -> None:
        self._stopping.set()
        self._thread.end()

    def _run(self) -> None:
        failures, reason = 0, ""
        while not self._stopping.is_set():
            opened = time.monotonic()
            try:
                self._read()
                problem = "the stream has ended"
            except VideoError as error:
                problem = str(error)
            except Exception as error:  # a fault of one camera, whatever it is, ends none of them
                problem = type(error).__name__
            if self._stopping.is_set():
                return
            failures = 1 if time.monotonic() - opened > _STEADY else failures + 1
            if problem != reason or failures == 1:
                log(f"camera {self.spec.name}: {problem}; it is tried again")
                reason = problem
            self._stopping.wait(waiting_time(failures, random.random()))

    def _read(self) -> None:
        """Read the camera until it is lost. Raises VideoError."""
        video = Video(self.spec, self._rate)
        try:
            for frame in video.frames():
                if self._stopping.is_set():
                    return
                with self._lock:
                    self.dropped += self._newest is not None
                    self._newest = video, frame, video.arrived
        finally:
            video.close()
