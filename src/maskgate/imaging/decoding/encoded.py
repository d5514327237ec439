"""A photo's file as it is before decoding, with all that decoding it takes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Encoded:
    """What a file's own structure says about the photo in it.

    `content` is the file less what decoding does not need: a decoder cannot stumble over it.
    `width` and `height` are those stored; each side is divided by `scale` while decoding.
    `orientation` is EXIF's 1 to 8, `memory` an upper bound in bytes for decoding it upright.
    """

    format: str
    width: int
    height: int
    orientation: int
    content: bytes
    memory: int
    scale: int = 1
