"""What is wrong with a camera's picture: lost, frozen, dark or covered.

STALE, DARK and DARK_TIME are those of the kiosk's page (`server/pages/kiosk-faults.js`), for the
same reasons; the page knows nothing of the others. Times are in seconds of the camera's own clock,
see `Frame`.
"""

from typing import Final

from maskgate.core.progress import log
from maskgate.door.cameras.frames import Frame
from maskgate.door.cameras.scene import Scene
from maskgate.door.cameras.small_pictures import (
    SmallPicture,
    moving_share,
    small_picture,
    structure,
)
from maskgate.door.cameras.stillness import STALE, Stillness
from maskgate.door.events import Reason

FIRST: Final = 2.5  # seconds for the first frame: a camera must be opened, and send a key frame
DARK: Final = 22.0  # mean brightness of 255 below which a frame is too dark
DARK_TIME: Final = 0.4  # seconds
DARK_ENDS: Final = 26.0  # mean brightness from which it is light again
# Standard deviation of the Laplacian of the small picture below which something covers the lens, or
# it looks at a wall. A lens covered by a hand or tape has under 1, with much noise 3.7; the lowest
# of 120 photos of people has 22.
FLAT: Final = 4.0
FLAT_TIME: Final = 1.0  # seconds
FLAT_ENDS: Final = 5.0
# Likeness below which the scene is another one. The lowest of 180 drawn rooms with stripes of sun
# (5:1) has 3.8; of 60 rooms behind the likest of nine cloths, 98% have at most 3.7.
OTHER: Final = 3.7
OTHER_ENDS: Final = 5.5
OTHER_TIME: Final = 1.5  # seconds of another scene: whoever walks past the lens takes less
ENDED_TIME: Final = 0.4  # seconds for which a picture must be well again
_QUIET: Final = (
    0.1  # share of the picture that may move while the scene is learnt, as a screen does
)
_UNKNOWN: Final = 60.0  # seconds after which it is said that the scene could not be learnt
_ACCEPTED: Final = 3  # judged frames in a row with faces, after which another scene is a door's


class _Lasting:
    """A condition that counts once it has lasted `begins` seconds, until it has not been there for
    ENDED_TIME."""

    def __init__(self, begins: float) -> None:
        self._begins = begins
        self._since: float | None = None
        self.is_on = False

    def update(self, time: float, *, is_there: bool) -> None:
        """Whether it is there at a time."""
        if is_there == self.is_on:
            self._since = None
            return
        if self._since is None:
            self._since = time
        if time - self._since >= (ENDED_TIME if self.is_on else self._begins):
            self.is_on, self._since = is_there, None


class Faults:
    """Watches one camera, of that `name` in messages, from a time on, at which it has no frame
    yet."""

    def __init__(self, time: float, name: str = "camera") -> None:
        self._name = name
        self._unknown: float | None = 0.0  # seconds without a scene; None when that was said
        self._frame_time = time + FIRST - STALE
        self._stillness, self._scene = Stillness(self._frame_time), Scene()
        self._dark, self._flat = _Lasting(DARK_TIME), _Lasting(FLAT_TIME)
        self._other = _Lasting(OTHER_TIME)
        self._picture: SmallPicture | None = None
        self._faces = 0  # judged frames in a row with faces while the scene is another

    def add(self, frame: Frame, *, is_empty: bool) -> SmallPicture:
        """Take a new frame, and return its small picture. `is_empty` says that the newest judged
        frames show nobody."""
        picture = small_picture(frame.image)
        before, self._picture = self._picture, picture
        elapsed = frame.time - self._frame_time
        if elapsed > STALE:
            self._stillness.restart(frame.time)
        self._frame_time = frame.time
        moving = 1.0 if before is None else moving_share(picture, before)
        brightness = float(picture.mean())
        self._stillness.add(frame, brightness, is_quiet=is_empty and not moving)
        self._dark.update(
            frame.time, is_there=brightness < (DARK_ENDS if self._dark.is_on else DARK)
        )
        flat = FLAT_ENDS if self._flat.is_on else FLAT
        self._flat.update(frame.time, is_there=structure(picture) < flat)
        is_clear = not self._dark.is_on and not self._flat.is_on
        # Once it is another scene, faces in it do not end that but by `add_faces`.
        may_differ = is_clear and (is_empty or self._other.is_on)
        limit = OTHER_ENDS if self._other.is_on else OTHER
        differs = may_differ and self._scene.likeness(picture) < limit
        self._other.update(frame.time, is_there=differs)
        if is_clear and is_empty and moving <= _QUIET:
            self._scene.add(picture, elapsed, least=OTHER)
        if is_clear:
            self._say_unknown(min(elapsed, STALE))
        return picture

    def _say_unknown(self, elapsed: float) -> None:
        """Say once if the scene has not been learnt for long."""
        if self._unknown is None or self._scene.is_known:
            return
        self._unknown += elapsed
        if self._unknown >= _UNKNOWN:
            self._unknown = None
            log(
                f"{self._name}: the usual scene is not learnt yet, as somebody is always in view or"
                " much of the picture moves; until it is, a camera that is turned away or covered"
                " by something with edges is not noticed"
            )

    def may_judge(self, fault: Reason | None) -> bool:
        """Whether a frame is to be judged while this is wrong: if nothing is, or if only the scene
        is another than usual, as faces in it make it the usual one (see `add_faces`)."""
        return fault is None or (fault == "covered" and not self._flat.is_on)

    def add_faces(self, count: int) -> None:
        """A judged frame has so many faces. A camera that sees people where the scene is not the
        usual one was moved, or the room has changed: that scene is the usual one from now on."""
        self._faces = self._faces + 1 if self._other.is_on and count else 0
        if self._faces >= _ACCEPTED:
            self._scene.forget()
            self._other, self._faces = _Lasting(OTHER_TIME), 0

    def at(self, time: float, *, is_empty: bool) -> Reason | None:
        """What is wrong at a time; None if nothing is. A camera that has given no frame yet is lost
        after FIRST seconds. `is_empty` says that its newest frames show nobody."""
        if time - self._frame_time > STALE:
            return "lost"
        if self._dark.is_on:
            return "dark"
        if self._stillness.is_frozen(time, is_empty=is_empty):
            return "frozen"
        return "covered" if self._flat.is_on or self._other.is_on else None
