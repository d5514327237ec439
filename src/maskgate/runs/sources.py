"""Folders of runs that are shown together, each with a name for whoever they belong to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskgate.core import files
from maskgate.errors import MaskgateError
from maskgate.runs.opening import is_run
from maskgate.runs.records.faults import no_runs


@dataclass(frozen=True)
class Source:
    """A `folder` of runs, or a run; `name` is empty where it is the only one."""

    folder: Path
    name: str = ""

    @property
    def runs(self) -> list[Path]:
        """The folders that may hold a run, by name."""
        if is_run(self.folder):
            return [self.folder]
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []

    def title(self, run: Path) -> str:
        """The name of a run among those of all sources: `name/run`."""
        name = run.resolve().name if run.name in ("", "..") else run.name  # of . and .. alike
        return f"{self.name}/{name}" if self.name else name


def read(words: Sequence[str]) -> list[Source]:
    """The sources of words such as `runs` or `kim=/home/kim/runs`.

    Without a name, a folder that is called `runs` has the name of the folder that it is in, and any
    other its own. Raises MaskgateError for a folder that does not exist or is given twice, and for
    two sources with one name.
    """
    pairs = [_name_and_folder(word) for word in words]
    for _, folder in pairs:
        files.check_name(folder)
        if not folder.is_dir():
            raise no_runs(folder)
    places = Counter(folder.resolve() for _, folder in pairs)
    if twice := [folder for _, folder in pairs if places[folder.resolve()] > 1]:
        raise MaskgateError(f"{twice[0]}: is given twice; give every folder once")
    if len(pairs) == 1:
        ((name, folder),) = pairs
        return [Source(folder, name)]
    sources = [Source(folder, name or _name_of(folder)) for name, folder in pairs]
    names = Counter(source.name for source in sources)
    if same := [source for source in sources if names[source.name] > 1]:
        raise MaskgateError(
            f"{same[0].folder} and {same[1].folder}: both have the name {same[0].name}; give them"
            f" others, such as kim={same[1].folder}"
        )
    return sources


def _name_and_folder(word: str) -> tuple[str, Path]:
    """The name, empty if none is given, and the folder of a word."""
    name, is_named, folder = word.partition("=")
    if not is_named or Path(word).exists():
        return "", Path(word)
    if not name or not folder or "/" in name:
        raise MaskgateError(f"{word}: write a folder as NAME=FOLDER, such as kim=/home/kim/runs")
    return name, Path(folder)


def _name_of(folder: Path) -> str:
    place = folder.resolve()
    return place.parent.name if place.name == "runs" and place.parent.name else place.name
