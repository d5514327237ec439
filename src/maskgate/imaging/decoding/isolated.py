"""Decodes formats whose files do not show beforehand what decoding takes: TIFF, AVIF and HEIC.

A TIFF's and an AVIF's header may promise a small photo and hold a huge one, and libtiff writes what
it finds odd to stderr. So a process of its own decodes each, with bounds that the system keeps
(Linux; macOS bounds the time only, Windows neither).
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
from maskgate.errors import of_disk
from maskgate.imaging.decoding import limits
from maskgate.imaging.decoding.child import is_avif
from maskgate.imaging.decoding.limits import PhotoError

_MEMORY: Final = limits.MAX_MEMORY - 50_000_000  # less what a process takes anyway
_SECONDS: Final = 1.8
_TIFF: Final = (b"II*\0", b"MM\0*", b"MM*\0", b"II\0*", b"MM\0+", b"II+\0")
_HEIF: Final = ("heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "mif2")
_CHILD: Final = (
    "import sys; sys.path[:] = {path!r};"
    " from maskgate.imaging.decoding.child import main; main({memory}, {seconds}, {pixels})"
)


def accepts(content: bytes) -> bool:
    """Whether it begins as a file of one of these formats does."""
    if content[4:8] == b"ftyp":
        return is_avif(content) or content[8:12].decode("latin-1") in _HEIF
    return content[:4] in _TIFF


def reads_heic() -> bool:
    """Whether what decodes HEIC is installed (the extra `heic`)."""
    return importlib.util.find_spec("pi_heif") is not None


def decode(content: bytes) -> tuple[Image.Image, int, int]:
    """The photo upright, in RGB, and the width and height that it had upright.

    Raises PhotoError, and MaskgateError where the disk is full.
    """
    head, body = _asked(content, pixels=True)
    size = head["across"], head["down"]
    if len(body) != 3 * size[0] * size[1]:
        raise PhotoError("damaged: its decoder stopped")
    image = Image.frombytes("RGB", size, body)
    upright = head["width"], head["height"]
    return image, *(upright[::-1] if head["turned"] else upright)


def header(content: bytes) -> tuple[str, int, int]:
    """Format, width and height as stored. Raises PhotoError."""
    head, _ = _asked(content, pixels=False)
    return head["format"], head["width"], head["height"]


def _asked(content: bytes, pixels: bool) -> tuple[dict[str, Any], memoryview]:
    if content[4:8] == b"ftyp":
        if is_avif(content) and not features.check("avif"):
            raise PhotoError("an AVIF, which this build of Pillow does not read")
        if not is_avif(content) and not reads_heic():
            raise PhotoError(f"a HEIC, which is read after {extras.install('heic')}")
    program = _CHILD.format(
        path=[str(place) for place in sys.path], memory=_MEMORY, seconds=_SECONDS, pixels=pixels
    )
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")
    try:
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            done = subprocess.run(
                [sys.executable, "-c", program],
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **one},
                check=False,
            )
    except OSError as error:
        raise of_disk(error, "the folder for temporary files") from error
    line, _, _ = done.stdout.partition(b"\n")
    try:
        head = json.loads(line)
    except ValueError as error:  # killed by its limits, or by a fault in a library
        raise PhotoError(
            "damaged, or too large: decoding it takes over"
            f" {_MEMORY // 10**6} MB of memory or {_SECONDS} seconds"
        ) from error
    if "fault" in head:
        raise PhotoError(head["fault"])
    return head, memoryview(done.stdout)[len(line) + 1 :]
