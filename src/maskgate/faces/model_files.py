"""Finds the model file of a detector: kept with a run, given, in the cache, or downloaded."""

import hashlib
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError

from maskgate.core import files
from maskgate.core.progress import say
from maskgate.errors import MaskgateError, disk_error

_TIMEOUT: Final = 20  # seconds without a byte
_MAX_DOWNLOAD: Final = 1 << 24  # bytes


@dataclass(frozen=True)
class Source:
    """A model's file: its name in the cache, its download address and its hash.

    `variable` is the environment variable that names a file to use instead.
    """

    detector: str
    name: str
    url: str
    sha256: str
    variable: str


@dataclass(frozen=True)
class Folders:
    """Where model files are looked for: first in `kept`, a run's folder, then in the `cache`."""

    cache: Path
    kept: Path | None = None

    def kept_file(self, detector: str) -> Path | None:
        """The file that the run keeps of a detector with a single model file, else None."""
        file = None if self.kept is None else self.kept / kept_name(detector)
        return file if file is not None and file.is_file() else None


def kept_name(detector: str) -> str:
    """The name in a run of the file of a detector with a single model file."""
    return f"{detector}.onnx"


YUNET: Final = Source(
    detector="yunet",
    name="face_detection_yunet_2026may.onnx",
    url="https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
    "face_detection_yunet_2026may.onnx",
    sha256="ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
    variable="MASKGATE_YUNET",
)


SOURCES: Final[Mapping[str, Source]] = {YUNET.detector: YUNET}
"""The files of detectors with a single model file that may lie on a user's machine."""


def local_file(source: Source, folder: Path) -> Path | None:
    """The file that the environment names or that is in the cache `folder`, else None.

    Raises MaskgateError if the environment names a missing file.
    """
    if path := os.environ.get(source.variable):
        return existing_file(path, f"${source.variable} of detector {source.detector}")
    cached = folder / "models" / source.name
    return cached if cached.is_file() else None


def find(source: Source, folders: Folders, file: object = None) -> Path:
    """The model's file: the one kept in the run, else `file`, else the local file, else downloaded
    into the cache.

    Raises MaskgateError if none of these can be had; it says what to do.
    """
    if kept := folders.kept_file(source.detector):
        return kept
    if file is not None:
        return existing_file(file, f"file of detector {source.detector}")
    cache = folders.cache
    return local_file(source, cache) or _download(source, cache / "models" / source.name)


def keep(models: Mapping[str, Path], folder: Path) -> None:
    """Copy a detector's `files` into the `folder` of a run. Raises MaskgateError if one cannot be
    read or written."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    for name, model in models.items():
        _copy(model, folder / name)


def _copy(model: Path, target: Path) -> None:
    try:
        content = model.read_bytes()
    except OSError as error:
        raise disk_error(error, model) from error
    files.replace(target, lambda temporary: temporary.write_bytes(content))


def sha256(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hex. Raises MaskgateError if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise disk_error(error, file) from error


def existing_file(file: object, source: str) -> Path:
    """The file that the user gave in `source`, such as an option. Raises MaskgateError if it does
    not exist."""
    if not isinstance(file, str | Path) or not str(file):
        raise MaskgateError(f"{source} is {file!r}, not a path; name a file")
    try:
        path = Path(file).expanduser()
    except RuntimeError as error:  # `~`, but no home folder is known
        raise MaskgateError(
            f"{file}: {error}; {source} names it, so write the whole path"
        ) from error
    if not path.is_file():
        raise MaskgateError(f"{path}: no such file, named by {source}; correct the path")
    return path


def _download(source: Source, target: Path) -> Path:
    say(f"downloading {source.name} (once, into {target.parent})")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, target.parent) from error
    try:
        content = _fetch(source)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise MaskgateError(
            f"detector {source.detector}: its model cannot be downloaded from {source.url}"
            f" ({reason}); connect to the network, or download it elsewhere"
            f" and name it as file: or in ${source.variable}, or train with mtcnn, which needs none"
        ) from error
    files.replace(target, lambda temporary: temporary.write_bytes(content))
    return target


def _fetch(source: Source) -> bytes:
    """The file's bytes. Raises ValueError if their hash is not the expected one."""
    try:
        with urllib.request.urlopen(source.url, timeout=_TIMEOUT) as response:
            content: bytes = response.read(_MAX_DOWNLOAD + 1)
    except HTTPError as error:
        error.close()  # the error is also the response, with an open connection
        raise
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise ValueError(f"{len(content):,} bytes with another SHA-256 than expected")
    return content
