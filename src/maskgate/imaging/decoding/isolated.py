"""Decodes TIFF, AVIF and HEIC, whose structure does not show how much decoding takes.

The header of a TIFF or an AVIF may promise a small photo when the file has a huge one, and libtiff
prints warnings to stderr. So a separate process decodes each photo, with limits set by the system
(both on Linux, time only on macOS, none on Windows).
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from typing import Any, Final

from PIL import Image, features

from maskgate.core import extras
from maskgate.errors import disk_error
from maskgate.imaging.decoding import limits
from maskgate.imaging.decoding.child import is_avif
from maskgate.imaging.decoding.limits import PhotoError

_MEMORY: Final = limits.MAX_MEMORY - 50_000_000  # minus what any process takes
_SECONDS: Final = 1.8
_TIFF: Final = (b"II*\0", b"MM\0*", b"MM*\0", b"II\0*", b"MM\0+", b"II+\0")
_HEIF: Final = ("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "mif2")
_CHILD: Final = (
    "import sys; sys.path[:] = {path!r};"
    " from maskgate.imaging.decoding.child import main; main({memory}, {seconds}, {pixels})"
)


def accepts(content: bytes) -> bool:
    """Whether it starts like a file of one of these formats."""
    if content[4:8] == b"ftyp":
        return is_avif(content) or content[8:12].decode("latin-1") in _HEIF
    return content[:4] in _TIFF


def reads_heic() -> bool:
    """Whether the decoder for HEIC is installed (the extra `heic`)."""
    return importlib.util.find_spec("pi_heif") is not None


def decode(content: bytes) -> tuple[Image.Image, int, int]:
    """The photo upright, in RGB, and its original width and height, upright.

    Raises PhotoError, and MaskgateError if the disk is full.
    """
    head, body = _run_child(content, pixels=True)
    size = head["rgb_width"], head["rgb_height"]
    if len(body) != 3 * size[0] * size[1]:
        raise PhotoError("damaged: its decoder stopped")
    image = Image.frombytes("RGB", size, body)
    stored = head["width"], head["height"]
    return image, *(stored[::-1] if head["transposed"] else stored)


def header(content: bytes) -> tuple[str, int, int]:
    """Format, width and height as stored. Raises PhotoError."""
    head, _ = _run_child(content, pixels=False)
    return head["format"], head["width"], head["height"]


def _run_child(content: bytes, pixels: bool) -> tuple[dict[str, Any], memoryview]:
    if content[4:8] == b"ftyp":
        if is_avif(content) and not features.check("avif"):
            raise PhotoError("an AVIF, which this build of Pillow does not read")
        if not is_avif(content) and not reads_heic():
            raise PhotoError(f"a HEIC, which is read after {extras.install('heic')}")
    program = _CHILD.format(
        path=[str(place) for place in sys.path], memory=_MEMORY, seconds=_SECONDS, pixels=pixels
    )
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
    try:
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            process = subprocess.run(
                [sys.executable, "-c", program],
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **one_thread},
                check=False,
            )
    except OSError as error:
        raise disk_error(error, "the folder for temporary files") from error
    line, _, _ = process.stdout.partition(b"\n")
    try:
        head = json.loads(line)
    except ValueError as error:  # killed by its limits, or by a crash in a library
        raise PhotoError(
            "damaged, or too large: decoding it takes over"
            f" {_MEMORY // 10**6} MB of memory or {_SECONDS} seconds"
        ) from error
    if "error" in head:
        raise PhotoError(head["error"])
    return head, memoryview(process.stdout)[len(line) + 1 :]
