"""The sizes of what a model sees of a photo."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """The pixels a model sees, and the larger picture they are a window of.

    `margin` is the share by which the stored picture is larger than the model's input, so
    that random shifts and crops have room; validation, test and door take the centre. `crop` is
    the share of a photo's height and width that is kept around its centre, before all else.
    """

    height: int
    width: int
    margin: float = 0.0
    crop: float = 1.0

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width in pixels of the picture the window is cut from."""
        return round(self.height * (1 + self.margin)), round(self.width * (1 + self.margin))
