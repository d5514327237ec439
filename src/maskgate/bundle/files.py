"""The files of a bundle, a folder or one zip: each is refused where a byte of it has changed."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from maskgate.bundle.manifest import Manifest
from maskgate.errors import MaskgateError, disk_error
from maskgate.runs.records import contents, stored
from maskgate.runs.records.faults import damaged

MANIFEST: Final = "manifest.json"
_REMEDY: Final = "get the bundle again from where it comes, or export it again"
_MAX_MANIFEST: Final = 1 << 24  # bytes
_ZIP: Final = b"PK\x03\x04"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were all checked against its manifest when it was opened."""

    path: Path

    @cached_property
    def manifest(self) -> Manifest:
        """What manifest.json holds. Raises MaskgateError."""
        name = self.path / MANIFEST
        return stored.parse(self._read(MANIFEST, _MAX_MANIFEST), Manifest, name, _REMEDY)

    def read(self, name: str) -> bytes:
        """The bytes of a file of the bundle. Raises MaskgateError where it is missing or not as the
        manifest lists it."""
        entry = self.manifest.files.get(name)
        if entry is None:
            raise damaged(self.path / name, "the manifest does not list it", _REMEDY)
        content = self._read(name, entry.bytes)
        if len(content) != entry.bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
            raise damaged(self.path / name, "it has changed since the export", _REMEDY)
        return content

    def check(self) -> None:
        """Raise MaskgateError where a file is missing or changed."""
        for name in self.manifest.files:
            self.read(name)

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """The files of the folder `name`, of a zip written into one that is removed afterwards.
        Raises MaskgateError."""
        if self.path.is_dir():
            yield self.path / name
            return
        with TemporaryDirectory(prefix="maskgate-") as temporary:
            for file in self.manifest.files:
                if file.startswith(f"{name}/"):
                    target = Path(temporary, file.removeprefix(f"{name}/"))
                    if target.parent != Path(temporary):
                        raise damaged(self.path / file, "a folder in a detector's", _REMEDY)
                    target.write_bytes(self.read(file))
            yield Path(temporary)

    def _read(self, name: str, size: int) -> bytes:
        """At most one byte more than `size` bytes of a file."""
        if self.path.is_dir():
            return contents.read(self.path / name, None, _REMEDY, size + 1)
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                return file.read(size + 1)
        except KeyError as error:
            raise damaged(self.path / name, "no such file in the zip", _REMEDY) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as why:
            raise damaged(self.path, f"not a whole zip file: {why}", _REMEDY) from why
        except OSError as error:
            raise disk_error(error, self.path) from error


def is_bundle(path: Path) -> bool:
    """Whether there is a bundle, damaged or not, at `path`."""
    if path.is_dir():
        return (path / MANIFEST).exists()
    try:
        with path.open("rb") as file:
            return file.read(len(_ZIP)) == _ZIP
    except OSError:
        return False


def open_bundle(path: Path) -> Bundle:
    """The bundle at `path`, every byte of it checked. Raises MaskgateError."""
    if not is_bundle(path):
        raise MaskgateError(f"{path}: no bundle; give what `maskgate export` has written")
    bundle = Bundle(path)
    bundle.check()
    return bundle
