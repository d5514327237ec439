"""Lists millions of photos of folders and buckets, in one fixed order."""

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
    """N photos: `paths` (N,), each in one of the `sources`, whose index is in `places` (N,).

    A source is a URL such as `s3://bucket/folder`, or empty for paths of this machine. `digest` is
    of all names and stamps (`files.stamp`; for URLs, sizes and modification times), `names` of the
    names alone.
    """

    sources: list[str]
    places: list[int]
    paths: list[str]
    digest: str
    names: str

    def __len__(self) -> int:
        return len(self.paths)

    def contents(self, rows: range) -> list[str]:
        """Digests of these photos' files, which are read; empty for an unreadable one."""

        def read(row: int) -> str:
            try:
                return digest(fetch(self.sources[self.places[row]], self.paths[row])).hex()
            except PhotoError:
                return ""

        with ThreadPoolExecutor() as pool:
            return list(pool.map(read, rows))


def find(places: Sequence[str]) -> Listing:
    """All photos at these places: files, folders, and URLs of folders.

    Folders are sorted as by `photo_files.list_photos`. Raises MaskgateError for a place that does
    not exist, and if there is no photo at all.
    """
    sources: list[str] = []
    numbers: list[int] = []
    paths: list[str] = []
    digest_hash, names_hash = hashlib.sha256(), hashlib.sha256()
    for place in places:
        say(f"listing {without_secrets(place)}")
        source = place if is_address(place) else ""
        photos = _remote_photos(place) if source else _local_photos(place)
        if source not in sources:
            sources.append(source)
        for path, stamp in photos:
            numbers.append(sources.index(source))
            paths.append(path)
            digest_hash.update(f"{name(source, path)}\0{stamp}\n".encode())
            names_hash.update(f"{name(source, path)}\n".encode())
    if not paths:
        raise photo_files.no_photos_error([without_secrets(place) for place in places], {})
    return Listing(
        sources=sources,
        places=numbers,
        paths=paths,
        digest=digest_hash.hexdigest(),
        names=names_hash.hexdigest(),
    )


def name(source: str, path: str) -> str:
    """A photo's name in the table: its path, or its URL without secrets and options."""
    if not source:
        return path
    bare = unquote(without_secrets(source))
    _, root = _open_store(source)
    return bare.removesuffix("/").removesuffix(root.rstrip("/")) + path


def without_secrets(place: str) -> str:
    """The place, without secrets and options if it is a URL."""
    return re.sub(r"//[^/@]*@", "//", place.partition("?")[0]) if is_address(place) else place


def fetch(source: str, path: str) -> bytes:
    """The bytes of a photo of a source. Raises PhotoError if it is gone, and MaskgateError if the
    store cannot be reached."""
    if not source:
        return pixels.read(path)
    try:
        with _open_store(source)[0].open_input_stream(path) as stream:
            return stream.read(limits.MAX_FILE + 1)  # one byte more than is accepted
    except FileNotFoundError as error:
        raise PhotoError("no such file") from error
    except OSError as error:
        raise _unreachable(name(source, path), error) from error


def _local_photos(place: str) -> list[tuple[str, str]]:
    try:
        photos = photo_files.list_photos([Path(place)])
    except MaskgateError:
        if Path(place).is_dir():  # another place may have some
            return []
        raise
    not_utf8 = [str(photo) for photo in photos if not files.is_utf8(str(photo))]
    if not_utf8:
        raise MaskgateError(
            f"{place}: the names of {len(not_utf8)} photos are not UTF-8: {listed(not_utf8)};"
            " rename them"
        )
    stamps = track(map(files.stamp, photos), f"listing {place}", len(photos))
    return list(zip(map(str, photos), stamps, strict=True))


def _remote_photos(address: str) -> list[tuple[str, str]]:
    store, root = _open_store(address)
    try:
        top = store.get_file_info(root)
        if top.type == fs.FileType.NotFound:
            raise MaskgateError(
                f"{without_secrets(address)}: no such photo or folder; fix the address"
            )
        entries = [top]
        if top.type == fs.FileType.Directory:
            entries = store.get_file_info(fs.FileSelector(root, recursive=True))
    except OSError as error:
        raise _unreachable(without_secrets(address), error) from error
    photos, skipped = [], Counter[str]()
    for file in entries:
        if file.type == fs.FileType.File:
            relative_parts = PurePosixPath(file.path.removeprefix(root)).parts
            hidden = any(part.startswith(".") for part in relative_parts)
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
def _open_store(address: str) -> tuple[Any, str]:
    """The store of a URL and the path in it, opened once per process."""
    try:
        store, path = fs.FileSystem.from_uri(address)
    except (OSError, ValueError) as error:
        raise MaskgateError(
            f"{without_secrets(address)}: not an address that can be opened ({error}); give one"
            " such as s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or hdfs://HOST:PORT/FOLDER"
        ) from error
    return store, path


def _unreachable(location: str, error: OSError) -> MaskgateError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return MaskgateError(
        f"{location}: cannot be reached ({reason}); check that the store answers and that this"
        " machine may read it, and repeat the command"
    )
