"""Photos by the million: those of folders and of buckets, in one fixed order."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from pyarrow import fs

from maskgate import files, pixels, predict
from maskgate.errors import MaskgateError, listed
from maskgate.pixels import PhotoError
from maskgate.progress import say, track


@dataclass(frozen=True)
class Listing:
    """N photos: each lies at a path (N,) of one of the `sources` (N numbers of them).

    A source is an address such as `s3://bucket/folder`, or empty for paths of this machine.
    `digest` is of all names, sizes and times of change.
    """

    sources: list[str]
    places: list[int]
    paths: list[str]
    digest: str

    def __len__(self) -> int:
        return len(self.paths)


def is_address(place: str) -> bool:
    """Whether it names a bucket or the like, and no path of this machine."""
    return re.match(r"[a-z][a-z0-9+.-]+://", place) is not None


def find(places: Sequence[str]) -> Listing:
    """All photos at these places: files, folders, and addresses of folders.

    Each folder is sorted as `predict.photos_in` does it. Raises MaskgateError for a place that is
    not there, and where none holds a photo.
    """
    sources: list[str] = []
    numbers: list[int] = []
    paths: list[str] = []
    told = hashlib.sha256()
    for place in places:
        say(f"listing {shown(place)}")
        source, found = (place, _there(place)) if is_address(place) else ("", _here(place))
        if source not in sources:
            sources.append(source)
        for path, size, changed in found:
            numbers.append(sources.index(source))
            paths.append(path)
            told.update(f"{name(source, path)}\0{size}\0{changed}\n".encode())
    if not paths:
        known = ", ".join(sorted(pixels.SUFFIXES))
        raise MaskgateError(
            f"{listed([shown(place) for place in places])}: holds no photo; photos end in {known}"
        )
    return Listing(sources, numbers, paths, told.hexdigest())


def name(source: str, path: str) -> str:
    """What the table calls a photo: its path, or its address without any key or option."""
    if not source:
        return path
    bare = unquote(shown(source))
    _, root = _opened(source)
    return bare.removesuffix("/").removesuffix(root.rstrip("/")) + path


def shown(place: str) -> str:
    """The place without the secrets and options that its address may hold."""
    return re.sub(r"//[^/@]*@", "//", place.partition("?")[0]) if is_address(place) else place


def fetch(source: str, path: str) -> bytes:
    """The bytes of a photo at an address. Raises PhotoError where it is gone, and MaskgateError
    where the store does not give it, which says nothing of the photo."""
    try:
        with _opened(source)[0].open_input_stream(path) as stream:
            return stream.read()
    except FileNotFoundError as error:
        raise PhotoError("no such file") from error
    except OSError as error:
        raise _unreachable(name(source, path), error) from error


def _here(place: str) -> list[tuple[str, int, int]]:
    try:
        photos = predict.photos_in([Path(place)])
    except MaskgateError:
        if Path(place).is_dir():  # another place may hold some
            return []
        raise
    odd = [str(photo) for photo in photos if not files.is_utf8(str(photo))]
    if odd:
        raise MaskgateError(
            f"{place}: the names of {len(odd)} photos are not UTF-8: {listed(odd)}; rename them"
        )
    stats = track((photo.stat() for photo in photos), f"listing {place}", len(photos))
    return [
        (str(photo), stat.st_size, stat.st_mtime_ns)
        for photo, stat in zip(photos, stats, strict=True)
    ]


def _there(address: str) -> list[tuple[str, int, int]]:
    store, root = _opened(address)
    try:
        top = store.get_file_info(root)
        if top.type == fs.FileType.NotFound:
            raise MaskgateError(f"{shown(address)}: no such photo or folder; mend the address")
        found = [top]
        if top.type == fs.FileType.Directory:
            found = store.get_file_info(fs.FileSelector(root, recursive=True))
    except OSError as error:
        raise _unreachable(shown(address), error) from error
    photos = [file for file in found if _is_photo(file)]
    photos.sort(key=lambda file: PurePosixPath(file.path))
    return [(file.path, file.size, file.mtime_ns) for file in photos]


def _is_photo(file: Any) -> bool:
    path = PurePosixPath(file.path)
    is_named_so = path.suffix.lower() in pixels.SUFFIXES and not path.name.startswith(".")
    return file.type == fs.FileType.File and is_named_so


@cache
def _opened(address: str) -> tuple[Any, str]:
    """The store of an address and the path in it, opened once a process."""
    try:
        store, path = fs.FileSystem.from_uri(address)
    except (OSError, ValueError) as error:
        raise MaskgateError(
            f"{shown(address)}: no address that can be opened ({error}); give one such as"
            " s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or hdfs://HOST:PORT/FOLDER"
        ) from error
    return store, path


def _unreachable(where: str, error: OSError) -> MaskgateError:
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    return MaskgateError(
        f"{where}: cannot be reached ({why}); see that the store answers and that this machine"
        " may read it, and repeat the command"
    )
