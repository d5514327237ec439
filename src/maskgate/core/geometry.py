"""The sizes of a model's input and of the stored pictures it is cropped from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """Height and width in pixels of a model's input, a window of a larger stored picture.

    `margin` is the share by which the stored picture is larger than the input, so that random
    shifts and crops have room; validation and prediction use the centre. `crop` is the share of a
    photo's height and width that is kept around its centre; it is applied first.
    """

    height: int
    width: int
    margin: float = 0.0
    crop: float = 1.0

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width in pixels of the stored picture."""
        return round(self.height * (1 + self.margin)), round(self.width * (1 + self.margin))
