"""The interface of every backend: pixels → probabilities."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from maskgate.imaging.pixels import Pixels


class Prediction(NamedTuple):
    """The `probabilities` (N, 18) and mean `ages` (N,) in years of N photos; ages are NaN where the
    model predicts none."""

    probabilities: npt.NDArray[np.float32]
    ages: npt.NDArray[np.float32]


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

    @property
    def predicts_ages(self) -> bool:
        """Whether it predicts ages in years."""
        ...

    def __call__(self, pictures: Pixels) -> Prediction:
        """The prediction for pictures (N, H, W, 3) of uint8, RGB, in the geometry that it was
        trained with."""
        ...
