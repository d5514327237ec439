"""Whether a frame may be left out because nobody is there and nothing moves."""

from typing import Final

import numpy as np

from maskgate.door.cameras.small_pictures import SmallPicture, is_moving

QUIET: Final = 0.3  # seconds: at least so often a frame is judged, so that nobody waits longer


class Motion:
    """Says for one camera which frames to judge. Whoever stands still in the frame is judged in
    every one: only an empty scene is looked at less often."""

    def __init__(self) -> None:
        self._picture: SmallPicture | None = None
        self._time = -np.inf
        self.is_empty = False

    def must_judge(self, picture: SmallPicture, time: float) -> bool:
        """Whether the frame with this small picture is to be judged; it is taken as judged then."""
        before = self._picture if time - self._time < QUIET - 1e-6 else None
        if self.is_empty and before is not None and not is_moving(picture, before):
            return False
        self._picture, self._time = picture, time
        return True
