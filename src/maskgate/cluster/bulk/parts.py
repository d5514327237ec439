"""The folder of bulk predictions: a parquet file per part, and a manifest."""

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
from maskgate.errors import MaskgateError, disk_error

MANIFEST: Final = "_parts.json"  # readers of a parquet folder ignore it
CONTENT: Final = "content"  # a column of rows to add: a digest of the photo's file, or empty
# Reads photos, by their numbers, and gives the digests of their files.
Contents = Callable[[range], Sequence[str]]


@dataclass(frozen=True)
class Manifest:
    """All that the predictions depend on: `model` and `photos` are digests, `part` is the number of
    photos per part.

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
    """The parts of a folder. Rows arrive in any order and are kept until a part is complete.

    Rows are tables with a first column `row`: the number of the photo, (R,) int64.
    """

    folder: Path
    manifest: Manifest
    _waiting: dict[int, list[pa.Table]] = field(default_factory=dict, repr=False)
    _photos: dict[int, int] = field(default_factory=dict, repr=False)  # of those waiting

    @property
    def count(self) -> int:
        return -(-self.manifest.count // self.manifest.part)

    def path(self, part: int) -> Path:
        return self.folder / f"part-{part:06d}.parquet"

    def contents_path(self, part: int) -> Path:
        """The hidden file with the digest of the contents of a part's photos."""
        return self.folder / f".part-{part:06d}.contents"

    def photos(self, part: int) -> range:
        """Numbers of the photos of a part."""
        start = part * self.manifest.part
        return range(start, min(start + self.manifest.part, self.manifest.count))

    def missing(self) -> list[int]:
        return [part for part in range(self.count) if not self.path(part).exists()]

    def add(self, rows: pa.Table) -> int:
        """Add all rows of some photos, and write the parts that are now complete.

        Returns the number of those photos.
        """
        part_of = pc.divide(rows["row"], self.manifest.part)
        count = 0
        for part in part_of.unique().to_pylist():
            part_rows = rows.filter(pc.equal(part_of, part))
            photos = len(part_rows["row"].unique())
            count += photos
            self._waiting.setdefault(part, []).append(part_rows)
            self._photos[part] = self._photos.get(part, 0) + photos
            if self._photos[part] == len(self.photos(part)):
                self._write(part)
        return count

    def _write(self, part: int) -> None:
        table = pa.concat_tables(self._waiting.pop(part))
        if CONTENT in table.column_names:
            digest_of_row = dict(
                zip(table["row"].to_pylist(), table[CONTENT].to_pylist(), strict=True)
            )
            contents = [digest_of_row[row] for row in self.photos(part)]
            # Before the part, so that no part lacks it.
            files.replace_text(self.contents_path(part), _digest(contents))
            table = table.drop_columns([CONTENT])
        # Arrow's sort is stable: the faces of a photo keep their order.
        table = table.sort_by("row").drop_columns(["row"]).combine_chunks()
        files.replace(self.path(part), lambda target: pq.write_table(table, target))
        del self._photos[part]

    def check_contents(self, contents: Contents) -> None:
        """Raise MaskgateError if a photo of an existing part has changed."""
        existing = [part for part in range(self.count) if self.path(part).exists()]
        for part in track(existing, "reading photos that may have changed", len(existing)):
            file = self.contents_path(part)
            before = file.read_text(encoding="utf-8") if file.exists() else ""
            if before != _digest(contents(self.photos(part))):
                raise _other_job(self.folder, _DIFFERS["photos"])

    def faults(self) -> Iterator[tuple[str, str]]:
        """Each photo that could not be read, and the reason."""
        for part in track(range(self.count), "looking for faults", self.count):
            unreadable = pq.read_table(self.path(part), columns=["photo", "fault"])
            unreadable = unreadable.filter(unreadable["fault"].is_valid())
            yield from zip(
                unreadable["photo"].to_pylist(), unreadable["fault"].to_pylist(), strict=True
            )


@contextmanager
def opened(folder: Path, manifest: Manifest, contents: Contents | None = None) -> Iterator[Parts]:
    """The parts in a folder, locked; existing parts are kept.

    If the photos' names are the same but their stamps differ, `contents` is compared.

    Raises MaskgateError if the folder has other predictions, or if another process is writing
    them.
    """
    files.check_folder(folder)
    manifest_file = folder / MANIFEST
    if folder.is_dir() and not manifest_file.exists() and any(_visible_files(folder)):
        raise MaskgateError(
            f"{folder}: not empty, and not a folder of predictions; give another --out"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise MaskgateError(
            f"{folder}: another process is writing these predictions; wait for it to end"
        ) from error
    try:
        if manifest_file.exists():
            if not _matches(manifest_file, manifest):
                if contents is None:
                    raise _other_job(folder, _DIFFERS["photos"])
                Parts(folder, manifest).check_contents(contents)
                files.replace_text(manifest_file, json.dumps(asdict(manifest), indent=2) + "\n")
        else:
            files.replace_text(manifest_file, json.dumps(asdict(manifest), indent=2) + "\n")
        files.remove_leftovers(folder)
        yield Parts(folder, manifest)
    finally:
        lock.release()


def _visible_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _digest(contents: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(contents).encode(), digest_size=16).hexdigest()


def _matches(manifest_file: Path, manifest: Manifest) -> bool:
    """Whether the manifest in the file is the same; False if only the photos' stamps differ.

    Raises MaskgateError if something else differs.
    """
    try:
        before = json.loads(manifest_file.read_text(encoding="utf-8"))
        same_names = bool(manifest.names) and before.get("names") == manifest.names
        differs = [
            difference
            for key, difference in _DIFFERS.items()
            if before[key] != getattr(manifest, key)
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MaskgateError(
            f"{manifest_file}: damaged; remove the folder {manifest_file.parent}, and repeat the"
            " command"
        ) from error
    if differs == [_DIFFERS["photos"]] and same_names:
        return False
    if differs:
        raise _other_job(manifest_file.parent, differs[0])
    return True


def _other_job(folder: Path, difference: str) -> MaskgateError:
    return MaskgateError(
        f"{folder}: has predictions with other settings ({difference}); give another --out, or"
        " remove the folder"
    )
