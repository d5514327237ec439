"""Limits of the service, and what it judges."""

from dataclasses import dataclass, field

from maskgate.door.server.kiosk_settings import KioskSettings


@dataclass(frozen=True)
class Settings:
    """What `maskgate serve` can change. Times are in seconds.

    `purpose` is the stated purpose of judging gender and age; without one, only masks are judged.
    `contact` is whom people at the door can ask, for the sign.
    """

    max_bytes: int = 20_000_000  # of one request, all photos together
    max_frame_bytes: int = 4_000_000  # of one frame of a stream
    max_pixels: int = 50_000_000  # of one photo, as its header says
    max_photos: int = 32  # in one request
    max_memory: int = 256_000_000  # bytes of all requests that are read or wait
    max_streams: int = 64
    max_connections: int = 256
    queue: int = 64  # photos and frames that wait
    batch: int = 8  # photos that are judged together
    workers: int = 1
    header_time: float = 10.0  # for the head of a request
    body_time: float = 20.0  # for its body
    answer_time: float = 10.0  # from a complete photo to its verdict
    send_time: float = 10.0  # for a client to take an answer
    stop_time: float = 10.0  # to answer what waits when the service stops
    purpose: str | None = None
    contact: str | None = None
    kiosk: KioskSettings = field(default_factory=KioskSettings)
