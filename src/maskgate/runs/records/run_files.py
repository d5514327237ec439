"""The files in a run's folder, each checked against what run.json lists when it is read."""

from collections.abc import Iterable, Mapping
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
    """The files of the run in a `folder`; all paths start with that folder."""

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

    def update_status(self, **changes: Any) -> None:
        """Set keys of run.json. Raises MaskgateError."""
        status.update(self.status_file, changes)

    def finish(self, paths: Iterable[Path]) -> None:
        """Mark the run as finished, and list its files at `paths`. Raises MaskgateError where one
        cannot be read."""
        paths = list(paths)
        tracked = track(paths, f"checksums of {self.folder.name}", len(paths))
        listed = {self._name(path): contents.entry(path) for path in tracked}
        self.update_status(finished=datetime.now(UTC).isoformat(timespec="seconds"), files=listed)

    def add(self, path: Path) -> None:
        """List a file that was written after the run had finished. A run of an older version has no
        list, and none is made."""
        from filelock import FileLock  # missing in an install for prediction only

        with FileLock(self.folder / ".list.lock"):
            listed = self.listed()
            if listed is not None:
                self.update_status(files=listed | {self._name(path): contents.entry(path)})

    def note_trackers(self, faults: Mapping[str, str]) -> bool:
        """Keep for each tracker the warning that it lacks a part of the run, or take that back if
        the warning is empty; whether anything has changed. Raises MaskgateError."""
        from filelock import FileLock  # missing in an install for prediction only

        known = self.status().untracked
        if all(known.get(place, "") == fault for place, fault in faults.items()):
            return False
        with FileLock(self.folder / ".list.lock"):
            together = self.status().untracked | dict(faults)
            self.update_status(untracked={key: text for key, text in together.items() if text})
        return True

    def listed(self) -> dict[str, Entry] | None:
        """Size and SHA-256 of each file of a finished run, by its path in the folder. None for an
        unfinished run, and for one of an older version."""
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
        """As `read`, for a file of UTF-8 text."""
        try:
            return self.read(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise damaged(path, "not UTF-8", self.remedy(path)) from error

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, read in parts. Raises MaskgateError as `read` does."""
        return contents.digest(path, self._entry(path))

    def remedy(self, path: Path) -> str:
        """What to do about a damaged file; in an unfinished run a fold is trained again."""
        if path.parent == self.folder or self.is_finished:
            return REMEDY
        return f"remove {path.parent} and repeat the command: that fold is trained again"

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _entry(self, path: Path) -> Entry | None:
        """The listed entry of a file; None where there is no list."""
        listed = self.listed()
        if listed is None:
            return None
        if (name := self._name(path)) not in listed:
            reason = "it did not exist when the run ended" if path.exists() else "no such file"
            raise damaged(path, reason)
        return listed[name]
