"""Whether a frame may be left out because nobody is there and nothing moves."""

from typing import Final

import numpy as np

from maskgate.door.cameras.faults import SmallPicture

QUIET: Final = 0.3  # seconds: at least so often a frame is judged, so that nobody waits longer
_CHANGE: Final = 6.0  # of 255: a part of the small picture that changes more moves


class Motion:
    """Says for one camera which frames to judge. Whoever stands still in the frame is judged in
    every one: only an empty scene is looked at less often."""

    def __init__(self) -> None:
        self._picture: SmallPicture | None = None
        self._time = -np.inf
        self.is_empty = False

    def must_judge(self, picture: SmallPicture, time: float) -> bool:
        """Whether the frame with this small picture is to be judged; it is taken as judged then."""
        if self.is_empty and self._picture is not None and time - self._time < QUIET - 1e-6:
            # Lamps and clouds change all of it at once, people only a part.
            change = picture - self._picture
            if float(np.abs(change - np.median(change)).max()) < _CHANGE:
                return False
        self._picture, self._time = picture, time
        return True
