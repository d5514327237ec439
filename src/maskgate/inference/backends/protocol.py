"""The interface of every backend: pixels → probabilities."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels


class Backend(Protocol):
    """One trained network."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that it predicts; the values of the others are all as likely."""
        ...

    @property
    def digest(self) -> str:
        """A digest of its layers and weights."""
        ...

    def __call__(self, pictures: Pixels) -> npt.NDArray[np.float32]:
        """Probabilities (N, 18) of pictures (N, H, W, 3) of uint8, RGB, in the geometry that it was
        trained with."""
        ...
