"""The files of a bundle, a folder or one zip: each is refused where a byte of it has changed."""

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from maskgate.bundle.manifest import Manifest
from maskgate.core import files
from maskgate.errors import MaskgateError, disk_error
from maskgate.runs import BUNDLE_MANIFEST, is_bundle
from maskgate.runs.records import contents, stored
from maskgate.runs.records.faults import damaged, unreadable

MANIFEST: Final = BUNDLE_MANIFEST
ZIP: Final = ".zip"
_REMEDY: Final = "get the bundle again from where it comes, or export it again"
_MAX_MANIFEST: Final = 1 << 24  # bytes
_MAX_FILE: Final = 1 << 31  # bytes; ONNX allows no more
_MAX_RATIO: Final = 50  # bytes of the files for a byte of the zip: networks hardly shrink


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
        sizes = [entry.bytes for entry in self.manifest.files.values()]
        if max(sizes, default=0) > _MAX_FILE:
            raise damaged(self.path, "it lists a file that is too large for ONNX", _REMEDY)
        if not self.path.is_dir() and sum(sizes) > _MAX_RATIO * self._size():
            raise damaged(self.path, "its files are too large for a zip of this size", _REMEDY)
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
        except OSError as error:
            raise disk_error(error, self.path) from error
        except Exception as error:  # what zipfile raises of damaged content has no common base
            raise damaged(self.path, f"not a whole zip file: {error}", _REMEDY) from error

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise unreadable(self.path, error, _REMEDY) from error


def open_bundle(path: Path) -> Bundle:
    """The bundle at `path`, every byte of it checked. Raises MaskgateError."""
    if not is_bundle(path):
        raise MaskgateError(f"{path}: not a bundle; give a folder or zip from `maskgate export`")
    bundle = Bundle(path)
    bundle.check()
    return bundle


def check_out(out: Path) -> None:
    """Raise MaskgateError where no bundle can be written to `out`: before the work, not after."""
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise MaskgateError(f"{out}: exists already; remove it, or name another folder or .zip")
    files.check_name(out)
    files.check_folder(out.parent if out.suffix.lower() == ZIP else out)


def card_of(path: Path) -> str:
    """Where the model card of a bundle is, for people."""
    return f"card.html of {path}" if path.suffix.lower() == ZIP else str(path / "card.html")
