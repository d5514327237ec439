"""Videos and folders of photos as cameras: every frame that is due is judged, by its own time, so
that the events are the same on a fast machine and on a slow one."""

import contextlib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from maskgate.core.progress import log
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.reader_thread import ReaderThread
from maskgate.door.cameras.specs import CameraSpec
from maskgate.door.cameras.video import OPEN_TIME, Video, VideoError, reason
from maskgate.errors import MaskgateError
from maskgate.imaging import photo_files, pixels
from maskgate.imaging.pixels import PhotoError

_AHEAD: Final = 2  # frames that are decoded before they are needed
_WAIT: Final = 0.25  # seconds for the next frame, then others are looked at


class StoredCamera:
    """A video or a folder of photos, of which `rate` frames a second are judged; see `Camera`. The
    photos of a folder, by name, are that far apart. Raises MaskgateError if it cannot be read."""

    dropped = 0

    def __init__(self, spec: CameraSpec, rate: float) -> None:
        self.spec, self.has_ended = spec, False
        self._rate = rate
        if spec.kind == "photos":
            self._frames = _of_photos(spec, rate)
        else:
            self._frames = _of_video(spec, rate)
        self._queue: queue.Queue[Frame | None] = queue.Queue(_AHEAD)
        self._stopping = threading.Event()
        self._thread = ReaderThread(self._run, f"camera-{spec.name}", OPEN_TIME)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> Frame | None:
        if self.has_ended:
            return None
        try:
            frame = self._queue.get(timeout=_WAIT)
        except queue.Empty:
            return None
        self.has_ended = frame is None
        return frame

    def stop(self) -> None:
        self._stopping.set()
        self._thread.end()

    def _run(self) -> None:
        try:
            for frame in self._frames:
                self._put(frame)
                if self._stopping.is_set():
                    return
        except Exception as error:  # whatever it is, the others are to know that there is no more
            log(f"camera {self.spec.name}: {_reason(error)}; the rest of the video is left out")
        finally:
            self._put(None)

    def _put(self, frame: Frame | None) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(frame, timeout=_WAIT)
                return


def _of_video(spec: CameraSpec, rate: float) -> Iterator[Frame]:
    """The frames of a video that are due. Raises MaskgateError at once if it cannot be opened."""
    try:
        video = Video(spec, rate)
    except VideoError as error:
        raise MaskgateError(
            f"{spec.source}: no video that can be read ({error}); give another file"
        ) from None

    def frames() -> Iterator[Frame]:
        start: float | None = None
        due = 0.0
        try:
            for number, frame in enumerate(video.frames()):
                time = number / rate if frame.time is None else frame.time
                start = time if start is None else start
                time -= start
                if time < due - 0.001:
                    continue
                due = max(due + 1 / rate, time)
                yield Frame(video.picture(frame), time, video.is_predicted)
        finally:
            video.close()

    return frames()


def _of_photos(spec: CameraSpec, rate: float) -> Iterator[Frame]:
    """The photos of a folder. Raises MaskgateError at once if there is none."""
    paths = sorted(photo_files.list_photos([Path(spec.source)]))
    if not paths:
        raise MaskgateError(f"{spec.source}: no photo in it; give a folder of photos")

    def frames() -> Iterator[Frame]:
        for number, path in enumerate(paths):
            try:
                yield Frame(np.asarray(pixels.decode(path)), number / rate)
            except Exception as error:  # as of a live camera, whose next picture may be better
                log(f"{path}: {_reason(error)}; it is left out")

    return frames()


def _reason(error: Exception) -> str:
    """Why something cannot be read."""
    if isinstance(error, VideoError | PhotoError | MaskgateError):
        return str(error)
    return reason(error)
