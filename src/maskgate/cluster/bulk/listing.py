"""Photos by the million: those of folders and of buckets, in one fixed order."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from pyarrow import fs

from maskgate.core import files
from maskgate.core.progress import say, track
from maskgate.data.contents import digest
from maskgate.errors import MaskgateError, listed
from maskgate.imaging import photo_files, pixels
from maskgate.imaging.decoding import limits
from maskgate.imaging.photo_files import is_address
from maskgate.imaging.pixels import PhotoError


@dataclass(frozen=True)
class Listing:
    """N photos: each lies at a path (N,) of one of the `sources` (N numbers of them).

    A source is an address such as `s3://bucket/folder`, or empty for paths of this machine.
    `digest` is of all names and stamps (`files.stamp`; of addresses sizes and times of change),
    `names` of the names alone.
    """

    sources: list[str]
    places: list[int]
    paths: list[str]
    digest: str
    names: str

    def __len__(self) -> int:
        return len(self.paths)

    def contents(self, rows: range) -> list[str]:
        """Digests of these photos' files, which are read; empty for one that cannot be."""

        def read(row: int) -> str:
            try:
                return digest(fetch(self.sources[self.places[row]], self.paths[row])).hex()
            except PhotoError:
                return ""

        with ThreadPoolExecutor() as pool:
            return list(pool.map(read, rows))


def find(places: Sequence[str]) -> Listing:
    """All photos at these places: files, folders, and addresses of folders.

    Each folder is sorted as by `photo_files.list_photos`. Raises MaskgateError for a place that is
    missing, and if none has a photo.
    """
    sources: list[str] = []
    numbers: list[int] = []
    paths: list[str] = []
    told, names = hashlib.sha256(), hashlib.sha256()
    for place in places:
        say(f"listing {shown(place)}")
        source, found = (place, _there(place)) if is_address(place) else ("", _here(place))
        if source not in sources:
            sources.append(source)
        for path, stamp in found:
            numbers.append(sources.index(source))
            paths.append(path)
            told.update(f"{name(source, path)}\0{stamp}\n".encode())
            names.update(f"{name(source, path)}\n".encode())
    if not paths:
        raise photo_files.no_photos_error([shown(place) for place in places], {})
    return Listing(
        sources=sources,
        places=numbers,
        paths=paths,
        digest=told.hexdigest(),
        names=names.hexdigest(),
    )


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
    """The bytes of a photo of a source. Raises PhotoError where it is gone, and MaskgateError
    where the store does not give it, which says nothing of the photo."""
    if not source:
        return pixels.read(path)
    try:
        with _opened(source)[0].open_input_stream(path) as stream:
            return stream.read(limits.MAX_FILE + 1)  # one more than is decoded
    except FileNotFoundError as error:
        raise PhotoError("no such file") from error
    except OSError as error:
        raise _unreachable(name(source, path), error) from error


def _here(place: str) -> list[tuple[str, str]]:
    try:
        photos = photo_files.list_photos([Path(place)])
    except MaskgateError:
        if Path(place).is_dir():  # another place may hold some
            return []
        raise
    odd = [str(photo) for photo in photos if not files.is_utf8(str(photo))]
    if odd:
        raise MaskgateError(
            f"{place}: the names of {len(odd)} photos are not UTF-8: {listed(odd)}; rename them"
        )
    stamps = track(map(files.stamp, photos), f"listing {place}", len(photos))
    return list(zip(map(str, photos), stamps, strict=True))


def _there(address: str) -> list[tuple[str, str]]:
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
    photos, skipped = [], Counter[str]()
    for file in found:
        if file.type == fs.FileType.File:
            below = PurePosixPath(file.path.removeprefix(root)).parts
            hidden = any(part.startswith(".") for part in below)
            if photo_files.has_photo_suffix(file.path) and not hidden:
                photos.append(file)
            else:
                skipped[
                    photo_files.HIDDEN if hidden else photo_files.file_kind(file.base_name)
                ] += 1
    if skipped:
        say(photo_files.skipped_sentence(skipped))
    photos.sort(key=lambda file: PurePosixPath(file.path))
    return [(file.path, f"{file.size}-{file.mtime_ns}") for file in photos]


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
