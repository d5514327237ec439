"""Reads the structure of a JPEG: its size, its scans, its orientation.

A JPEG is a list of segments (ITU-T T.81, annex B). Application segments are removed, except those
of JFIF and Adobe, which say how colours are coded. The cost of a progressive JPEG depends on its
scans: each visits all coefficients of the photo, which stay in memory.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from maskgate.imaging.decoding import exif, limits
from maskgate.imaging.decoding.encoded import Encoded
from maskgate.imaging.decoding.limits import PhotoError

MAX_SCANS: Final = 100  # cameras and encoders write 1 to 13
_MAX_SEGMENTS: Final = 10_000
_SCALES: Final = (1, 2, 4, 8)  # supported by every libjpeg
# Inside coded data, 0xFF is followed by 0 or by a restart marker.
_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START, _END, _SCAN, _TEM, _APP1 = 0xD8, 0xD9, 0xDA, 0x01, 0xE1
_FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_DROPPED: Final = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # application data and comments
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
# Seconds that libjpeg-turbo takes, measured. A visit: one scan decodes a block of 64 coefficients.
_A_VISIT, _A_BYTE, _A_BYTE_OF_MANY_SCANS = 25e-9, 10e-9, 40e-9


@dataclass
class _Structure:
    width: int = 0
    height: int = 0
    progressive: bool = False
    blocks: dict[int, int] = field(default_factory=dict)  # number of blocks by component
    scans: int = 0
    block_visits: int = 0
    split: bool = False  # whether a scan has only some components
    exif: list[bytes] = field(default_factory=list)
    xmp: bytes = b""
    kept_segments: list[memoryview] = field(default_factory=list)

    def add_frame(self, kind: int, segment: bytes) -> None:
        """Read the size and the components from a frame's header."""
        if self.blocks:
            raise PhotoError("damaged: a JPEG with two frames")
        if kind not in (_BASELINE, _EXTENDED, _PROGRESSIVE):
            raise PhotoError("a lossless, hierarchical or arithmetic-coded JPEG, which is not read")
        count = segment[9] if len(segment) > 9 else 0
        components = [segment[offset : offset + 3] for offset in range(10, 10 + 3 * count, 3)]
        sampling = [
            (component[1] >> 4, component[1] & 15)
            for component in components
            if len(component) == 3
        ]
        if not 1 <= len(sampling) == count <= 4 or not all(
            1 <= n <= 4 for s in sampling for n in s
        ):
            raise PhotoError("damaged: a JPEG with an invalid header")
        self.height = int.from_bytes(segment[5:7], "big")
        self.width = int.from_bytes(segment[7:9], "big")
        self.progressive = kind == _PROGRESSIVE
        horizontal, vertical = (max(lengths) for lengths in zip(*sampling, strict=True))
        units = -(-self.width // (8 * horizontal)) * -(-self.height // (8 * vertical))
        for component, (h, v) in zip(components, sampling, strict=True):
            self.blocks[component[0]] = units * h * v

    def add_application_data(self, data: bytes) -> None:
        """Keep an EXIF or XMP block; EXIF may continue in the next segment."""
        if data.startswith(b"Exif\0\0"):
            self.exif.append(data[6:])
        elif data.startswith(_XMP):
            self.xmp = data

    def add_scan(self, segment: bytes) -> None:
        """Count one more scan, and its visits to the blocks of its components."""
        self.scans += 1
        if self.scans > MAX_SCANS:
            raise PhotoError(f"a JPEG of over {MAX_SCANS} scans")
        count = segment[4] if len(segment) > 4 else 0
        components = [each for each in segment[5 : 5 + 2 * count : 2] if each in self.blocks]
        self.block_visits += sum(self.blocks[each] for each in (components or self.blocks))
        self.split |= len(components) < len(self.blocks)


def read(content: bytes) -> Encoded:
    """The JPEG before decoding. Raises PhotoError if decoding needs too much memory or time."""
    structure = _segments(content)
    width, height = structure.width, structure.height
    limits.check_size(width, height, limits.MAX_JPEG_PIXELS)
    sizes = {scale: -(-width // scale) * -(-height // scale) for scale in _SCALES}
    scale = next((each for each, size in sizes.items() if size <= limits.LARGE), _SCALES[-1])
    slim = b"".join(structure.kept_segments)
    keeps_coefficients = (
        structure.progressive or structure.split
    )  # coefficients are kept until the last scan
    seconds = structure.block_visits * _A_VISIT
    seconds += len(slim) * (_A_BYTE_OF_MANY_SCANS if keeps_coefficients else _A_BYTE)
    if seconds > limits.MAX_SECONDS:
        raise PhotoError(
            f"a JPEG of {width}×{height} pixels, {len(slim) // 10**6:,} MB and"
            f" {structure.scans} {'scan' if structure.scans == 1 else 'scans'}, which take too long"
            " to decode"
        )
    coefficients = 128 * sum(structure.blocks.values()) if keeps_coefficients else 0
    memory = len(content) + len(slim) + 4 * sizes[scale] + max(4 * sizes[scale], coefficients)
    limits.check_memory(memory)
    orientation = exif.orientation(b"".join(structure.exif), structure.xmp)
    return Encoded(
        format="JPEG",
        width=width,
        height=height,
        orientation=orientation,
        content=slim,
        memory=memory,
        scale=scale,
    )


def _segments(content: bytes) -> _Structure:
    structure, view, position, count = _Structure(), memoryview(content), 2, 0
    structure.kept_segments.append(view[:2])
    while match := _MARKER.search(content, position):
        start, kind = match.start(), content[match.start() + 1]
        if kind == _END:
            structure.kept_segments.append(view[start : start + 2])
            return structure
        count += 1
        if count > _MAX_SEGMENTS:
            raise PhotoError(f"a JPEG of over {_MAX_SEGMENTS:,} segments")
        if kind in (_START, _TEM):
            position = start + 2
            continue
        end = start + 2 + max(2, int.from_bytes(content[start + 2 : start + 4], "big"))
        segment = content[start : min(end, start + 65_537)]
        if kind in _FRAMES:
            structure.add_frame(kind, segment)
        elif kind == _SCAN:
            structure.add_scan(segment)
            next_marker = _MARKER.search(content, end)
            end = next_marker.start() if next_marker else len(content)
        elif kind == _APP1 and not structure.scans:
            structure.add_application_data(segment[4:])
        if kind not in _DROPPED:
            structure.kept_segments.append(view[start:end])
        position = end
    return structure
