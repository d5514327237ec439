"""Opens and decodes the video of a camera or a file, by FFmpeg."""

import time
from collections.abc import Iterator
from typing import Final

import av
import av.logging
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from maskgate.door.cameras.arrivals import Arrivals
from maskgate.door.cameras.specs import CameraSpec
from maskgate.errors import truncate
from maskgate.imaging.pixels import Pixels

OPEN_TIME: Final = 5.0  # seconds in which a camera must answer and say what it sends
READ_TIME: Final = 2.0  # seconds in which the next data must come
LATE_TIME: Final = 3.0  # seconds of nothing but old video after which a camera is given up
MAX_PIXELS: Final = 50_000_000  # of a frame
_UNTIMED: Final = ("mpjpeg", "mjpeg")  # formats whose time stamps FFmpeg only counts up
_EARLY: Final = 0.5  # of the time between two frames: so much sooner one is taken

# What FFmpeg is asked for. A stream that names other files or hosts gets nothing from this machine.
_NETWORK: Final = {
    "rtsp_transport": "tcp",
    "fflags": "nobuffer",
    "probesize": "500000",
    "analyzeduration": "1000000",
    "protocol_whitelist": "rtsp,rtsps,rtp,http,https,httpproxy,tcp,tls",
}
_FILE: Final = {"protocol_whitelist": "file"}

av.logging.set_level(None)  # FFmpeg's own messages would quote URLs with their passwords


class VideoError(Exception):
    """A video cannot be read. The message is the reason alone, without the source."""


class Video:
    """An open video, to be read by one thread. Raises VideoError if it cannot be opened.

    Frames come at most `rate` times a second. Where each picture is stored by itself, as in MJPEG,
    those between are not decoded; elsewhere a frame `is_predicted` from others. Of a live camera,
    frames that have waited in a buffer are left out, and `arrived` is when the newest frame
    arrived, by time.monotonic.
    """

    def __init__(self, spec: CameraSpec, rate: float) -> None:
        self._is_live, self._rate, self.arrived = spec.is_live, rate, 0.0
        try:
            self._container = _open(spec)
        except (FFmpegError, OSError, ValueError) as error:
            raise VideoError(reason(error)) from None
        try:
            self._stream = _stream(self._container)
        except VideoError:
            self._container.close()
            raise
        self.is_predicted = not self._stream.codec_context.codec.intra_only
        self._reformatter = VideoReformatter()

    def close(self) -> None:
        """Close the file or connection."""
        self._container.close()

    def frames(self) -> Iterator[VideoFrame]:
        """The frames to the end. Raises VideoError where no more can be read, or only old ones
        come; damaged frames are left out."""
        due, arrivals = 0.0, Arrivals()
        skips = self._is_live and not self.is_predicted
        try:
            for packet in self._container.demux(self._stream):
                now = time.monotonic()
                is_late = self._is_live and arrivals.is_late(now, self._stamp(packet))
                if arrivals.late_for > LATE_TIME:
                    raise VideoError("it sends old video")
                if skips and packet.size and (is_late or now < due):
                    continue
                if not is_late:
                    due = max(due + 1 / self._rate, now + (1 - _EARLY) / self._rate)
                try:
                    decoded = packet.decode()
                except InvalidDataError:
                    continue
                for frame in decoded:
                    if isinstance(frame, VideoFrame) and not frame.is_corrupt and not is_late:
                        self.arrived = now
                        yield frame
        except (FFmpegError, OSError) as error:
            raise VideoError(reason(error)) from None

    def _stamp(self, packet: "Packet[VideoStream]") -> float | None:
        """When the packet was recorded, in seconds of the camera's clock, if it says so."""
        stamp = packet.pts if packet.dts is None else packet.dts
        if stamp is None or self._container.format.name in _UNTIMED:
            return None
        return float(stamp * packet.time_base)

    def picture(self, frame: VideoFrame) -> Pixels:
        """The pixels (H, W, 3) of a frame in RGB, upright. Raises VideoError if it is too large."""
        if frame.width * frame.height > MAX_PIXELS:
            raise VideoError(f"frames of over {MAX_PIXELS // 10**6} megapixels")
        rgb = np.asarray(
            self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray(), np.uint8
        )
        quarters = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(rgb, quarters)) if quarters else rgb


def _open(spec: CameraSpec) -> InputContainer:
    if spec.kind == "network":
        return av.open(spec.source, "r", options=_NETWORK, timeout=(OPEN_TIME, READ_TIME))
    if spec.kind == "device":
        return av.open(spec.source, "r", format="v4l2", timeout=(OPEN_TIME, READ_TIME))
    return av.open(f"file:{spec.source}", "r", options=_FILE)


def _stream(container: InputContainer) -> VideoStream:
    """The first video stream, decoded by this thread alone, as others delay frames. Raises
    VideoError."""
    if not container.streams.video:
        raise VideoError("no video in it")
    stream = container.streams.video[0]
    context = stream.codec_context
    context.thread_count = 1
    if context.width * context.height > MAX_PIXELS:
        raise VideoError(f"frames of over {MAX_PIXELS // 10**6} megapixels")
    return stream


def reason(error: Exception) -> str:
    """Why FFmpeg failed; its whole message would quote the source."""
    text = getattr(error, "strerror", None)
    return truncate(str(text), 100) if text else type(error).__name__
