"""The files in a run's folder, each checked against what run.json lists when it is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maskgate.core.progress import track
from maskgate.runs.records import contents, status
from maskgate.runs.records.contents import Entry
from maskgate.runs.records.faults import REMEDY, damaged
from maskgate.runs.records.status import Status


@dataclass(frozen=True)
class RunFiles:
    """The files of the run in a `folder`, which paths given here begin with."""

    folder: Path

    @property
    def status_file(self) -> Path:
        return self.folder / "run.json"

    @property
    def is_finished(self) -> bool:
        return self.status_file.exists() and self.status().finished is not None

    def status(self) -> Status:
        """What run.json holds. Raises MaskgateError."""
        return status.read(self.status_file)

    def tell(self, **news: Any) -> None:
        """Add to run.json. Raises MaskgateError."""
        status.add(self.status_file, news)

    def end(self, paths: Iterable[Path]) -> None:
        """Write that the run is finished, and list the files at `paths`, of which it consists.
        Raises MaskgateError where one cannot be read."""
        every = list(paths)
        read = track(every, f"checksums of {self.folder.name}", len(every))
        listed = {self._name(path): contents.entry(path) for path in read}
        self.tell(finished=datetime.now(UTC).isoformat(timespec="seconds"), files=listed)

    def add(self, path: Path) -> None:
        """List a file that was made, or made anew, after the run had ended; a run that an older
        version has made has no list."""
        from filelock import FileLock  # not there where nothing but prediction is installed

        with FileLock(self.folder / ".list.lock"):
            listed = self.listed()
            if listed is not None:
                self.tell(files=listed | {self._name(path): contents.entry(path)})

    def listed(self) -> dict[str, Entry] | None:
        """What a finished run consists of: size and SHA-256 of each file by its path in the folder.
        None of an unfinished run, and of one that an older version has made."""
        if not self.status_file.exists():
            return None
        status = self.status()
        return None if status.finished is None else status.files

    def holds(self, path: Path) -> bool:
        """Whether the file is part of the run."""
        listed = self.listed()
        return path.exists() if listed is None else self._name(path) in listed

    def read(self, path: Path) -> bytes:
        """The bytes of a file. Raises MaskgateError where it is missing, may not be read, or has
        changed since the run ended."""
        return contents.read(path, self._entry(path), self.remedy(path))

    def text(self, path: Path) -> str:
        """As `read`, of a file of UTF-8 text."""
        try:
            return self.read(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise damaged(path, "not UTF-8", self.remedy(path)) from error

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, which is read in parts; raises MaskgateError as `read` does."""
        return contents.digest(path, self._entry(path))

    def remedy(self, path: Path) -> str:
        """What to do about a damaged file: of a fold of an unfinished run, train that again."""
        if path.parent == self.folder or self.is_finished:
            return REMEDY
        return f"remove {path.parent} and repeat the command: that fold is trained again"

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _entry(self, path: Path) -> Entry | None:
        """What the list tells of a file; None where there is no list."""
        listed = self.listed()
        if listed is None:
            return None
        if (name := self._name(path)) not in listed:
            why = "it was not there when the run ended" if path.exists() else "no such file"
            raise damaged(path, why)
        return listed[name]
