"""Where the file of a detector's model is: kept with a run, named, at hand, or downloaded."""

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
from maskgate.errors import MaskgateError, of_disk

_SECONDS: Final = 20  # without a byte, then the connection is taken for dead
_LARGEST: Final = 1 << 24  # bytes that are read of an answer


@dataclass(frozen=True)
class Source:
    """A model's file: its name in the cache, where it is downloaded from, and what it must be.

    `variable` is the environment variable that names a file to take instead.
    """

    detector: str
    name: str
    url: str
    sha256: str
    variable: str


@dataclass(frozen=True)
class Folders:
    """Where models are looked for: in `kept`, the folder of a run's own, before the `cache`."""

    cache: Path
    kept: Path | None = None

    def kept_file(self, detector: str) -> Path | None:
        """The file of a detector whose model is one file, None where none is kept."""
        file = None if self.kept is None else self.kept / kept_name(detector)
        return file if file is not None and file.is_file() else None


def kept_name(detector: str) -> str:
    """What the file of a detector whose model is one file is called in a run."""
    return f"{detector}.onnx"


YUNET: Final = Source(
    detector="yunet",
    name="face_detection_yunet_2026may.onnx",
    url="https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
    "face_detection_yunet_2026may.onnx",
    sha256="ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
    variable="MASKGATE_YUNET",
)


def at_hand(source: Source, folder: Path) -> Path | None:
    """The file that the environment or the cache `folder` holds, without a download.

    Raises MaskgateError where the environment names a file that is not there.
    """
    if own := os.environ.get(source.variable):
        return named(own, f"${source.variable} of detector {source.detector}")
    cached = folder / "models" / source.name
    return cached if cached.is_file() else None


def find(source: Source, folders: Folders, file: object = None) -> Path:
    """The model's file: the one kept, else `file`, else the one at hand, else downloaded into the
    cache.

    Raises MaskgateError where there is none, with the ways out.
    """
    if kept := folders.kept_file(source.detector):
        return kept
    if file is not None:
        return named(file, f"file of detector {source.detector}")
    cache = folders.cache
    return at_hand(source, cache) or _download(source, cache / "models" / source.name)


def keep(models: Mapping[str, Path], folder: Path) -> None:
    """Copy a detector's `files` into the `folder` that a run keeps them in. Raises MaskgateError
    where one cannot be read, or the disk does not take it."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise of_disk(error, folder) from error
    for name, model in models.items():
        _copy(model, folder / name)


def _copy(model: Path, target: Path) -> None:
    try:
        content = model.read_bytes()
    except OSError as error:
        raise of_disk(error, model) from error
    files.replace(target, lambda beside: beside.write_bytes(content))


def sha256(file: Path) -> str:
    """The hash of a file's bytes, in hex. Raises MaskgateError where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise of_disk(error, file) from error


def named(file: object, by: str) -> Path:
    """The file that the user names. Raises MaskgateError where there is none."""
    if not isinstance(file, str | Path) or not str(file):
        raise MaskgateError(f"{by} is {file!r}, not a path; name a file")
    try:
        path = Path(file).expanduser()
    except RuntimeError as error:  # of `~`, where no home is known
        raise MaskgateError(f"{file}: {error}; {by} names it, so write the whole path") from error
    if not path.is_file():
        raise MaskgateError(f"{path}: no such file, named by {by}; correct the path")
    return path


def _download(source: Source, target: Path) -> Path:
    say(f"downloading {source.name} (once, into {target.parent})")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise of_disk(error, target.parent) from error
    try:
        content = _fetched(source)
    except (OSError, HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise MaskgateError(
            f"detector {source.detector}: its model cannot be downloaded from {source.url}"
            f" ({why}); connect to the network, or download it elsewhere"
            f" and name it as file: or in ${source.variable}, or train with mtcnn, which needs none"
        ) from error
    files.replace(target, lambda beside: beside.write_bytes(content))
    return target


def _fetched(source: Source) -> bytes:
    """The file's bytes. Raises ValueError where they are others than the expected ones."""
    try:
        with urllib.request.urlopen(source.url, timeout=_SECONDS) as answer:
            content: bytes = answer.read(_LARGEST + 1)
    except HTTPError as error:
        error.close()  # it is the answer too, whose connection is open
        raise
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise ValueError(f"{len(content):,} bytes came whose SHA-256 is not the known one")
    return content
