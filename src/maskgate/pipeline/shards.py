"""Pictures of one shape on disk, in shards: files of about a gibibyte, which are memory-mapped.

A picture's slot says where it is: with n pictures a shard, slot s is picture s mod n of shard
⌊s / n⌋. A folder may lack shards, and a shard may be shorter than the others.

Shards may be larger than memory, so the pictures that are needed are named to the kernel, which
reads them all at once. A page fault would read one page after the other, or, with readahead, the
picture's neighbours too, which are seldom needed.
"""

import errno
import mmap
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels

Slots = npt.NDArray[np.int64]

SHARD_BYTES: Final = 2**30  # with another value, existing folders would be misread
_FEW_FILES: Final = 128  # open beside the shards
_WILL_NEED: Final[int | None] = getattr(mmap, "MADV_WILLNEED", None)  # Windows has none


@dataclass(frozen=True)
class ShardFolder:
    """The shards `NAME-00000.u8`, `NAME-00001.u8` … of a folder, of uint8 pictures of a `shape`."""

    folder: Path
    name: str
    shape: tuple[int, ...]
    _written: dict[int, Pixels] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def picture_bytes(self) -> int:
        return int(np.prod(self.shape))

    @cached_property
    def per_shard(self) -> int:
        """Pictures in a full shard."""
        return max(1, SHARD_BYTES // self.picture_bytes)

    def path(self, shard: int) -> Path:
        return self.folder / f"{self.name}-{shard:05d}.u8"

    def counts(self) -> list[int]:
        """The number of pictures for which each shard has space, 0 for one that is missing."""
        counts: dict[int, int] = {}
        for path in self.folder.glob(f"{self.name}-*.u8"):
            number = path.stem.removeprefix(f"{self.name}-")
            if number.isdecimal() and path == self.path(int(number)):
                pictures = path.stat().st_size // self.picture_bytes
                counts[int(number)] = min(pictures, self.per_shard)
        return [counts.get(shard, 0) for shard in range(max(counts, default=-1) + 1)]

    def missing(self) -> list[tuple[int, int]]:
        """Ranges (first, end) of slots below the end of the last shard that have no space."""
        return [
            (shard * self.per_shard + count, (shard + 1) * self.per_shard)
            for shard, count in enumerate(self.counts())
            if count < self.per_shard
        ]

    def remove(self) -> None:
        """Delete all shards. Maps of them keep their pictures."""
        for path in self.folder.glob(f"{self.name}-*.u8"):
            path.unlink()

    def reserve(self, slots: Slots) -> None:
        """Allocate the space of these slots, so that a full disk is reported before hours of work.

        Raises OSError.
        """
        shards, places = np.divmod(slots, self.per_shard)
        for shard in np.unique(shards):
            last = int(places[shards == shard].max())
            _extend(self.path(int(shard)), (last + 1) * self.picture_bytes)

    def write(self, slot: int, picture: Pixels) -> None:
        """Write a picture into a slot with reserved space."""
        shard, place = divmod(slot, self.per_shard)
        if shard not in self._written:
            _allow_open_files(len(self._written) + 1)
            self._written[shard] = self._map(shard, mmap.ACCESS_WRITE)
        self._written[shard][place] = picture

    def flush(self) -> None:
        """Put on disk what was written, after which the shards are closed."""
        for pictures in self._written.values():
            _map_of(pictures).flush()
        self._written.clear()

    def open(self) -> "Shards":
        """All shards, read-only. A map keeps its pictures when its file is deleted or replaced.

        Raises MaskgateError if the system allows too few open files.
        """
        counts = self.counts()
        _allow_open_files(len(counts))
        maps = [
            self._map(shard, mmap.ACCESS_READ) if count else self._empty()
            for shard, count in enumerate(counts)
        ]
        return Shards(maps or [self._empty()], self.per_shard, self)

    def _empty(self) -> Pixels:
        return np.empty((0, *self.shape), dtype=np.uint8)

    def _map(self, shard: int, access: int) -> Pixels:
        try:
            with open(self.path(shard), "rb" if access == mmap.ACCESS_READ else "rb+") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=access)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            raise MaskgateError(
                f"{self.folder}: its {len(self.counts())} shards are more files than this system"
                " allows to be open; raise the limit (ulimit -n)"
            ) from error
        count = len(mapped) // self.picture_bytes
        pictures = np.frombuffer(mapped, np.uint8, count * self.picture_bytes)
        return pictures.reshape(count, *self.shape)


class Shards:
    """Pictures by slot, from maps (n, …) of `per_shard` pictures each.

    The last map may be shorter, and so may one of which the file was damaged.
    """

    def __init__(
        self, maps: Sequence[Pixels], per_shard: int, source: ShardFolder | None = None
    ) -> None:
        self._maps, self._per_shard, self._source = maps, per_shard, source
        self._picture_bytes = int(np.prod(maps[0].shape[1:]))
        self._files = [None if source is None or not len(m) else _map_of(m) for m in maps]

    @classmethod
    def of(cls, pictures: Pixels) -> "Shards":
        """The pictures (slots, …) of an array, as one shard."""
        return cls([pictures], max(1, len(pictures)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one picture."""
        return self._maps[0].shape[1:]

    @property
    def end(self) -> int:
        """The first slot after those of the last shard."""
        return (len(self._maps) - 1) * self._per_shard + len(self._maps[-1])

    def __getitem__(self, slot: int) -> Pixels:
        """The picture in a slot, read-only if it is mapped from disk."""
        self.prefetch([int(slot)])
        return self._picture(int(slot))

    def _picture(self, slot: int) -> Pixels:
        shard, place = divmod(slot, self._per_shard)
        return self._maps[shard][place]

    def prefetch(self, slots: Sequence[int]) -> None:
        """Have the kernel read the pictures in these slots from the disk, without waiting."""
        if self._source is None or _WILL_NEED is None:
            return
        for slot in slots:
            shard, place = divmod(slot, self._per_shard)
            first = place * self._picture_bytes
            start = first - first % mmap.PAGESIZE
            file = self._files[shard]
            assert file is not None  # a slot in an empty shard is in no index
            file.madvise(_WILL_NEED, start, first + self._picture_bytes - start)

    def take(self, slots: Slots) -> Pixels:
        """A copy of the pictures (n, …) in n slots."""
        pictures = np.empty((len(slots), *self.shape), dtype=np.uint8)
        numbers = slots.tolist()
        self.prefetch(numbers)
        for target, slot in zip(pictures, numbers, strict=True):
            target[...] = self._picture(slot)
        return pictures

    def __reduce__(self) -> Any:
        """Another process, such as a worker that is not forked, maps the files itself."""
        if self._source is not None:
            source = self._source
            return _reopened, (source.folder, source.name, source.shape)
        return Shards, (self._maps, self._per_shard)


def _reopened(folder: Path, name: str, shape: tuple[int, ...]) -> Shards:
    return ShardFolder(folder, name, shape).open()


def _map_of(pictures: Pixels) -> mmap.mmap:
    """The map of a file in which the pictures lie."""
    base: Any = pictures
    while isinstance(base, np.ndarray):
        base = base.base
    return base.obj


def _extend(path: Path, size: int) -> None:
    path.touch()
    with open(path, "rb+") as file:
        if size > os.fstat(file.fileno()).st_size:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:  # macOS: the file grows, but a full disk is reported only later
                file.truncate(size)


def _allow_open_files(count: int) -> None:
    """Raise this process's limit of open files if `count` more could exceed it."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 8 * count + _FEW_FILES  # several stores may be open at once
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
