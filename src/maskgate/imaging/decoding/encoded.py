"""A photo's file before decoding, with everything that decoding needs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Encoded:
    """What the structure of a photo's file says about the photo.

    `content` is the file without the parts that decoding does not need, so that they cannot harm
    the decoder. `width` and `height` are as stored; each is divided by `scale` while decoding.
    `orientation` is EXIF's, 1 to 8. `memory` is an upper bound in bytes for decoding the photo.
    """

    format: str
    width: int
    height: int
    orientation: int
    content: bytes
    memory: int
    scale: int = 1
