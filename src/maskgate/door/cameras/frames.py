"""A camera's frame, and what gives frames."""

from dataclasses import dataclass
from typing import Protocol

from maskgate.door.cameras.specs import CameraSpec
from maskgate.imaging.pixels import Pixels


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture (H, W, 3) in RGB, and its `time` in seconds: of a live camera by time.monotonic
    when it arrived, of a stored one since its start. `is_predicted` says that it was compressed as
    what differs from other frames, so that small changes may be left out."""

    image: Pixels
    time: float
    is_predicted: bool = False


class Camera(Protocol):
    """Gives frames from `start` to `stop`, which are called once, in this order."""

    spec: CameraSpec

    @property
    def dropped(self) -> int:
        """How many frames have been replaced by a newer one."""
        ...

    @property
    def has_ended(self) -> bool:
        """Whether no frame will come any more."""
        ...

    def start(self) -> None:
        """Start to read, in a thread."""
        ...

    def take(self) -> Frame | None:
        """The newest frame of a live camera, or the next one of a stored one; None if there is no
        new one. It may wait for a stored one for a short time."""
        ...

    def stop(self) -> None:
        """End the thread soon."""
        ...
