"""The folder of answers: a parquet file a part, and what they are answers of."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from maskgate.core import files
from maskgate.core.progress import track
from maskgate.errors import MaskgateError, of_disk

MANIFEST: Final = "_parts.json"  # readers of a folder of parquet pass over it
CONTENT: Final = "content"  # a column of rows to add: a digest of the photo's file, or empty
# Of photos by their numbers, which are read, the digests of their files.
Contents = Callable[[range], Sequence[str]]


@dataclass(frozen=True)
class Asked:
    """All that the answers depend on: `model` and `photos` are digests, `part` is photos a part.

    `names` is a digest of the photos' names alone.
    """

    model: str
    photos: str
    count: int
    part: int
    all_faces: bool
    names: str = ""


_DIFFERS: Final = {
    "model": "another model",
    "photos": "other photos, or some of them have changed",
    "count": "other photos",
    "part": "another --part",
    "all_faces": "and without --all-faces",
}


@dataclass
class Parts:
    """The parts of `asked` in a folder; rows come in any order and are kept until a part is whole.

    Rows are tables with a first column `row`: the number of the photo, (R,) int64.
    """

    folder: Path
    asked: Asked
    _waiting: dict[int, list[pa.Table]] = field(default_factory=dict, repr=False)
    _photos: dict[int, int] = field(default_factory=dict, repr=False)  # of those waiting

    @property
    def count(self) -> int:
        return -(-self.asked.count // self.asked.part)

    def path(self, part: int) -> Path:
        return self.folder / f"part-{part:06d}.parquet"

    def contents_path(self, part: int) -> Path:
        """Of the hidden file with the digest of what was in the photos' files."""
        return self.folder / f".part-{part:06d}.contents"

    def photos(self, part: int) -> range:
        """Numbers of the photos of a part."""
        start = part * self.asked.part
        return range(start, min(start + self.asked.part, self.asked.count))

    def missing(self) -> list[int]:
        return [part for part in range(self.count) if not self.path(part).exists()]

    def add(self, rows: pa.Table) -> int:
        """Take the rows of some photos, all of each, and write the parts that are whole then.

        Returns the number of those photos.
        """
        part_of = pc.divide(rows["row"], self.asked.part)
        taken = 0
        for part in part_of.unique().to_pylist():
            some = rows.filter(pc.equal(part_of, part))
            photos = len(some["row"].unique())
            taken += photos
            self._waiting.setdefault(part, []).append(some)
            self._photos[part] = self._photos.get(part, 0) + photos
            if self._photos[part] == len(self.photos(part)):
                self._write(part)
        return taken

    def _write(self, part: int) -> None:
        whole = pa.concat_tables(self._waiting.pop(part))
        if CONTENT in whole.column_names:
            of_row = dict(zip(whole["row"].to_pylist(), whole[CONTENT].to_pylist(), strict=True))
            contents = [of_row[row] for row in self.photos(part)]
            # Before the part, so that none is without.
            files.replace_text(self.contents_path(part), _digest(contents))
            whole = whole.drop_columns([CONTENT])
        # Arrow's sort is stable: the faces of a photo stay in their order.
        whole = whole.sort_by("row").drop_columns(["row"]).combine_chunks()
        files.replace(self.path(part), lambda beside: pq.write_table(whole, beside))
        del self._photos[part]

    def check_contents(self, contents: Contents) -> None:
        """Raise MaskgateError where photos of parts that are there are not what they were."""
        there = [part for part in range(self.count) if self.path(part).exists()]
        for part in track(there, "reading photos that may have changed", len(there)):
            file = self.contents_path(part)
            before = file.read_text(encoding="utf-8") if file.exists() else ""
            if before != _digest(contents(self.photos(part))):
                raise _another(self.folder, _DIFFERS["photos"])

    def faults(self) -> Iterator[tuple[str, str]]:
        """Each photo that could not be read, and why."""
        for part in track(range(self.count), "looking for faults", self.count):
            told = pq.read_table(self.path(part), columns=["photo", "fault"])
            told = told.filter(told["fault"].is_valid())
            yield from zip(told["photo"].to_pylist(), told["fault"].to_pylist(), strict=True)


@contextmanager
def opened(folder: Path, asked: Asked, contents: Contents | None = None) -> Iterator[Parts]:
    """The parts in a folder, locked; those that are there already stay.

    Where the photos' names are the same and their stamps are not, `contents` shows whether they
    have changed.

    Raises MaskgateError where the folder holds answers to something else, and where another
    process is writing them.
    """
    files.check_folder(folder)
    manifest = folder / MANIFEST
    if folder.is_dir() and not manifest.exists() and any(_others(folder)):
        raise MaskgateError(f"{folder}: not empty and holds no answers; give another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise of_disk(error, folder) from error
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise MaskgateError(
            f"{folder}: another process is writing these answers; let it end"
        ) from error
    try:
        if manifest.exists():
            if not _same(manifest, asked):
                if contents is None:
                    raise _another(folder, _DIFFERS["photos"])
                Parts(folder, asked).check_contents(contents)
                files.replace_text(manifest, json.dumps(asdict(asked), indent=2) + "\n")
        else:
            files.replace_text(manifest, json.dumps(asdict(asked), indent=2) + "\n")
        files.sweep(folder)
        yield Parts(folder, asked)
    finally:
        lock.release()


def _others(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _digest(contents: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(contents).encode(), digest_size=16).hexdigest()


def _same(manifest: Path, asked: Asked) -> bool:
    """Whether the manifest tells of the same answers; False where only the photos' stamps differ.

    Raises MaskgateError where something else differs.
    """
    try:
        before = json.loads(manifest.read_text(encoding="utf-8"))
        same_names = bool(asked.names) and before.get("names") == asked.names
        differs = [why for key, why in _DIFFERS.items() if before[key] != getattr(asked, key)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MaskgateError(
            f"{manifest}: damaged; remove the folder {manifest.parent}, and repeat the command"
        ) from error
    if differs == [_DIFFERS["photos"]] and same_names:
        return False
    if differs:
        raise _another(manifest.parent, differs[0])
    return True


def _another(folder: Path, why: str) -> MaskgateError:
    return MaskgateError(
        f"{folder}: holds answers asked for in another way ({why}); give another --out, or remove"
        " the folder"
    )
